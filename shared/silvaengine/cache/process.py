"""The hybrid cache of this process, made from its environment at first use."""

from functools import cache
from pathlib import Path

from silvaengine import context
from silvaengine.cache.clear_log import ClearLogStore, LocalClearLogs, ProcessLogTexts
from silvaengine.cache.disk import DiskTier
from silvaengine.cache.fence import Fence
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
    hybrid_cache = open_cache(settings)
    context.on_call_start(hybrid_cache.fence.begin)
    return hybrid_cache


def open_cache(settings: Settings) -> HybridCache:
    """Return a new cache with the tiers of the deployment."""
    options = settings.cache
    memory = MemoryTier(options.memory_bytes)
    redis = RedisTier(process_redis(options.redis), settings.table_prefix) if options.redis else None
    disk = DiskTier(Path(options.folder), options.disk_bytes) if options.folder else None
    fence = Fence(memory, _choose_store(settings, redis, disk), per_invocation=redis is not None)
    return HybridCache(memory, fence, SharedTiers(fence, redis, disk))


def _choose_store(settings: Settings, redis: RedisTier | None, disk: DiskTier | None) -> ClearLogStore:
    """Return the store for clear logs that the most processes share."""
    if redis is not None:
        return redis
    if settings.cache.fence_seconds is None:
        return LocalClearLogs(disk or ProcessLogTexts())
    # lazy: only a deployment without Redis needs it
    from silvaengine.cache.table_clear_log import open_table_clear_logs

    return open_table_clear_logs(settings.region, settings.table_prefix, settings.cache.fence_seconds)
