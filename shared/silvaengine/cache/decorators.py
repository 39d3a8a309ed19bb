"""The decorator: makes the look-up of a call that memory can't answer, and clears a function's values."""

from collections.abc import Callable, Mapping
from functools import partial, update_wrapper
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR, Parameter, signature
from itertools import count
from types import CoroutineType, FunctionType
from typing import Any, Concatenate, Protocol, cast, overload

from silvaengine import context
from silvaengine.cache.hybrid import HybridCache
from silvaengine.cache.identity import ObjectIdentities
from silvaengine.cache.keys import (
    NoKeyError,
    call_text,
    exact_pattern,
    find_by_name,
    plain_text,
    validate_name,
)
from silvaengine.cache.lookup import MISSING, CachePolicy, Lookup
from silvaengine.cache.stats import stats

# Values of these types are keys as they are, beside their class; others need their text: 0.0 equals -0.0, and
# (1,) equals (True,).
_ATOMS = frozenset({str, int, bool, bytes, type(None)})

_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)

# Where methods, properties and other decorators keep the function that they wrap.
_INNER = ("__func__", "__wrapped__", "fget", "func")

SKIP = "skip_cache"

type Args = tuple[Any, ...]
type Kwargs = Mapping[str, Any]

_ids = count(1)


class Cached[**P, R](Protocol):
    """A cached function: called like the function itself, with ``skip_cache=True`` past the cache."""

    __wrapped__: Callable[P, R]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the cached value, or the function's."""

    # For class methods; mypy calls ``__get__`` on static methods too, and can't tell the two apart.
    @overload
    def __get__[S, **Q](
        self: "Cached[Concatenate[type[S], Q], R]", instance: None, owner: type[S]
    ) -> "BoundCached[Q, R]": ...
    @overload
    def __get__(self, instance: None, owner: type) -> "Cached[P, R]": ...
    @overload
    def __get__[S, **Q](
        self: "Cached[Concatenate[S, Q], R]", instance: S, owner: type | None = None
    ) -> "BoundCached[Q, R]": ...
    def cache_clear(self) -> bool:
        """Clear the values of this function and tenant; return whether a store acknowledged it."""

    def cache_delete(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Delete the value of these arguments everywhere; return whether a store acknowledged it."""

    def cache_stats(self) -> dict[str, Any]:
        """Return the cache's counters for the running call's tenant."""


class BoundCached[**P, R](Protocol):
    """A cached method as Python binds it: the call has its object or class, ``cache_delete`` has not."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the cached value, or the method's."""

    def cache_clear(self) -> bool:
        """Clear the method's values for all objects; see ``Cached``."""

    def cache_delete(self, owner: object, /, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Delete the value of these arguments, and of the object or class that the method is called on."""

    def cache_stats(self) -> dict[str, Any]:
        """Return the cache's counters for the running call's tenant."""


def cached[**P, R](
    open_cache: Callable[[], HybridCache],
    *,
    cache_name: str,
    policy: CachePolicy,
    key: Callable[..., Any] | None = None,
    cache_enabled: bool | Callable[[], bool] = True,
) -> Callable[[Callable[P, R]], Cached[P, R]]:
    """Return a decorator.

    Args:
        open_cache: returns the cache; called when a function is decorated.
        cache_name: see ``silvaengine.cache.keys.NAME_RULE``.
        policy: how values are cached.
        key: makes the key from the call's arguments: text, or another value that a key can hold.
        cache_enabled: whether calls use the cache; a function is asked at each call.

    Raises:
        ValueError: the cache's name is invalid.
        TypeError: from the decorator, for a generator function.
    """
    validate_name(cache_name)

    def decorate(function: Callable[P, R]) -> Cached[P, R]:
        if isinstance(function, staticmethod | classmethod):
            kind = type(function)
            return cast("Cached[P, R]", kind(decorate(function.__func__)))
        cached_function = CachedFunction(open_cache(), function, cache_name, policy, key)
        return cast("Cached[P, R]", cached_function.wrap(cache_enabled))

    return decorate


class CachedFunction:
    """A function with its cache; ``wrap`` returns what callers call."""

    def __init__(
        self,
        cache: HybridCache,
        function: Callable[..., Any],
        cache_name: str,
        policy: CachePolicy,
        key: Callable[..., object] | None,
    ) -> None:
        flags = function.__code__.co_flags if isinstance(function, FunctionType) else 0
        if flags & (CO_GENERATOR | CO_ASYNC_GENERATOR):
            raise TypeError(f"{function.__qualname__} is a generator function: its results can't be cached")
        self._cache = cache
        self._function = function
        self._cache_name = cache_name
        self._key = key
        self._id = next(_ids)
        self._is_async = bool(flags & CO_COROUTINE)
        self._signature = signature(function if flags else _any_arguments, follow_wrapped=False)
        kinds = {name: parameter.kind for name, parameter in self._signature.parameters.items()}
        self._count = sum(kind in _POSITIONAL for kind in kinds.values())
        self._keyword_only = [name for name, kind in kinds.items() if kind is Parameter.KEYWORD_ONLY]
        self._takes_kwargs = Parameter.VAR_KEYWORD in kinds.values()
        qualified_name = getattr(function, "__qualname__", type(function).__qualname__)
        self._name = qualified_name.rpartition(".")[2]
        self._qualified_name = qualified_name
        self._full_name = f"{function.__module__}.{qualified_name}"
        self._function_text = f"~{self._full_name}"  # which a clear of all the function's values matches
        is_nested = "." in qualified_name.rpartition("<locals>.")[2]
        self._in_class = is_nested and isinstance(function, FunctionType)
        # Values of a function that other processes can't tell from others of its name stay in this process.
        is_local = "<" in qualified_name or function.__module__ == "__main__" or not flags
        self._local_policy = policy._replace(local=True)
        self._policy = self._local_policy if is_local else policy
        self._identities = ObjectIdentities(self._name, self._is_this_function)
        self._wrapper: Callable[..., Any] = function

    def wrap(self, cache_enabled: bool | Callable[[], bool]) -> Callable[..., Any]:
        """Return the wrapper: the way of a hit in memory, without the texts of keys."""
        function, complete, hit, miss = self._function, self._complete, self._cache.hit, self._miss
        memory_key = self._memory_key
        takes_skip = SKIP not in self._signature.parameters
        exact = None if self._keyword_only else self._count
        if cache_enabled is False or (self._policy.ttl is not None and self._policy.ttl <= 0):
            cache_enabled = _never

        def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the function's own
            skips = kwargs and takes_skip and kwargs.pop(SKIP, False)
            if skips or not (cache_enabled is True or cache_enabled()):
                return function(*args, **kwargs)
            if kwargs or len(args) != exact:
                try:
                    args, kwargs = complete(args, kwargs)
                except TypeError:
                    return function(*args, **kwargs)  # raises one that says what is wrong
            try:
                value = hit(memory_key(args, kwargs))
            except Exception:  # noqa: BLE001 - of an argument's __hash__ or of ``key=``; the miss deals with it
                value = MISSING
            return miss(args, kwargs) if value is MISSING else value

        async def call_async(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the function's own
            result = call(*args, **kwargs)
            return await result if isinstance(result, CoroutineType) else result

        wrapper: Any = update_wrapper(call_async if self._is_async else call, function)
        wrapper.cache_clear = self._clear
        wrapper.cache_delete = self._delete
        wrapper.cache_stats = self._stats
        self._wrapper = wrapper
        return cast("Callable[..., Any]", wrapper)

    def _complete(self, args: Args, kwargs: Kwargs) -> tuple[Args, dict[str, Any]]:
        """Return a call's arguments in the one form that it has, however it is written, with the defaults.

        Raises:
            TypeError: the function doesn't take them.
        """
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return bound.args, bound.kwargs

    def _memory_key(self, args: Args, kwargs: Kwargs) -> tuple[Any, ...]:
        """Return the key in memory, or one that isn't there for arguments whose key needs a text."""
        owner = self._identities.quick_key(args[0]) if self._in_class and args else ()
        parts = self._parts(args, kwargs, 1 if owner else 0)
        return (self._id, context.tenant.get(), *owner, *parts, *map(type, parts))

    def _parts(self, args: Args, kwargs: Kwargs, first: int) -> Args:
        """Return what tells a call from the function's others, from the argument ``first`` on."""
        if self._key is not None:
            return (self._key(*args, **kwargs),)
        if not kwargs:
            return args[first:]
        return (*args[first:], *(kwargs.items() if self._takes_kwargs else kwargs.values()))

    def _miss(self, args: Args, kwargs: Kwargs) -> Any:  # noqa: ANN401 - the function's own
        lookup = self._lookup(args, kwargs)
        if lookup is None:
            return self._function(*args, **kwargs)
        fetch: Callable[..., Any] = self._cache.fetch_async if self._is_async else self._cache.fetch
        return fetch(lookup, partial(self._function, *args, **kwargs))

    def _lookup(self, args: Args, kwargs: Kwargs) -> Lookup | None:
        """Return the look-up of a call, None if the call can't be cached."""
        if not self._cache.has_tenant(self._full_name):
            return None
        try:
            return self._make_lookup(args, kwargs)
        except NoKeyError as error:
            message = f"a call isn't cached; `key=` could leave the argument out: {error}"
            self._cache.warn(self._full_name, message)
            return None

    def _make_lookup(self, args: Args, kwargs: Kwargs) -> Lookup:
        owner = self._identities.identify(args[0]) if self._in_class and args else None
        first = 0 if owner is None else 1
        parts = self._parts(args, kwargs, first)
        if self._key is None:
            text = self._arguments_text(args, kwargs, first)
            names: tuple[str, ...] = (f"{self._qualified_name}:{text}", f"{self._name}:{text}")
        else:
            text = plain_text(parts[0]) if isinstance(parts[0], str) else call_text(parts)
            names = (text,)
        classes = tuple(map(type, parts))
        key: tuple[Any, ...] = (*parts, *classes) if _ATOMS.issuperset(classes) else (text, "text")
        tenant, owner_text, policy, bind = context.tenant.get(), "", self._policy, None
        if owner is not None:
            key = (*owner.key, *key)
            owner_text = f"@{owner.text}"
            policy = self._local_policy if owner.is_local else policy
            bind = partial(self._identities.bind_entry, args[0])
        return Lookup(
            key=(self._id, tenant, *key),
            view=self._cache.fence.view(self._cache_name, tenant),
            text=f"{self._full_name}{owner_text}:{text}",
            texts=(*names, self._function_text),
            policy=policy,
            label=self._full_name,
            bind=bind,
        )

    def _arguments_text(self, args: Args, kwargs: Kwargs, first: int) -> str:
        """Return the text of the arguments in the signature's order, further ones after it."""
        count, names = self._count, self._keyword_only
        values = (*args[first:count], *(kwargs[name] for name in names), *args[max(first, count) :])
        return call_text(values, {name: kwargs[name] for name in kwargs if name not in names})

    def _is_this_function(self, attribute: object) -> bool:
        """Return whether a class's attribute is this function, also inside other decorators."""
        while attribute is not None and attribute is not self._wrapper:
            attribute = next(filter(None, (getattr(attribute, name, None) for name in _INNER)), None)
        return attribute is not None

    def _delete(self, *args: object, **kwargs: object) -> bool:
        if self._in_class:
            home = find_by_name(self._function.__module__, self._qualified_name.rpartition(".")[0])
            # Python binds the method, not its attributes, so that callers may forget the object.
            if self._identities.lacks_owner(args, home):
                raise TypeError(
                    f"expected {self._qualified_name}.cache_delete(obj, ...), with the method's object"
                )
        lookup = self._lookup(*self._complete(args, kwargs))
        return lookup is not None and self._cache.delete(lookup)

    def _clear(self) -> bool:
        cache, tenant = self._cache, context.tenant.get()
        pattern = exact_pattern(self._function_text)
        return cache.has_tenant(self._full_name) and cache.clear(self._cache_name, tenant, pattern)

    def _stats(self) -> dict[str, Any]:
        return stats(self._cache, self._cache_name, context.tenant.get())


def _any_arguments(*args: object, **kwargs: object) -> None:
    """Have the signature of a callable that isn't a function."""


def _never() -> bool:
    return False
