"""A process of its own that serves invocations with a cached function, as tests tell it line by line.

worker_process.py PORT THREADS LOCK

Each line of the input is a key: it is asked for by so many threads within one invocation, and the answers are
written as JSON. ``clear PATTERN`` clears. The source counts its calls in Redis and takes a moment.
"""

import json
import logging
import sys
import time
from threading import Thread
from typing import Any

import redis

from silvaengine.cache.decorators import cached
from silvaengine.cache.fence import Fence
from silvaengine.cache.hybrid import HybridCache
from silvaengine.cache.lookup import CachePolicy
from silvaengine.cache.memory import MemoryTier
from silvaengine.cache.redis_tier import RedisTier
from silvaengine.cache.shared_tiers import SharedTiers
from silvaengine.context import CurrentInvocation, begin_call
from silvaengine.redis import connection
from silvaengine.redis.client import RedisClients
from silvaengine.settings import RedisSettings

SOURCE_SECONDS = 0.1


def main() -> None:
    """Serve the lines of the input."""
    port, threads, lock = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "lock"
    connection.TIMEOUT_SECONDS = 10.0  # twenty processes start at once, on whatever machine tests run
    memory = MemoryTier(1_048_576)
    tier = RedisTier(RedisClients(RedisSettings("127.0.0.1", port)), "se-")
    fence = Fence(memory, tier, per_invocation=True)
    cache = HybridCache(memory, fence, SharedTiers(fence, tier, None))
    server: Any = redis.Redis(port=port)

    def answer(key: str) -> str:
        time.sleep(SOURCE_SECONDS)
        return f"{key} {server.incr('loads')}"

    answer.__qualname__ = "answer"
    answer.__module__ = "worker_process"
    kept = cached(lambda: cache, cache_name="test", policy=CachePolicy(lock=lock))(answer)
    begin_call(invocation(), {})
    write("ready")
    for line in sys.stdin:
        word, _, pattern = line.strip().partition(" ")
        fence.begin()
        if word == "clear":
            write(cache.clear("test", "acme", pattern))
        else:
            write(asked(kept, word, threads))


def asked(kept: Any, key: str, threads: int) -> list[str]:
    """Ask by several threads at once, each with the call's context."""
    if threads == 1:
        return [kept(key)]
    found: list[str] = []
    import contextvars  # noqa: PLC0415 - only here

    started = [
        Thread(target=contextvars.copy_context().run, args=(lambda: found.append(kept(key)),))
        for _ in range(threads)
    ]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    return found


def invocation() -> CurrentInvocation:
    """Return a call of the tenant acme."""
    return CurrentInvocation(
        request_id="r",
        endpoint_id="acme",
        area="core",
        function="f",
        deadline=None,
        attempt=1,
        settings={},
        logger=logging.getLogger("f"),
    )


def write(value: object) -> None:
    """Write a line."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
