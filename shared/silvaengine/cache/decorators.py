"""The decorator: makes the look-up of a call that memory can't answer, and clears a function's values."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from itertools import count
from types import FunctionType, MappingProxyType
from typing import Any, Concatenate, Protocol, cast, overload

from silvaengine import context
from silvaengine.cache.hybrid import HybridCache
from silvaengine.cache.identity import ObjectIdentities, find_by_name
from silvaengine.cache.keys import (
    NoKeyError,
    call_text,
    exact_pattern,
    plain_text,
    validate_name,
)
from silvaengine.cache.lookup import CachePolicy, Lookup
from silvaengine.cache.memory import MUTABLE
from silvaengine.cache.shared_tiers import codec
from silvaengine.cache.stats import stats
from silvaengine.cache.wrapper import PREFIX, compile_binder, compile_wrapper, read_signature

# Values of these types are keys as they are, beside their class; others need their text: 0.0 equals -0.0, and
# (1,) equals (True,).
_ATOMS = frozenset({str, int, bool, bytes, type(None)})

# Where methods, properties and other decorators keep the function that they wrap.
_INNER = ("__func__", "__wrapped__", "fget", "func")

_NO_KEYWORDS: Mapping[str, object] = MappingProxyType({})

_ids = count(1)


class Cached[**P, R](Protocol):
    """A cached function: called like the function itself, with ``skip_cache=True`` past the cache."""

    __wrapped__: Callable[P, R]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the cached value, or the function's."""
        ...

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
        ...

    def cache_delete(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Delete the value of these arguments everywhere; return whether a store acknowledged it."""
        ...

    def cache_stats(self) -> dict[str, Any]:
        """Return the cache's counters for the running call's tenant."""
        ...


class BoundCached[**P, R](Protocol):
    """A cached method as Python binds it: the call has its object or class, ``cache_delete`` has not."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the cached value, or the method's."""
        ...

    def cache_clear(self) -> bool:
        """Clear the method's values for all objects; see ``Cached``."""
        ...

    def cache_delete(self, owner: object, /, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Delete the value of these arguments, and of the object or class that the method is called on."""
        ...

    def cache_stats(self) -> dict[str, Any]:
        """Return the cache's counters for the running call's tenant."""
        ...


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
        cache_name: 1 to 64 of ``a-z 0-9 _ -``.
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
        self._keyword_only = read_signature(function).keyword_only
        self._bind = compile_binder(function)
        qualified_name = getattr(function, "__qualname__", type(function).__qualname__)
        self._name = qualified_name.rpartition(".")[2]
        self._qualified_name = qualified_name
        self._full_name = f"{function.__module__}.{qualified_name}"
        self._function_text = f"~{self._full_name}"  # which a clear of all the function's values matches
        is_nested = "." in qualified_name.rpartition("<locals>.")[2]
        self._in_class = is_nested and isinstance(function, FunctionType)
        # Values of a function that other processes can't tell from others of its name stay in this process.
        is_local = "<" in qualified_name or function.__module__ == "__main__" or not flags
        self._local_policy = replace(policy, local=True)
        self._policy = self._local_policy if is_local else policy
        self._identities = ObjectIdentities(self._name, self._is_this_function)
        self._wrapper: Callable[..., Any] = function

    def wrap(self, cache_enabled: bool | Callable[[], bool]) -> Callable[..., Any]:
        """Return the wrapper, compiled for the function."""
        is_off = cache_enabled is False or (self._policy.ttl is not None and self._policy.ttl <= 0)
        names: dict[str, object] = {
            "id": self._id,
            "entries": self._cache.memory.entries,
            "tenant": context.tenant.get,
            "clock": self._cache.clock,
            "mutable": MUTABLE,
            "copy": self._copy_first,
            "call": self._call,
            "miss": self._miss_async if self._is_async else self._miss,
            "constants": self._identities.constants,
            "number": id,
            "key": self._key,
        }
        if is_off:
            names["enabled"] = lambda: False
        elif callable(cache_enabled):
            names["enabled"] = cache_enabled
        wrapper: Any = compile_wrapper(
            self._function,
            names,
            in_class=self._in_class,
            is_async=self._is_async,
            has_key=self._key is not None,
        )
        wrapper.cache_clear = self._clear
        wrapper.cache_delete = self._delete
        wrapper.cache_stats = self._stats
        self._wrapper = wrapper
        return cast("Callable[..., Any]", wrapper)

    def _copy_first(self, data: bytes) -> object:
        """Copy a value, and let the wrapper call msgspec's function directly from now on."""
        copy = self._wrapper.__globals__[f"{PREFIX}copy"] = codec().copy
        return copy(data)

    def _call(self, *values: Any) -> Any:  # noqa: ANN401 - the function's own
        return self._apply(self._function, *values)

    def _apply[R](
        self,
        target: Callable[..., R],
        values: tuple[object, ...],
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] = _NO_KEYWORDS,
    ) -> R:
        """Call the function, or one with its parameters, with values by parameter."""
        if not self._keyword_only:
            return target(*values, *args, **kwargs)
        first = len(values) - len(self._keyword_only)
        keyword_only = dict(zip(self._keyword_only, values[first:], strict=True))
        return target(*values[:first], *args, **keyword_only, **kwargs)

    def _miss(self, *values: Any) -> object:  # noqa: ANN401 - see _call
        lookup = self._lookup(*values)
        if lookup is None:
            return self._call(*values)
        return self._cache.fetch(lookup, self._call, values)

    async def _miss_async(self, *values: Any) -> object:  # noqa: ANN401 - see _call
        lookup = self._lookup(*values)
        if lookup is None:
            return await self._call(*values)
        return await self._cache.fetch_async(lookup, self._call, values)

    def _lookup(
        self,
        values: tuple[object, ...],
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] = _NO_KEYWORDS,
    ) -> Lookup | None:
        """Return the look-up of a call, None if the call can't be cached."""
        if not self._cache.has_tenant(self._full_name):
            return None
        try:
            return self._make_lookup(values, args, kwargs)
        except NoKeyError as error:
            message = f"a call isn't cached; `key=` could leave the argument out: {error}"
            self._cache.warn(self._full_name, message)
            return None

    def _make_lookup(
        self, values: tuple[object, ...], args: tuple[object, ...], kwargs: Mapping[str, object]
    ) -> Lookup:
        owner = self._identities.identify(values[0]) if self._in_class and values else None
        parts = values[1:] if owner else values
        if self._key is None:
            text = call_text(parts + args, kwargs)
            texts: tuple[str, ...] = (
                f"{self._qualified_name}:{text}",
                f"{self._name}:{text}",
                self._function_text,
            )
        else:
            parts = (self._apply(self._key, values, args, kwargs),)
            text = plain_text(parts[0]) if isinstance(parts[0], str) else call_text(parts)
            texts = (text, self._function_text)
        classes = tuple(map(type, parts))
        key = (text, "text") if args or kwargs or not _ATOMS.issuperset(classes) else parts + classes
        tenant = context.tenant.get()
        view = self._cache.fence.view(self._cache_name, tenant)
        if owner is None:
            full_text = f"{self._full_name}:{text}"
            return Lookup((self._id, tenant, *key), view, full_text, texts, self._policy, self._full_name)
        policy = self._local_policy if owner.is_local else self._policy
        key = (self._id, tenant, *owner.key, *key)
        full_text = f"{self._full_name}@{owner.text}:{text}"
        lookup = Lookup(key, view, full_text, texts, policy, self._full_name)
        lookup.bind = partial(self._identities.bind_entry, values[0])
        return lookup

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
        lookup = self._lookup(*self._bind(*args, **kwargs))
        return lookup is not None and self._cache.delete(lookup)

    def _clear(self) -> bool:
        cache, tenant = self._cache, context.tenant.get()
        pattern = exact_pattern(self._function_text)
        return cache.has_tenant(self._full_name) and cache.clear(self._cache_name, tenant, pattern)

    def _stats(self) -> dict[str, Any]:
        return stats(self._cache, self._cache_name, context.tenant.get())
