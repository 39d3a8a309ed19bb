"""Hits in each tier, and a miss that is stored."""

import functools
import os
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path

import diskcache
import msgspec
import redis

from benchmarks.cache import peers
from benchmarks.cache.redis_server import Server
from benchmarks.cache.subjects import AGENT, forget, get_agent, get_name, get_rate, our_cache, ours
from benchmarks.cache.turns import Work, calls, microseconds, rows
from benchmarks.harness.report import table
from silvaengine.cache import codec

ENCODED = msgspec.msgpack.encode(AGENT)

numbers = count()  # of what nobody has asked for


def measured(server: Server, folder: Path, cores: Sequence[int], *, quick: bool) -> str:
    """Return the tables, with Redis on another core, whose waking takes as long as a network, and on ours."""
    rounds, times = (3, 200) if quick else (25, 4000)

    def part(title: str, works: Mapping[str, Work], base: str, share: int = 1) -> str:
        taken = microseconds(works, rounds=rounds, times=max(10, times // share))
        return f"{title}\n\n{table(('', 'µs', 'ratio'), rows(taken, base))}"

    parts = [
        part("Memory, immutable value, two arguments", memory_hits(), "functools.lru_cache"),
        part("Memory, immutable value, one argument", one_argument(), "functools.lru_cache"),
        part("Memory, mutable value, a fresh copy each time", mutable_hits(), "bare msgspec decode"),
        part("Disk", disk_hits(folder), "diskcache.get with its pickle", 10),
    ]
    for place, core in (("on another core", cores[0]), ("on the same core", cores[-1])):
        os.sched_setaffinity(server.pid, {core})
        hit, miss = f"Redis {place}, what was cleared included", f"Miss and store, Redis {place}"
        parts.append(part(hit, redis_hits(server.port), "redis-py GET + orjson", 10))
        parts.append(part(miss, misses(server.port), "the predecessor's GET and SETEX", 20))
    return "\n".join(parts)


def memory_hits() -> dict[str, Work]:
    """Return hits of a function with two arguments, by every library."""
    found = ours(our_cache(), get_name)
    plain = functools.lru_cache(get_name)
    return {
        "functools.lru_cache": calls(lambda: plain("acme", "a1")),
        "SilvaEngine": calls(lambda: found("acme", "a1")),
        **peers.memory(get_name, "acme", "a1"),
    }


def one_argument() -> dict[str, Work]:
    """Return hits of a function with one argument, lru_cache's fast path."""
    found = ours(our_cache(), get_rate)
    plain = functools.lru_cache(get_rate)
    return {
        "functools.lru_cache": calls(lambda: plain("EUR")),
        "SilvaEngine": calls(lambda: found("EUR")),
    }


def mutable_hits() -> dict[str, Work]:
    """Return hits that hand out a copy, and the decoding that each contains."""
    found = ours(our_cache(), get_agent)
    decode = msgspec.msgpack.Decoder().decode
    return {
        "bare msgspec decode": calls(lambda: decode(ENCODED)),
        "SilvaEngine": calls(lambda: found("acme", "a1")),
    }


def redis_hits(port: int) -> dict[str, Work]:
    """Return hits in Redis: of the tier alone, of the bare clients, and of a whole call without memory."""
    cache = our_cache(port)
    found, locked = (ours(cache, get_agent, lock=lock) for lock in (False, True))
    found("acme", "a1")
    assert cache.tiers.redis
    fetch, decode = cache.tiers.redis.fetch, codec.decode
    text = f"{get_agent.__module__}.get_agent:acme,a1"

    def tier() -> object:
        value, _, generation = fetch("bench", "-", text)
        assert value
        head, _, data = value.partition(b"\n")
        assert generation.stamp in head
        return decode(data)

    def call() -> None:
        forget(cache)
        found("acme", "a1")

    def call_with_lock() -> None:
        forget(cache)
        locked("acme", "a1")

    return {
        "SilvaEngine, the tier": calls(tier),
        "SilvaEngine, a whole call": calls(call),
        "SilvaEngine, a whole call with lock": calls(call_with_lock),
        **peers.redis_hits(port, AGENT),
    }


def misses(port: int) -> dict[str, Work]:
    """Return misses, each of a new key, with the store that follows."""
    found = ours(our_cache(port), get_agent, name="misses")
    locked = ours(our_cache(port), get_agent, lock=True, name="misses-locked")
    return {
        "SilvaEngine, 2 round trips": calls(lambda: found("acme", f"a{next(numbers)}")),
        "SilvaEngine with lock, 2 round trips": calls(lambda: locked("acme", f"a{next(numbers)}")),
        "the predecessor's GET and SETEX": calls(
            peers.predecessor_miss(peers.predecessor_client(port), AGENT, numbers)
        ),
        "redis-py's GET, PING and SETEX": calls(
            peers.three_round_trips(redis.Redis(port=port), AGENT, numbers)
        ),
    }


def disk_hits(folder: Path) -> dict[str, Work]:
    """Return hits on disk, likewise."""
    cache = our_cache(folder=folder / "ours")
    found = ours(cache, get_agent)
    found("acme", "a1")
    assert cache.tiers.disk
    get, decode = cache.tiers.disk.get, codec.decode
    key = f"-:{get_agent.__module__}.get_agent:acme,a1"

    def tier() -> object:
        row = get("bench", key)
        assert row
        return decode(row[0].partition(b"\n")[2])

    def call() -> None:
        forget(cache)
        found("acme", "a1")

    theirs = diskcache.Cache(str(folder / "theirs"))
    theirs.set("acme:a1", AGENT)
    memoized = theirs.memoize()(get_agent)
    return {
        "diskcache.get with its pickle": calls(lambda: theirs.get("acme:a1")),
        "SilvaEngine, the tier": calls(tier),
        "SilvaEngine, a whole call": calls(call),
        "diskcache.memoize, a whole call": calls(lambda: memoized("acme", "a1")),
        **peers.predecessor_disk(folder / "predecessor", AGENT),
    }
