"""cashews: coroutines, in memory and in Redis."""

import asyncio
from collections.abc import Callable
from typing import Any

from cashews import Cache

from benchmarks.cache.turns import Work

NAME = "cashews"


def memory_hit(function: Callable[..., Any], *arguments: str) -> Work:
    """Return a hit."""
    return _hits("mem://", lambda: function(*arguments))


def redis_hit(port: int, value: object) -> Work:
    """Return a hit in Redis."""
    return _hits(f"redis://127.0.0.1:{port}", lambda: value)


def _hits(url: str, load: Callable[[], Any]) -> Work:
    async def run(times: int) -> None:
        cache = Cache()
        cache.setup(url)

        @cache(ttl="1h", key="{endpoint_id}:{agent_id}")
        async def found(endpoint_id: str, agent_id: str) -> Any:  # noqa: ANN401 - any value
            return load()

        for _ in range(times):
            await found(endpoint_id="acme", agent_id="a1")
        await cache.close()

    return lambda times: asyncio.run(run(times))
