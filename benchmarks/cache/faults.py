"""A Redis that hangs: what the first call pays, and those behind the breaker."""

import os
import signal
import time
from statistics import median

from benchmarks.cache.redis_server import Server
from benchmarks.cache.subjects import get_agent, our_cache, ours
from benchmarks.harness.report import table
from silvaengine.cache.hybrid import HybridCache


def measured(server: Server, *, quick: bool) -> str:
    """Give the table, in milliseconds."""
    first: list[float] = []
    others: list[float] = []
    usual: list[float] = []
    for _ in range(1 if quick else 5):
        _hang(server, first, others)
        usual += _misses(our_cache(), 50)
    rows = [
        ("first call", median(first)),
        ("calls behind the breaker", median(others)),
        ("the same without Redis", median(usual)),
    ]
    return table(("a miss", "ms"), rows)


def _hang(server: Server, first: list[float], others: list[float]) -> None:
    cache = our_cache(server.port)
    _misses(cache, 1)
    os.kill(server.pid, signal.SIGSTOP)
    try:
        first += _misses(cache, 1)
        others += _misses(cache, 50)
    finally:
        os.kill(server.pid, signal.SIGCONT)


def _misses(cache: HybridCache, times: int) -> list[float]:
    """Miss so many times; give the milliseconds of each."""
    found = ours(cache, get_agent, name="hanging")
    taken = []
    for number in range(times):
        started = time.perf_counter()
        found("acme", f"{time.time_ns()} {number}")
        taken.append((time.perf_counter() - started) * 1000)
    return taken
