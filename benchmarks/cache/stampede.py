"""Many who ask for an expired key at once: how often the source is asked."""

import time
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from threading import Thread
from typing import Any

import redis

from benchmarks.cache.subjects import our_cache, ours
from benchmarks.harness.report import table

LOADS = "loads"
SECONDS = 0.2  # that the source takes


def measured(port: int, *, quick: bool) -> str:
    """Give the table of loads and errors."""
    threads, processes = (20, 3) if quick else (200, 20)
    rows = [
        (f"{threads} threads", *_raced(port, 1, threads, lock=False)),
        (f"{processes} processes of 10 threads", *_raced(port, processes, 10, lock=False)),
        (f"{processes} processes of 10 threads, lock=True", *_raced(port, processes, 10, lock=True)),
        (f"{threads} threads, redis-py GET and SET", *_raced(port, 1, threads, lock=None)),
    ]
    return table(("", "loads", "errors"), rows)


def _raced(port: int, processes: int, threads: int, *, lock: bool | None) -> tuple[int, int]:
    client: Any = redis.Redis(port=port)
    client.delete(LOADS, "errors", "plain")
    context = get_context("spawn")
    barrier = context.Barrier(processes)
    name = f"stampede-{time.time_ns()}"
    started = [
        context.Process(target=_process, args=(port, threads, lock, barrier, name)) for _ in range(processes)
    ]
    for process in started:
        process.start()
    for process in started:
        process.join()
    return int(client.get(LOADS) or 0), int(client.get("errors") or 0)


def _process(port: int, threads: int, lock: bool | None, barrier: Barrier, name: str) -> None:
    client: Any = redis.Redis(port=port)
    ask = _asking(port, client, lock, name)

    def one() -> None:
        try:
            ask("key")
        except Exception:  # noqa: BLE001 - what is counted
            client.incr("errors")

    barrier.wait()
    started = [Thread(target=one) for _ in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()


def source(key: str) -> str:
    """Stand in for a slow source that counts its calls; found by name in each process."""
    return key


def _asking(port: int, client: Any, lock: bool | None, name: str) -> Callable[[str], Any]:  # noqa: ANN401 - redis's client
    def load(key: str) -> str:
        client.incr(LOADS)
        time.sleep(SECONDS)
        return key

    if lock is None:
        return lambda key: client.get("plain") or client.set("plain", load(key))
    load.__qualname__ = source.__qualname__  # a function of a module: what lies in Redis is shared
    return ours(our_cache(port), load, lock=lock, name=name)
