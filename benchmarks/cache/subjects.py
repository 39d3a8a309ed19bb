"""The functions that are cached, and this project's cache with the tiers that a measurement wants."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from silvaengine.cache.clear_log import LocalClearLogs, ProcessLogTexts
from silvaengine.cache.decorators import Cached, cached
from silvaengine.cache.disk import DiskTier
from silvaengine.cache.fence import Fence
from silvaengine.cache.hybrid import HybridCache
from silvaengine.cache.lookup import CachePolicy
from silvaengine.cache.memory import MemoryTier
from silvaengine.cache.redis_tier import RedisTier
from silvaengine.cache.shared_tiers import SharedTiers
from silvaengine.redis.client import RedisClients
from silvaengine.settings import CacheSettings, RedisSettings

AGENT = {
    "agent_id": "a1",
    "name": "Ada Lovelace",
    "active": True,
    "limits": {"per_second": 10, "burst": 50},
    "score": 0.97,
    "skills": [{"name": f"skill {number}", "level": number} for number in range(20)],
}
"""A mutable value of some 700 bytes."""


def get_agent(endpoint_id: str, agent_id: str) -> dict[str, Any]:
    """Return what packages cache most: a row by tenant and id."""
    return AGENT


async def get_agent_in_loop(endpoint_id: str, agent_id: str) -> dict[str, Any]:
    """Do the same as a coroutine."""
    return AGENT


def get_name(endpoint_id: str, agent_id: str) -> str:
    """Return an immutable value by two arguments."""
    return "Ada Lovelace"


def our_cache(port: int | None = None, folder: Path | None = None) -> HybridCache:
    """Return a cache of its own with Redis, a disk, both or neither; nothing is shared with another one."""
    settings = CacheSettings()
    memory = MemoryTier(settings.memory_bytes)
    redis = RedisTier(RedisClients(RedisSettings(host="127.0.0.1", port=port)), "se-") if port else None
    disk = DiskTier(folder, settings.disk_bytes) if folder else None
    fence = Fence(
        memory, redis or LocalClearLogs(disk or ProcessLogTexts()), per_invocation=redis is not None
    )
    return HybridCache(memory, fence, SharedTiers(fence, redis, disk))


def forget(cache: HybridCache) -> None:
    """Empty the memory tier in a moment, so that the next one answers."""
    cache.memory.entries.clear()
    cache.memory.bytes = 0


def ours[**P, R](
    cache: HybridCache,
    function: Callable[P, R],
    *,
    ttl: float = 3600,
    lock: bool = False,
    name: str = "bench",
) -> Cached[P, R]:
    """Decorate a function with such a cache."""
    return cached(lambda: cache, cache_name=name, policy=CachePolicy(ttl=ttl, lock=lock))(function)
