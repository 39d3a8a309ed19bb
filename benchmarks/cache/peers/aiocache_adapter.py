"""aiocache: coroutines, in memory and in Redis; a whole run is one run of the event loop."""

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import redis.asyncio
from aiocache import SimpleMemoryCache, cached

from benchmarks.cache.turns import Work

NAME = "aiocache"


def memory_hit(function: Callable[..., Any], *arguments: str) -> Work:
    """Give a hit."""

    @cached(ttl=3600, cache=SimpleMemoryCache)
    async def found(endpoint_id: str, agent_id: str) -> Any:  # noqa: ANN401 - any value
        return function(endpoint_id, agent_id)

    async def run(times: int) -> None:
        for _ in range(times):
            await found(*arguments)

    return lambda times: asyncio.run(run(times))


def redis_hit(port: int, value: object) -> Work:
    """Give the GET and decoding of its Redis backend: redis-py's asyncio client."""

    async def run(times: int) -> None:
        async with redis.asyncio.Redis(port=port) as client:
            await client.set("aiocache", orjson.dumps(value))
            for _ in range(times):
                orjson.loads(await client.get("aiocache") or b"")

    return lambda times: asyncio.run(run(times))
