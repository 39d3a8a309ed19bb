"""What the cache costs Redis and its callers: round trips, a clear, a Redis that hangs."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from itertools import count
from statistics import median
from typing import Any

import redis

from benchmarks.cache.subjects import forget, get_agent, our_cache, ours
from benchmarks.harness.report import table
from silvaengine.cache.hybrid import HybridCache

TIMES = 100
HITS = 1_000  # of an invocation
PIECE = 10_000  # keys that are written, looked for and deleted at once
FILL = """
for number = ARGV[1], ARGV[2] do
  redis.call('SET', 'se-cache:{cleared}:acme:f:' .. string.format('%d', number), string.rep('x', 100))
end
"""


def round_trips(port: int) -> str:
    """Return the table of what each call says to Redis: reads of its socket, and commands."""
    cache, numbers = our_cache(port), count()
    found = ours(cache, get_agent)
    stored = ours(cache, get_agent, name="stored")
    locked = ours(cache, get_agent, name="locked", lock=True)

    def invocation() -> None:
        cache.fence.begin()
        for _ in range(HITS):
            found("acme", "a1")

    def hit() -> None:
        forget(cache)
        found("acme", "a1")

    works: dict[str, Callable[[], object]] = {
        f"an invocation with {HITS:,} hits in memory": invocation,
        "a hit in Redis": hit,
        "a miss and its store": lambda: stored("acme", f"a{next(numbers)}"),
        "a miss and its store with lock": lambda: locked("acme", f"a{next(numbers)}"),
        "a clear": found.cache_clear,
    }
    rows = [(name, *_requests(port, work)) for name, work in works.items()]
    return table(("each", "round trips", "commands"), rows)


def _requests(port: int, work: Callable[[], object]) -> tuple[float, float]:
    """Return how often Redis reads from its clients for one call, and the commands that it runs."""
    client: Any = redis.Redis(port=port)
    work()  # connects, and makes what must be there
    client.config_resetstat()
    for _ in range(TIMES):
        work()
    reads = client.info("stats")["total_reads_processed"] - 1  # INFO's own
    commands = client.info("commandstats").items()
    own = ("cmdstat_config", "cmdstat_info")
    return reads / TIMES, sum(stat["calls"] for name, stat in commands if not name.startswith(own)) / TIMES


def clears(port: int, sizes: Sequence[int]) -> str:
    """Return the table of a clear beside so many keys, and how long Redis serves nobody else meanwhile."""
    rows = []
    client: Any = redis.Redis(port=port)
    client.config_set("slowlog-log-slower-than", 0)
    client.config_set("slowlog-max-len", 1_000)
    for size in sizes:
        found = ours(our_cache(port), get_agent, name="cleared")
        found("acme", "a1")
        works = {"SilvaEngine": found.cache_clear, "SCAN + UNLINK": lambda: scan_and_unlink(client)}
        for name, clear in works.items():
            for first in range(0, size, PIECE):
                client.eval(FILL, 0, first, min(first + PIECE, size) - 1)
            client.slowlog_reset()
            started = time.perf_counter()
            clear()
            taken = (time.perf_counter() - started) * 1000
            longest = max(entry["duration"] for entry in client.slowlog_get(1_000)) / 1000
            rows.append((f"{size:,} keys, {name}", taken, longest))
        client.flushall()
    client.config_set("slowlog-log-slower-than", -1)
    return table(("", "clear, ms", "Redis's longest command, ms"), rows)


def scan_and_unlink(client: Any) -> None:  # noqa: ANN401 - redis's client
    """Do what is advised: in pieces, and freed in the background."""
    keys = list(client.scan_iter("se-cache:{cleared}:*", count=PIECE))
    for start in range(0, len(keys), PIECE):
        client.unlink(*keys[start : start + PIECE])


def hangs(port: int, server: int, rounds: int) -> str:
    """Return the table of misses while Redis is stopped, in milliseconds."""
    times: dict[str, list[float]] = {"first call": [], "calls behind the breaker": []}
    for _ in range(rounds):
        cache = our_cache(port)
        _misses(cache, 1)
        os.kill(server, signal.SIGSTOP)
        try:
            for name, number in zip(times, (1, 50), strict=True):
                times[name] += _misses(cache, number)
        finally:
            os.kill(server, signal.SIGCONT)
    return table(("a miss", "ms"), [(name, f"{median(taken):.2f}") for name, taken in times.items()])


def _misses(cache: HybridCache, times: int) -> list[float]:
    """Miss so many times and return the milliseconds of each."""
    found = ours(cache, get_agent, name="hanging")
    taken = []
    for number in range(times):
        started = time.perf_counter()
        found("acme", f"{time.time_ns()} {number}")
        taken.append((time.perf_counter() - started) * 1000)
    return taken
