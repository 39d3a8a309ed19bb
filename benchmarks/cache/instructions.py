"""Hits in memory counted by callgrind, where a busy machine makes times unsteady."""

import sys
from pathlib import Path

from benchmarks.harness.paths import PEERS, PROJECT, PYTHON
from benchmarks.harness.report import table
from benchmarks.harness.subject import Subject, warm_instructions

SUBJECTS = {
    "two arguments, functools.lru_cache": "lru_cache",
    "two arguments, cachetools TTLCache + RLock": "cachetools_cache",
    "two arguments, SilvaEngine": "silvaengine_cache",
    "mutable value, bare msgspec decode": "decode",
    "mutable value, SilvaEngine": "silvaengine_copy",
    "a miss in memory alone, SilvaEngine": "silvaengine_miss",
}


def measured(*, quick: bool) -> str:
    """Return the table; the loop that calls is in it."""
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    folders = (PROJECT, PROJECT / "shared", Path(packages), PEERS)
    rows = []
    for name, function in SUBJECTS.items():
        call = f"benchmarks.cache.counted:{function}"
        subject = Subject(name, PYTHON, folders, call, {"HOME": "/"}, warm_ups=200)
        rows.append((name, warm_instructions(subject, 20 if quick else 1_000)))
    return table(("", "instructions"), rows)
