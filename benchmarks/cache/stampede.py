"""Many who ask for a missing key at once: how often the source is asked."""

import time
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import diskcache
import redis

from benchmarks.cache.peers.django_adapter import django_redis
from benchmarks.cache.subjects import our_cache, ours
from benchmarks.harness.report import table

LOADS = "loads"
SECONDS = 0.2  # that the source takes

type Ask = Callable[[], object]


class Place(NamedTuple):
    """Where a race is run: Redis's port, a folder, and a name that no other race has."""

    port: int
    folder: str
    name: str


def measured(port: int, folder: Path, *, quick: bool) -> str:
    """Return the table of loads and errors."""
    threads, processes = (20, 3) if quick else (200, 20)
    races = [(1, threads), (processes, 10)]
    rows = [
        (f"{way}, {count} x {each}", *_raced(port, folder, count, each, way))
        for way in WAYS
        for count, each in races
    ]
    return table(("processes x threads", "loads", "errors"), rows)


def _raced(port: int, folder: Path, processes: int, threads: int, way: str) -> tuple[int, int]:
    client: Any = redis.Redis(port=port)
    client.delete(LOADS, "errors")
    context = get_context("spawn")
    barrier = context.Barrier(processes)
    place = Place(port, str(folder / "raced"), f"stampede-{time.time_ns()}")
    started = [
        context.Process(target=_process, args=(place, threads, way, barrier)) for _ in range(processes)
    ]
    for process in started:
        process.start()
    for process in started:
        process.join()
    return int(client.get(LOADS) or 0), int(client.get("errors") or 0)


def _process(place: Place, threads: int, way: str, barrier: Barrier) -> None:
    client: Any = redis.Redis(port=place.port)
    ask = WAYS[way](place, client)

    def one() -> None:
        try:
            ask()
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


def _load(client: Any) -> str:  # noqa: ANN401 - redis's client
    client.incr(LOADS)
    time.sleep(SECONDS)
    return "value"


def _ours(place: Place, client: Any, *, lock: bool = False) -> Ask:  # noqa: ANN401 - the same
    def load(key: str) -> str:
        return _load(client)

    load.__qualname__ = source.__qualname__  # a function of a module: what lies in Redis is shared
    found = ours(our_cache(place.port), load, lock=lock, name=place.name)
    return lambda: found("key")


def _plain(place: Place, client: Any) -> Ask:  # noqa: ANN401 - the same
    return lambda: client.get(place.name) or client.set(place.name, _load(client))


def _diskcache(place: Place, client: Any) -> Ask:  # noqa: ANN401 - the same
    cache = diskcache.Cache(place.folder)
    found: Ask = cache.memoize(name=place.name)(lambda: _load(client))
    return found


def _django(place: Place, client: Any) -> Ask:  # noqa: ANN401 - the same
    cache = django_redis(place.port)
    return lambda: cache.get_or_set(place.name, lambda: _load(client), 3600)


WAYS: dict[str, Callable[[Place, Any], Ask]] = {
    "SilvaEngine": _ours,
    "SilvaEngine, lock=True": partial(_ours, lock=True),
    "the predecessor's GET and SETEX": _plain,
    "diskcache.memoize": _diskcache,
    "Django's RedisCache.get_or_set": _django,
}
