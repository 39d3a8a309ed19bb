"""``method_cache`` and ``hybrid_cache``: one decorator under the specification's two names."""

from collections.abc import Callable
from typing import Any

from silvaengine.cache.decorators import Cached, cached
from silvaengine.cache.lookup import MAX_SECONDS, CachePolicy
from silvaengine.cache.process import process_cache


def method_cache[**P, R](
    ttl: float | None = 300,
    cache_name: str = "method",
    cache_enabled: bool | Callable[[], bool] = True,
    *,
    key: Callable[..., Any] | None = None,
    shared: bool = False,
    stale_ttl: float = 0,
    lock: bool = False,
) -> Callable[[Callable[P, R]], Cached[P, R]]:
    """Cache the results of a function, a method or a coroutine function by tenant and arguments.

    Args:
        ttl: seconds that a value is fresh, less up to a tenth; None for 30 days, 0 or less for no caching.
        cache_name: the name for ``cache_clear`` and ``cache_stats``: ``silvaengine.cache.keys.NAME_RULE``.
        cache_enabled: False, or a callable that returns False at a call, to bypass the cache.
        key: returns the key for a call's arguments: text or another value that keys support.
        shared: return the same object to every caller, instead of copies.
        stale_ttl: seconds after ``ttl`` during which an old value is returned if the function raises.
        lock: let one process compute while others wait for its result; needs Redis.

    Raises:
        ValueError: ``cache_name`` is malformed.
        TypeError: from the decorator, for a generator function.
    """
    policy = CachePolicy(ttl=ttl, stale_ttl=min(max(0.0, stale_ttl), MAX_SECONDS), shared=shared, lock=lock)
    return cached(process_cache, cache_name=cache_name, policy=policy, key=key, cache_enabled=cache_enabled)


def hybrid_cache[**P, R](
    ttl: float | None = 300,
    cache_name: str = "default",
    cache_enabled: bool | Callable[[], bool] = True,
    **options: Any,  # noqa: ANN401 - method_cache checks them
) -> Callable[[Callable[P, R]], Cached[P, R]]:
    """Do what ``method_cache`` does, with another default name; ``options`` are its keyword arguments."""
    return method_cache(ttl, cache_name, cache_enabled, **options)
