"""Clients as they come, and what one GET takes while Redis hangs; each runs in a process of its own."""

import asyncio
import sys
import time
from collections.abc import Callable
from contextlib import suppress

import redis

from benchmarks.cache.peers.aiocache_adapter import redis_get
from benchmarks.cache.peers.predecessor import predecessor_client


def plain(port: int) -> Callable[[], object]:
    """Return redis-py's GET with its defaults."""
    client = redis.Redis(port=port)
    return lambda: client.get("key")


def predecessor(port: int) -> Callable[[], object]:
    """Return the predecessor's."""
    client = predecessor_client(port)
    return lambda: client.get("key")


def aiocache(port: int) -> Callable[[], object]:
    """Return aiocache's."""
    return lambda: asyncio.run(redis_get(port, "key"))


def main() -> None:
    """Connect, say so, wait to be told that Redis hangs, then time one call."""
    get = {"redis-py": plain, "the predecessor": predecessor, "aiocache": aiocache}[sys.argv[1]](
        int(sys.argv[2])
    )
    get()
    print("ready", flush=True)
    sys.stdin.readline()
    started = time.perf_counter()
    with suppress(Exception):
        get()
    print((time.perf_counter() - started) * 1000, flush=True)


if __name__ == "__main__":
    main()
