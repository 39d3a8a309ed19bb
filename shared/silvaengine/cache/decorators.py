"""The decorators: what a cached function is called by, how its key is made, and how it is cleared."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from itertools import count
from types import FunctionType, MappingProxyType
from typing import Any, Concatenate, Protocol, cast, overload

from silvaengine import context
from silvaengine.cache.hybrid import HybridCache
from silvaengine.cache.identity import Identities, known_as
from silvaengine.cache.keys import (
    NoKeyError,
    call_text,
    checked_name,
    literal,
    plain_text,
)
from silvaengine.cache.lookup import Call, Policy
from silvaengine.cache.memory import MUTABLE
from silvaengine.cache.shared_tiers import codec
from silvaengine.cache.stats import stats
from silvaengine.cache.wrapper import OWN, compile_values, compile_wrapper, signature

# Values that are equal only to values of their own class with the same text, so that they can be keys as they
# are: 0.0 equals -0.0, and (1,) equals (True,).
_ATOMS = frozenset({str, int, bool, bytes, type(None)})

# Where other decorators, methods and properties keep what they were made from.
_INNER = ("__func__", "__wrapped__", "fget", "func")

NOTHING: Mapping[str, Any] = MappingProxyType({})

_numbers = count(1)


class Cached[**P, R](Protocol):
    """A cached function: called like the function itself, with ``skip_cache=True`` past the cache."""

    __wrapped__: Callable[P, R]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the kept value, or the function's."""
        ...

    # A class method, for mypy, which calls ``__get__`` on static methods too and can't tell the two apart.
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
    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """Bind to an object, as a function does."""
        ...

    def cache_clear(self) -> bool:
        """Forget this function's values, of the running call's tenant; whether a store acknowledged it."""
        ...

    def cache_delete(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Forget the value of these arguments, everywhere; whether a store acknowledged it."""
        ...

    def cache_stats(self) -> dict[str, Any]:
        """Return the cache's counters, of the running call's tenant."""
        ...


class BoundCached[**P, R](Protocol):
    """A cached method of an object or a class, as Python binds it: the call alone knows whose it is."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the kept value, or the method's."""
        ...

    def cache_clear(self) -> bool:
        """Forget the method's values, of all objects; see ``Cached``."""
        ...

    def cache_delete(self, owner: object, /, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Forget the value of the object or class that the method is called on, and of these arguments."""
        ...

    def cache_stats(self) -> dict[str, Any]:
        """Return the cache's counters, of the running call's tenant."""
        ...


def cached[**P, R](
    open_cache: Callable[[], HybridCache],
    *,
    cache_name: str,
    policy: Policy,
    key: Callable[..., Any] | None = None,
    cache_enabled: bool | Callable[[], bool] = True,
) -> Callable[[Callable[P, R]], Cached[P, R]]:
    """Return a decorator.

    Args:
        open_cache: returns the cache; called when a function is decorated.
        cache_name: 1 to 64 of ``a-z 0-9 _ -``.
        policy: how values are kept.
        key: makes the key from the call's arguments; text, or another value that a key can hold.
        cache_enabled: False, or what answers False at a call, lets calls pass.

    Raises:
        ValueError: the cache's name isn't one.
        TypeError: from the decorator, for a generator function.
    """
    checked_name(cache_name)

    def decorate(function: Callable[P, R]) -> Cached[P, R]:
        if isinstance(function, staticmethod | classmethod):
            kind = type(function)
            return cast("Cached[P, R]", kind(decorate(function.__func__)))
        made = CachedFunction(open_cache(), function, cache_name, policy, key)
        return cast("Cached[P, R]", made.wrapped(cache_enabled))

    return decorate


class CachedFunction:
    """Turns a call's arguments into a look-up; ``wrapped`` gives what callers call."""

    def __init__(
        self,
        cache: HybridCache,
        function: Callable[..., Any],
        cache_name: str,
        policy: Policy,
        key: Callable[..., Any] | None,
    ) -> None:
        flags = function.__code__.co_flags if isinstance(function, FunctionType) else 0
        if flags & (CO_GENERATOR | CO_ASYNC_GENERATOR):
            raise TypeError(f"{function.__qualname__} is a generator function: what it gives can't be kept")
        self._cache = cache
        self._function = function
        self._cache_name = cache_name
        self._key = key
        self._number = next(_numbers)
        self._is_async = bool(flags & CO_COROUTINE)
        self._keyword_only = signature(function).keyword_only
        self._values = compile_values(function)
        qualified = getattr(function, "__qualname__", type(function).__qualname__)
        self._name = qualified.rpartition(".")[2]
        self._qualified = qualified
        self._full = f"{function.__module__}.{qualified}"
        self._whole = f"~{self._full}"  # what a clear of all its values matches
        self._in_class = "." in qualified.rpartition("<locals>.")[2] and isinstance(function, FunctionType)
        # What another process can't tell from another function of that name stays in this one.
        is_local = "<" in qualified or function.__module__ == "__main__" or not flags
        self._local_policy = replace(policy, local=True)
        self._policy = self._local_policy if is_local else policy
        self._identities = Identities(self._name, self._is_ours)
        self._wrapper: Callable[..., Any] = function

    def wrapped(self, cache_enabled: bool | Callable[[], bool]) -> Callable[..., Any]:
        """Compile the wrapper."""
        passes = cache_enabled is False or (self._policy.ttl is not None and self._policy.ttl <= 0)
        names: dict[str, Any] = {
            "id": self._number,
            "entries": self._cache.memory.entries,
            "tenant": context.tenant.get,
            "clock": self._cache.clock,
            "mutable": MUTABLE,
            "copy": self._first_copy,
            "call": self._call,
            "miss": self._miss_async if self._is_async else self._miss,
            "constants": self._identities.constants,
            "number": id,
            "key": self._key,
        }
        if passes:
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

    def _first_copy(self, data: bytes) -> Any:  # noqa: ANN401 - any value
        """Let the wrapper use msgspec's function itself from now on."""
        copy = self._wrapper.__globals__[f"{OWN}copy"] = codec().copy
        return copy(data)

    def _call(self, *values: Any) -> Any:  # noqa: ANN401 - any value
        return self._apply(self._function, *values)

    def _apply(
        self,
        target: Callable[..., Any],
        values: tuple[Any, ...],
        rest: tuple[Any, ...] = (),
        named: Mapping[str, Any] = NOTHING,
    ) -> Any:  # noqa: ANN401 - any value
        """Call with values by parameter what has the function's parameters."""
        if not self._keyword_only:
            return target(*values, *rest, **named)
        first = len(values) - len(self._keyword_only)
        by_name = dict(zip(self._keyword_only, values[first:], strict=True))
        return target(*values[:first], *rest, **by_name, **named)

    def _miss(self, *values: Any) -> Any:  # noqa: ANN401 - any value
        call = self._lookup(*values)
        if call is None:
            return self._call(*values)
        return self._cache.fetch(call, self._call, values)

    async def _miss_async(self, *values: Any) -> Any:  # noqa: ANN401 - any value
        call = self._lookup(*values)
        if call is None:
            return await self._call(*values)
        return await self._cache.fetch_async(call, self._call, values)

    def _lookup(
        self, values: tuple[Any, ...], rest: tuple[Any, ...] = (), named: Mapping[str, Any] = NOTHING
    ) -> Call | None:
        """Make the look-up of a call, None for one that can't have a key."""
        if not self._cache.has_tenant(self._full):
            return None
        try:
            return self._keyed(values, rest, named)
        except NoKeyError as error:
            self._cache.warn(self._full, f"a call passes the cache, but `key=` could leave it out: {error}")
            return None

    def _keyed(self, values: tuple[Any, ...], rest: tuple[Any, ...], named: Mapping[str, Any]) -> Call:
        owner = self._identities.of(values[0]) if self._in_class and values else None
        parts = values[1:] if owner else values
        if self._key is None:
            text = call_text(parts + rest, named)
            texts: tuple[str, ...] = (f"{self._qualified}:{text}", f"{self._name}:{text}", self._whole)
        else:
            parts = (self._apply(self._key, values, rest, named),)
            text = plain_text(parts[0]) if isinstance(parts[0], str) else call_text(parts)
            texts = (text, self._whole)
        classes = tuple(map(type, parts))
        key = (text, "text") if rest or named or not _ATOMS.issuperset(classes) else parts + classes
        tenant = context.tenant.get()
        space = self._cache.fence.space(self._cache_name, tenant)
        if owner is None:
            return Call(
                (self._number, tenant, *key), space, f"{self._full}:{text}", texts, self._policy, self._full
            )
        policy = self._local_policy if owner.is_local else self._policy
        key = (self._number, tenant, *owner.place, *key)
        call = Call(key, space, f"{self._full}@{owner.text}:{text}", texts, policy, self._full)
        call.register = partial(self._identities.remember, values[0])
        return call

    def _is_ours(self, attribute: object) -> bool:
        """Return whether a class's attribute is this function, under whatever other decorators."""
        while attribute is not None and attribute is not self._wrapper:
            attribute = next(filter(None, (getattr(attribute, name, None) for name in _INNER)), None)
        return attribute is not None

    def _delete(self, *args: Any, **kwargs: Any) -> bool:  # noqa: ANN401 - the function's own
        if self._in_class:
            home = known_as(self._function.__module__, self._qualified.rpartition(".")[0])
            # Python binds the method, not what hangs on it, so that its object may be left out.
            if self._identities.are_missing(args, home):
                raise TypeError(f"expected {self._qualified}.cache_delete(obj, ...), with whose method it is")
        call = self._lookup(*self._values(*args, **kwargs))
        return call is not None and self._cache.delete(call)

    def _clear(self) -> bool:
        cache, tenant = self._cache, context.tenant.get()
        return cache.has_tenant(self._full) and cache.clear(self._cache_name, tenant, literal(self._whole))

    def _stats(self) -> dict[str, Any]:
        return stats(self._cache, self._cache_name, context.tenant.get())
