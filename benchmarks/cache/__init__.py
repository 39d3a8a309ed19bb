"""The hybrid cache beside its peers: hits, misses, clears, stampedes, a Redis that hangs, the import.

Everything runs in this process and pinned to one core, Redis too, in turns; the tables have medians.
"""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.cache import clears, faults, hits, imports, stampede
from benchmarks.cache.redis_server import running_redis
from benchmarks.harness.report import write_section


def run(*, quick: bool) -> None:
    """Measure, and write the section."""
    cores = sorted(os.sched_getaffinity(0))
    with TemporaryDirectory() as folder, running_redis(Path(folder), core=cores[-1]) as redis:
        os.sched_setaffinity(0, {cores[-1]})
        try:
            parts = {
                "Hits": hits.measured(redis.port, Path(folder), quick=quick),
                "Clear": clears.measured(redis.port, quick=quick),
                "Redis hangs": faults.measured(redis, quick=quick),
                "Import": imports.measured(quick=quick),
            }
        finally:
            os.sched_setaffinity(0, cores)
        parts["Stampede on an expired key"] = stampede.measured(redis.port, quick=quick)
    text = "\n".join(f"### {title}\n{part}" for title, part in parts.items())
    if not quick:
        write_section("Cache", text)
    print(text)
