"""A clear beside many keys, and what another process waits for meanwhile."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import redis

from benchmarks.cache.subjects import get_agent, our_cache, ours
from benchmarks.harness.report import table

FILL = """
for number = ARGV[1], ARGV[2] do
  redis.call('SET', 'se-cache:{cleared}:acme:f:' .. string.format('%d', number), string.rep('x', 100))
end
"""
FILLED = 10_000  # keys a script


def measured(port: int, *, core: int, quick: bool) -> str:
    """Return the table: milliseconds of the clear, and of the slowest GET of somebody else meanwhile.

    Args:
        port: Redis's.
        core: where the reader runs.
        quick: with few keys.

    """
    rows: list[tuple[object, ...]] = []
    client: Any = redis.Redis(port=port)
    with reading(port, core) as slowest:
        for keys in (1_000,) if quick else (10_000, 100_000, 1_000_000):
            found = ours(our_cache(port), get_agent, name="cleared")
            found("acme", "a1")
            ways: dict[str, Callable[[], object]] = {
                "SilvaEngine": found.cache_clear,
                "SCAN by 10,000 + UNLINK": lambda: scan_and_unlink(client),
                "the predecessor's SCAN + DEL": lambda: scan_and_delete(client),
            }
            for way, clear in ways.items():
                _fill(client, keys)
                rows.append((f"{keys:,} keys, {way}", *_beside(slowest, clear)))
            client.flushall()
    return table(("", "clear, ms", "another's slowest GET, ms"), rows)


def _fill(client: Any, keys: int) -> None:  # noqa: ANN401 - redis's client
    for first in range(0, keys, FILLED):
        client.eval(FILL, 0, first, min(first + FILLED, keys) - 1)


def scan_and_unlink(client: Any) -> None:  # noqa: ANN401 - redis's client
    """Do what is advised: in pieces, and freed in the background."""
    keys = list(client.scan_iter("se-cache:{cleared}:*", count=10_000))
    for start in range(0, len(keys), 10_000):
        client.unlink(*keys[start : start + 10_000])


def scan_and_delete(client: Any) -> None:  # noqa: ANN401 - redis's client
    """Do what the predecessor does: by tens, and freed at once."""
    client.delete(*client.scan_iter("se-cache:{cleared}:*"))


def _beside(slowest: Callable[[], float], clear: Callable[[], object]) -> tuple[float, float]:
    """Time a clear; return its milliseconds and those of the slowest read meanwhile."""
    slowest()
    time.sleep(0.1)
    slowest()
    started = time.perf_counter()
    clear()
    taken = time.perf_counter() - started
    return taken * 1000, slowest() * 1000


@contextmanager
def reading(port: int, core: int) -> Iterator[Callable[[], float]]:
    """Read in another process; what is given tells the slowest read since it was last asked, in seconds."""
    context = get_context("spawn")
    ours_end, theirs = context.Pipe()
    process = context.Process(target=_read, args=(port, core, theirs), daemon=True)
    process.start()

    def slowest() -> float:
        ours_end.send(None)
        taken: float = ours_end.recv()
        return taken

    try:
        slowest()
        yield slowest
    finally:
        process.kill()


def _read(port: int, core: int, asked: Connection) -> None:
    os.sched_setaffinity(0, {core})
    client, slowest = redis.Redis(port=port), 0.0
    while True:
        started = time.perf_counter()
        client.get("somebody else's")
        slowest = max(slowest, time.perf_counter() - started)
        if asked.poll():
            asked.recv()
            asked.send(slowest)
            slowest = 0.0
