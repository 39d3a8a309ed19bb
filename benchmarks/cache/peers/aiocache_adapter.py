"""aiocache: coroutines, in memory and in Redis; a whole run is one run of the event loop."""

import asyncio
from collections.abc import Callable
from typing import Any

from aiocache import RedisCache, SimpleMemoryCache, cached
from aiocache.serializers import JsonSerializer

from benchmarks.cache.turns import Work

NAME = "aiocache"


def memory_hit(function: Callable[..., Any], *arguments: str) -> Work:
    """Return a hit."""

    @cached(ttl=3600, cache=SimpleMemoryCache)
    async def found(endpoint_id: str, agent_id: str) -> Any:  # noqa: ANN401 - any value
        return function(endpoint_id, agent_id)

    async def run(times: int) -> None:
        for _ in range(times):
            await found(*arguments)

    return lambda times: asyncio.run(run(times))


def redis_hit(port: int, value: object) -> Work:
    """Return a hit of its Redis backend, with its JSON."""

    async def run(times: int) -> None:
        async with RedisCache(endpoint="127.0.0.1", port=port, serializer=JsonSerializer()) as cache:
            await cache.set("aiocache", value)
            for _ in range(times):
                await cache.get("aiocache")

    return lambda times: asyncio.run(run(times))


async def redis_get(port: int, key: str) -> object:
    """Return what its Redis backend has."""
    async with RedisCache(endpoint="127.0.0.1", port=port) as cache:
        return await cache.get(key)
