"""Statistics of a cache: which tiers answer, and the counters of this process and of the fleet."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from silvaengine.cache.clear_log import tenant_or_all
from silvaengine.cache.hybrid import HybridCache
from silvaengine.cache.memory import TenantView
from silvaengine.redis.breaker import TierError


def availability(cache: HybridCache, name: str) -> dict[str, Any]:
    """Return the specification's members: which shared tiers answer now, and the disk tier's folder."""
    redis, disk = cache.tiers.redis, cache.tiers.disk
    return {
        "cache_name": name,
        "redis_available": redis is not None and _answers(lambda: redis.exists(name)),
        "disk_available": disk is not None and _answers(lambda: disk.read_text(name, "/")),
        "disk_path": str(disk.path(name)) if disk else None,
    }


def stats(cache: HybridCache, name: str, tenant: str | None) -> dict[str, Any]:
    """Return the counters of a cache, of one tenant or, with None, of all.

    ``instance`` is this process, ``fleet`` all processes; the latter is None without Redis.
    """
    tenant_part = tenant_or_all(tenant)
    if tenant is not None:
        cache.fence.refresh(cache.fence.view(name, tenant))
    views = cache.fence.views(name, tenant_part)
    return {
        "instance": _instance(cache, views),
        "fleet": _fleet(cache, name, tenant_part),
        "redis_state": cache.tiers.redis.breaker.state if cache.tiers.redis else "absent",
        "disk_state": cache.tiers.disk.breaker.state if cache.tiers.disk else "absent",
        "generation": max((view.state.sequence for view in views if view.state), default=None),
    }


def _instance(cache: HybridCache, views: list[TenantView]) -> dict[str, int]:
    entries = [entry for entry in list(cache.memory.entries.values()) if entry.view in views]
    totals = Counter[str](memory_hits=0, redis_hits=0, disk_hits=0, misses=0)
    for view in views:
        totals.update(view.totals())
    return {**totals, "entries": len(entries), "bytes": sum(entry.size for entry in entries)}


def _fleet(cache: HybridCache, name: str, tenant: str) -> dict[str, int] | None:
    if cache.tiers.redis is not None:
        with suppress(TierError):
            return cache.tiers.redis.counts(name, tenant)
    return None


def _answers(ask: Callable[[], object]) -> bool:
    with suppress(TierError):
        ask()
        return True
    return False
