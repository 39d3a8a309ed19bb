"""``HybridCacheEngine``: a cache used by key, for values that aren't a function's result."""

from collections.abc import Callable
from typing import Any

from silvaengine import context
from silvaengine.cache.hybrid import HybridCache
from silvaengine.cache.keys import plain_text, validate_name
from silvaengine.cache.lookup import MISSING, CachePolicy, Lookup
from silvaengine.cache.process import process_cache
from silvaengine.cache.stats import stats


class HybridCacheEngine:
    """A cache by name; each tenant has its own keys in it.

    A thread without the call's context has no tenant: ``get`` returns None, the others False.

    Args:
        cache_name: see ``silvaengine.cache.keys.NAME_RULE``.
        open_cache: returns the cache to use; by default the process's.

    Raises:
        ValueError: the name is invalid.
    """

    def __init__(
        self, cache_name: str = "default", open_cache: Callable[[], HybridCache] = process_cache
    ) -> None:
        self.cache_name = validate_name(cache_name)
        self._open_cache = open_cache
        self._label = f"HybridCacheEngine({cache_name!r})"

    def get(self, key: str, ttl: float | None = None) -> Any:  # noqa: ANN401, ARG002 - any value; ttl: the predecessor has it
        """Return a copy of the value, None for none; ``ttl`` is ignored, since the value has its own."""
        if not self._has_tenant():
            return None
        value = self._open_cache().find(self._lookup(key))
        return None if value is MISSING else value

    def set(self, key: str, value: object, ttl: float | None = 300) -> bool:
        """Store a value for ``ttl`` seconds, None for 30 days; 0 or less deletes it.

        Return whether the running thread's tenant is known; a tier that fails is skipped.
        """
        if not self._has_tenant():
            return False
        if ttl is not None and ttl <= 0:
            return self.delete(key)
        cache, lookup = self._open_cache(), self._lookup(key, ttl)
        cache.fence.refresh(lookup.view)
        lookup.begin_load(cache.clock())
        cache.store(lookup, value)
        return True

    def delete(self, key: str) -> bool:
        """Delete a value everywhere; return whether a store acknowledged it."""
        return self._has_tenant() and self._open_cache().delete(self._lookup(key))

    def clear(self, pattern: str = "*") -> bool:
        """Clear the values of the running call's tenant by key; return whether a store acknowledged it.

        Raises:
            ValueError: the pattern is longer than 512 characters, or holds a control character.
        """
        cache = self._open_cache()
        return self._has_tenant() and cache.clear(self.cache_name, context.tenant.get(), pattern)

    def stats(self) -> dict[str, Any]:
        """Return the counters of the running call's tenant."""
        return stats(self._open_cache(), self.cache_name, context.tenant.get())

    def _has_tenant(self) -> bool:
        return self._open_cache().has_tenant(self._label)

    def _lookup(self, key: str, ttl: float | None = None) -> Lookup:
        text, tenant = plain_text(key), context.tenant.get()
        return Lookup(
            key=(self.cache_name, tenant, text),
            view=self._open_cache().fence.view(self.cache_name, tenant),
            text=f":{text}",
            texts=(text,),
            policy=CachePolicy(ttl=ttl),
            label=self._label,
        )
