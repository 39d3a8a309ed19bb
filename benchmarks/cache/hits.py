"""Hits in each tier, and a miss with its store, beside the libraries that one would take instead."""

import asyncio
import functools
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from inspect import iscoroutinefunction
from itertools import count, repeat
from pathlib import Path
from statistics import median
from threading import RLock

import cachetools
import diskcache
import dogpile.cache
import msgspec
import orjson
import redis

from benchmarks.cache.subjects import (
    AGENT,
    forget,
    get_agent,
    get_agent_in_loop,
    get_name,
    our_cache,
    ours,
)
from benchmarks.harness.report import table
from silvaengine.cache import codec

type Works = Mapping[str, Callable[[], object]]
"""What is measured, by name; a coroutine's work is awaited again and again in one event loop."""

ENCODED = msgspec.msgpack.encode(AGENT)
KEY = f"{get_agent.__module__}.get_agent:acme,a1"
HOUR = 3600

numbers = count()  # of what nobody has asked for


def compare(port: int, server: int, folder: Path, cores: Sequence[int], *, quick: bool) -> str:
    """Return the tables, with Redis on another core, whose waking takes a network's time, then on ours."""
    rounds, times = (3, 200) if quick else (25, 4000)

    def part(title: str, works: Works, base: str, share: int = 1) -> str:
        medians = microseconds(works, rounds=rounds, times=max(10, times // share))
        rows = [(name, value, value / medians[base]) for name, value in medians.items()]
        return f"{title}\n\n{table(('', 'µs', 'ratio'), rows)}"

    parts = [
        part("Memory, immutable value, two arguments", memory_hits(), "functools.lru_cache"),
        part("Memory, mutable value, a fresh copy each time", mutable_hits(), "bare msgspec decode"),
        part("Disk", disk_hits(folder), "diskcache.get with its pickle", 10),
    ]
    for place, core in (("on another core", cores[0]), ("on the same core", cores[-1])):
        os.sched_setaffinity(server, {core})
        hit, miss = f"Redis {place}, what was cleared included", f"Miss and store, Redis {place}"
        parts.append(part(hit, redis_hits(port), "redis-py GET + orjson", 10))
        parts.append(part(miss, misses(port), "redis-py's GET, PING and SETEX", 20))
    return "\n".join(parts)


def microseconds(works: Works, *, rounds: int, times: int) -> dict[str, float]:
    """Return each one's median of microseconds, taken in turns."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for number in range(-1, rounds):
        for name, work in works.items():
            if iscoroutinefunction(work):
                seconds = asyncio.run(_awaited_seconds(work, times))
            else:
                started = time.perf_counter()
                for _ in repeat(None, times):
                    work()
                seconds = time.perf_counter() - started
            taken[name] += [seconds / times * 1e6] if number >= 0 else []
    return {name: median(values) for name, values in taken.items()}


async def _awaited_seconds(work: Callable[[], Awaitable[object]], times: int) -> float:
    started = time.perf_counter()
    for _ in repeat(None, times):
        await work()
    return time.perf_counter() - started


def memory_hits() -> Works:
    """Return hits of a function with two arguments, by every library."""
    found = ours(our_cache(), get_name)
    plain = functools.lru_cache(get_name)
    locked = cachetools.cached(cachetools.TTLCache(1000, HOUR), lock=RLock())(get_name)
    region = dogpile.cache.make_region().configure("dogpile.cache.memory", expiration_time=HOUR)
    regional = region.cache_on_arguments()(get_name)
    return {
        "functools.lru_cache": lambda: plain("acme", "a1"),
        "SilvaEngine": lambda: found("acme", "a1"),
        "cachetools TTLCache + RLock": lambda: locked("acme", "a1"),
        "dogpile.cache": lambda: regional("acme", "a1"),
    }


def mutable_hits() -> Works:
    """Return hits that hand out a copy, and the decoding that each contains."""
    found = ours(our_cache(), get_agent)
    decode = msgspec.msgpack.Decoder().decode
    return {"bare msgspec decode": lambda: decode(ENCODED), "SilvaEngine": lambda: found("acme", "a1")}


def disk_hits(folder: Path) -> Works:
    """Return hits on disk: of the tier alone, as diskcache's own, and of a whole call without its memory."""
    cache = our_cache(folder=folder / "ours")
    found = ours(cache, get_agent)
    found("acme", "a1")
    assert cache.tiers.disk
    get, decode = cache.tiers.disk.get, codec.decode

    def tier() -> object:
        row = get("bench", f"-:{KEY}")
        assert row
        return decode(row[0].split(b"\n", 2)[2])

    def call() -> None:
        forget(cache)
        found("acme", "a1")

    theirs = diskcache.Cache(str(folder / "theirs"))
    theirs.set("acme:a1", AGENT)
    memoized = theirs.memoize()(get_agent)
    return {
        "diskcache.get with its pickle": lambda: theirs.get("acme:a1"),
        "SilvaEngine, the tier": tier,
        "SilvaEngine, a whole call": call,
        "diskcache.memoize, a whole call": lambda: memoized("acme", "a1"),
    }


def redis_hits(port: int) -> Works:
    """Return hits in Redis, likewise."""
    cache = our_cache(port)
    found, locked = (ours(cache, get_agent, lock=lock) for lock in (False, True))
    found("acme", "a1")
    assert cache.tiers.redis
    fetch, decode = cache.tiers.redis.fetch, codec.decode
    client = redis.Redis(port=port)
    client.set("bare", orjson.dumps(AGENT))
    place = {"host": "127.0.0.1", "port": port}
    region = dogpile.cache.make_region()
    region.configure("dogpile.cache.redis", expiration_time=HOUR, arguments=place)
    regional = region.cache_on_arguments()(get_agent)

    def tier() -> object:
        value, _, generation = fetch("bench", "-", KEY)
        assert value
        head, _, data = value.split(b"\n", 2)
        assert generation.stamp in head
        return decode(data)

    def call() -> None:
        forget(cache)
        found("acme", "a1")

    def call_with_lock() -> None:
        forget(cache)
        locked("acme", "a1")

    awaited = ours(cache, get_agent_in_loop)

    async def call_in_loop() -> None:
        forget(cache)
        await awaited("acme", "a1")

    return {
        "redis-py GET + orjson": lambda: orjson.loads(client.get("bare") or b""),
        "SilvaEngine, the tier": tier,
        "SilvaEngine, a whole call": call,
        "SilvaEngine, a whole call with lock": call_with_lock,
        "SilvaEngine, a coroutine's whole call": call_in_loop,
        "dogpile.cache, a whole call": lambda: regional("acme", "a1"),
    }


def misses(port: int) -> Works:
    """Return misses, each of a new key, with the store that follows."""
    found = ours(our_cache(port), get_agent, name="misses")
    locked = ours(our_cache(port), get_agent, lock=True, name="misses-locked")
    client = redis.Redis(port=port)

    def three_round_trips() -> None:
        key = f"acme:a{next(numbers)}"
        client.get(key)
        client.ping()
        client.setex(key, HOUR, orjson.dumps(AGENT))

    return {
        "redis-py's GET, PING and SETEX": three_round_trips,
        "SilvaEngine, 2 round trips": lambda: found("acme", f"a{next(numbers)}"),
        "SilvaEngine with lock, 2 round trips": lambda: locked("acme", f"a{next(numbers)}"),
    }
