"""``HybridCacheEngine``: a cache used by key, for what is no function's result."""

from collections.abc import Callable
from typing import Any

from silvaengine import context
from silvaengine.cache.hybrid import HybridCache
from silvaengine.cache.keys import checked_name, plain_text
from silvaengine.cache.lookup import MISSING, Call, Policy
from silvaengine.cache.process import process_cache
from silvaengine.cache.stats import stats


class HybridCacheEngine:
    """A cache by name; each tenant has its own keys in it.

    A thread without the call's context has no tenant: it finds nothing, and what it does answers False.

    Args:
        cache_name: 1 to 64 of ``a-z 0-9 _ -``.
        open_cache: returns the cache behind it; the process's own when absent.

    Raises:
        ValueError: the name isn't one.
    """

    def __init__(
        self, cache_name: str = "default", open_cache: Callable[[], HybridCache] = process_cache
    ) -> None:
        self.cache_name = checked_name(cache_name)
        self._open_cache = open_cache
        self._who = f"HybridCacheEngine({cache_name!r})"

    def get(self, key: str, ttl: float | None = None) -> Any:  # noqa: ANN401, ARG002 - any value; the predecessor's
        """Return a copy of the value, None if there is none; ``ttl`` is accepted, the value's own counts."""
        if not self._has_tenant():
            return None
        found = self._open_cache().look(self._call(key))
        return None if found is MISSING else found

    def set(self, key: str, value: Any, ttl: float | None = 300) -> bool:  # noqa: ANN401 - any value
        """Keep a value for ``ttl`` seconds, None for 30 days, 0 or less for not at all.

        It returns whether the running thread's tenant is known; a tier that fails is passed over.
        """
        if not self._has_tenant():
            return False
        if ttl is not None and ttl <= 0:
            return self.delete(key)
        cache, call = self._open_cache(), self._call(key, ttl)
        cache.fence.refresh(call.space)
        call.started = cache.clock()
        call.stamp = call.space.generation.stamp if call.space.generation else None
        cache.keep(call, value)
        return True

    def delete(self, key: str) -> bool:
        """Forget a value everywhere, and tell whether a store acknowledged it."""
        return self._has_tenant() and self._open_cache().delete(self._call(key))

    def clear(self, pattern: str = "*") -> bool:
        """Forget the running call's tenant's values whose key matches; whether a store acknowledged it.

        Raises:
            ValueError: the pattern is longer than 512 characters, or holds a control character.
        """
        cache = self._open_cache()
        return self._has_tenant() and cache.clear(self.cache_name, context.tenant.get(), pattern)

    def stats(self) -> dict[str, Any]:
        """Return the counters of the running call's tenant."""
        return stats(self._open_cache(), self.cache_name, context.tenant.get())

    def _has_tenant(self) -> bool:
        return self._open_cache().has_tenant(self._who)

    def _call(self, key: str, ttl: float | None = None) -> Call:
        text, tenant = plain_text(key), context.tenant.get()
        return Call(
            key=(self.cache_name, tenant, text),
            space=self._open_cache().fence.space(self.cache_name, tenant),
            text=f":{text}",
            texts=(text,),
            policy=Policy(ttl=ttl),
            who=self._who,
        )
