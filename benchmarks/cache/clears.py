"""A clear beside many keys, and what others wait for meanwhile."""

import time
from collections.abc import Callable
from threading import Event, Thread

import redis

from benchmarks.cache.subjects import get_agent, our_cache, ours
from benchmarks.harness.report import table


def measured(port: int, *, quick: bool) -> str:
    """Give the table: milliseconds of the clear, and of the slowest GET of somebody else meanwhile."""
    rows: list[tuple[object, ...]] = []
    client = redis.Redis(port=port)
    for keys in (1_000,) if quick else (10_000, 100_000, 1_000_000):
        _fill(client, keys)
        found = ours(our_cache(port), get_agent, name="cleared")
        found("acme", "a1")
        ours_taken, ours_waited = _beside(port, found.cache_clear)
        scan_taken, scan_waited = _beside(port, lambda: _scan_and_unlink(client))
        rows.append((f"{keys:,} keys", ours_taken, ours_waited, scan_taken, scan_waited))
    columns = ("", "clear, ms", "others' slowest GET, ms", "SCAN + UNLINK, ms", "others' slowest GET, ms")
    return table(columns, rows)


def _fill(client: redis.Redis, keys: int) -> None:
    pipeline = client.pipeline(transaction=False)
    for number in range(keys):
        pipeline.set(f"se-cache:{{cleared}}:acme:f:{number}", b"x" * 100)
        if number % 10_000 == 9_999:
            pipeline.execute()
    pipeline.execute()


def _scan_and_unlink(client: redis.Redis) -> None:
    keys = list(client.scan_iter("se-cache:{cleared}:*", count=10_000))
    for start in range(0, len(keys), 10_000):
        client.unlink(*keys[start : start + 10_000])


def _beside(port: int, clear: Callable[[], object]) -> tuple[float, float]:
    """Time a clear while a thread reads; give both in milliseconds."""
    ended, slowest = Event(), 0.0

    def read() -> None:
        nonlocal slowest
        client = redis.Redis(port=port)
        while not ended.is_set():
            started = time.perf_counter()
            client.get("somebody else's")
            slowest = max(slowest, time.perf_counter() - started)

    reader = Thread(target=read)
    reader.start()
    time.sleep(0.05)
    slowest = 0.0
    started = time.perf_counter()
    clear()
    taken = time.perf_counter() - started
    ended.set()
    reader.join()
    return taken * 1000, slowest * 1000
