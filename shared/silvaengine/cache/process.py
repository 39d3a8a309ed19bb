"""The hybrid cache of this process, made from its environment at the first use."""

from functools import cache
from pathlib import Path

from silvaengine import context
from silvaengine.cache.disk import DiskTier
from silvaengine.cache.fence import Fence
from silvaengine.cache.generations import GenerationStore, LocalGenerations, ProcessRecords
from silvaengine.cache.hybrid import HybridCache
from silvaengine.cache.memory import MemoryTier
from silvaengine.cache.redis_tier import RedisTier
from silvaengine.cache.shared_tiers import SharedTiers
from silvaengine.redis.client import process_redis
from silvaengine.settings import Settings


@cache
def process_cache() -> HybridCache:
    """Return the cache that the decorators use; nothing is connected or opened before it is needed."""
    settings = Settings.from_environment()
    opened = open_cache(settings)
    context.on_call_start(opened.fence.begin)
    return opened


def open_cache(settings: Settings) -> HybridCache:
    """Make a cache with the tiers that a deployment has."""
    given = settings.cache
    memory = MemoryTier(given.memory_bytes)
    redis = RedisTier(process_redis(given.redis), settings.table_prefix) if given.redis else None
    disk = DiskTier(Path(given.folder), given.disk_bytes) if given.folder else None
    fence = Fence(memory, _store(settings, redis, disk), per_invocation=redis is not None)
    return HybridCache(memory, fence, SharedTiers(fence, redis, disk))


def _store(settings: Settings, redis: RedisTier | None, disk: DiskTier | None) -> GenerationStore:
    """Choose where clears are noted: the place that the most processes share."""
    if redis is not None:
        return redis
    if settings.cache.fence_seconds is None:
        return LocalGenerations(disk or ProcessRecords())
    from silvaengine.cache.table_generations import open_table_generations  # Redis needs none

    return open_table_generations(settings.region, settings.table_prefix, settings.cache.fence_seconds)
