"""The hybrid cache beside its peers: hits, misses, round trips, clears, a Redis that hangs.

Everything runs in this process, pinned to one core, and in turns; the tables have medians.
"""

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.redis_server import running_redis

from benchmarks.harness import PEERS, version

sys.path.append(str(PEERS))

from benchmarks.cache import costs, hits, instructions

PACKAGES = ("redis", "orjson", "diskcache", "msgspec", "cachetools", "dogpile.cache")


def run(*, quick: bool) -> str:
    """Return the section."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1]})
    try:
        with TemporaryDirectory() as folder, running_redis(Path(folder)) as (port, process):
            os.sched_setaffinity(process.pid, {cores[0]})
            parts = {
                "Hits": hits.compare(port, process.pid, Path(folder), cores, quick=quick),
                "Instructions": instructions.compare(quick=quick),
                "Round trips": costs.round_trips(port),
                "Clear": costs.clears(port, (1_000,) if quick else (10_000, 100_000, 1_000_000)),
                "Redis hangs": costs.hangs(port, process.pid, rounds=1 if quick else 5),
            }
    finally:
        os.sched_setaffinity(0, cores)
    return f"{', '.join(map(version, PACKAGES))}.\n\n" + "\n".join(
        f"### {title}\n{part}" for title, part in parts.items()
    )
