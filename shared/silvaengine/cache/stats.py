"""What can be said of a cache: which tiers answer, and what was counted, here and in the whole fleet."""

from collections import Counter
from contextlib import suppress
from typing import Any

from silvaengine.cache.fence import Space
from silvaengine.cache.generations import owner_text
from silvaengine.cache.hybrid import HybridCache
from silvaengine.redis.breaker import TierError


def availability(cache: HybridCache, name: str) -> dict[str, Any]:
    """Return the specification's members: which shared tiers can be used now, and the disk's folder."""
    redis, disk = cache.tiers.redis, cache.tiers.disk
    return {
        "cache_name": name,
        "redis_available": redis is not None and _answers(lambda: redis.knows(name)),
        "disk_available": disk is not None and _answers(lambda: disk.record(name, "/")),
        "disk_path": str(disk.path(name)) if disk else None,
    }


def stats(cache: HybridCache, name: str, tenant: str | None) -> dict[str, Any]:
    """Return the counters of a cache, of one tenant or, with None, of all.

    ``instance`` is this process; ``fleet`` is all processes, None without Redis, which keeps it.
    """
    owner = owner_text(tenant)
    if tenant is not None:
        cache.fence.refresh(cache.fence.space(name, tenant))
    spaces = cache.fence.spaces(name, owner)
    return {
        "instance": _instance(cache, spaces),
        "fleet": _fleet(cache, name, owner),
        "redis_state": cache.tiers.redis.breaker.state if cache.tiers.redis else "absent",
        "disk_state": cache.tiers.disk.breaker.state if cache.tiers.disk else "absent",
        "generation": max((each.generation.sequence for each in spaces if each.generation), default=None),
    }


def _instance(cache: HybridCache, spaces: list[Space]) -> dict[str, int]:
    entries = [entry for entry in list(cache.memory.entries.values()) if entry.space in spaces]
    totals = Counter[str](memory_hits=0, redis_hits=0, disk_hits=0, misses=0)
    for space in spaces:
        totals.update(space.totals())
    return {**totals, "entries": len(entries), "bytes": sum(entry.size for entry in entries)}


def _fleet(cache: HybridCache, name: str, owner: str) -> dict[str, int] | None:
    if cache.tiers.redis is not None:
        with suppress(TierError):
            return cache.tiers.redis.counts(name, owner)
    return None


def _answers(ask: Any) -> bool:  # noqa: ANN401 - any question
    with suppress(TierError):
        ask()
        return True
    return False
