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
    """Keep what a function, a method or a coroutine function gives, for each tenant and arguments.

    Args:
        ttl: seconds that a value is fresh, up to a tenth less; None for 30 days, 0 or less for no cache.
        cache_name: the cache that ``cache_clear`` and ``cache_stats`` name, 1 to 64 of ``a-z 0-9 _ -``.
        cache_enabled: False, or what answers False at a call, lets calls pass.
        key: makes the key from the call's arguments, text or another value that a key can hold.
        shared: hand out the same object to everybody, instead of copies.
        stale_ttl: seconds after ``ttl`` in which an old value is served when the function raises.
        lock: let one process compute while the others wait for its result; needs Redis.

    Raises:
        ValueError: ``cache_name`` isn't one.
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
    """Do what ``method_cache`` does, with another default name and the same further options."""
    return method_cache(ttl, cache_name, cache_enabled, **options)
