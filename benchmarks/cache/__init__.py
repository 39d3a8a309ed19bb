"""The hybrid cache beside its peers: hits, misses, clears, stampedes, a Redis that hangs, the import.

Everything runs in this process, pinned to one core, and in turns; the tables have medians.
"""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.cache import clears, faults, hits, imports, instructions, round_trips, stampede
from benchmarks.cache.redis_server import redis_version, running_redis
from benchmarks.harness.paths import version
from benchmarks.harness.report import write_section

PEERS = ("aiocache", "cachebox", "cachetools", "cashews", "django", "dogpile.cache", "orjson", "theine")
LIBRARIES = ("diskcache", "msgspec", "redis")


def run(*, quick: bool) -> None:
    """Measure, and write the section."""
    cores = sorted(os.sched_getaffinity(0))
    with TemporaryDirectory() as folder, running_redis(Path(folder), core=cores[0]) as redis:
        os.sched_setaffinity(0, {cores[-1]})
        try:
            parts = {
                "Hits": hits.measured(redis, Path(folder), cores, quick=quick),
                "Instructions": instructions.measured(quick=quick),
                "Round trips": round_trips.measured(redis.port),
                "Clear": clears.measured(redis.port, core=cores[0], quick=quick),
                "Redis hangs": faults.measured(redis, quick=quick),
                "Import": imports.measured(quick=quick),
            }
        finally:
            os.sched_setaffinity(0, cores)
        parts["Stampede on a missing key"] = stampede.measured(redis.port, Path(folder), quick=quick)
        versions = ", ".join([redis_version(redis.port), *map(version, (*LIBRARIES, *PEERS))])
    text = "\n".join([f"{versions}.\n", *(f"### {title}\n{part}" for title, part in parts.items())])
    if not quick:
        write_section("Cache", text)
    print(text)
