"""All adapters by what they can do."""

from collections.abc import Callable
from typing import Any

import orjson
import redis

from benchmarks.cache.peers import (
    aiocache_adapter,
    cachebox_adapter,
    cachetools_adapter,
    cashews_adapter,
    django_adapter,
    dogpile_adapter,
    theine_adapter,
)
from benchmarks.cache.peers.predecessor import predecessor_client, predecessor_hit
from benchmarks.cache.turns import Work, calls

IN_MEMORY = (
    cachetools_adapter,
    cachebox_adapter,
    theine_adapter,
    django_adapter,
    aiocache_adapter,
    dogpile_adapter,
    cashews_adapter,
)


def memory(function: Callable[..., Any], *arguments: str) -> dict[str, Work]:
    """Return a hit in memory by each library."""
    return {adapter.NAME: adapter.memory_hit(function, *arguments) for adapter in IN_MEMORY}


def redis_hits(port: int, value: object) -> dict[str, Work]:
    """Return a hit in Redis by each library that has one, and by redis-py itself."""
    client = redis.Redis(port=port)
    client.set("bare", orjson.dumps(value))
    return {
        "redis-py GET + orjson": calls(lambda: orjson.loads(client.get("bare") or b"")),
        "the predecessor's GET and pickle": calls(predecessor_hit(predecessor_client(port), value)),
        dogpile_adapter.NAME: dogpile_adapter.redis_hit(port, value),
        cashews_adapter.NAME: cashews_adapter.redis_hit(port, value),
        aiocache_adapter.NAME: aiocache_adapter.redis_hit(port, value),
    }
