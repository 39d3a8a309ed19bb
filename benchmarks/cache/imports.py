"""What importing the decorators costs a process that has what Lambda's runtime client has loaded."""

import subprocess
import sys
from statistics import median

from benchmarks.harness.paths import PROJECT, PYTHON
from benchmarks.harness.report import table

LOADED = (
    "import json, logging, re, enum, decimal, threading, functools, typing, traceback, datetime, sys, time"
)
TIMED = """
{loaded}
sys.path[:0] = {path!r}
started = time.perf_counter()
from silvaengine_utility import method_cache
print((time.perf_counter() - started) * 1000, len(sys.modules),
      not {{"redis", "diskcache", "asyncio", "msgspec", "sqlite3"}} & set(sys.modules))
"""


def measured(*, quick: bool) -> str:
    """Return the table: milliseconds, modules, and whether a library was loaded with them."""
    code = TIMED.format(loaded=LOADED, path=[str(PROJECT / "shared"), *_dependencies()])
    command = [str(PYTHON), "-I", "-S", "-c", code]
    subprocess.run(command, check=True, capture_output=True)  # writes the bytecode that a layer ships with
    taken = []
    for _ in range(2 if quick else 15):
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        milliseconds, modules, is_alone = done.stdout.split()
        taken.append(float(milliseconds))
    row = ("silvaengine_utility.method_cache", median(taken), int(modules), is_alone)
    return table(("", "ms", "modules in all", "no redis, diskcache, asyncio, msgspec"), [row])


def _dependencies() -> list[str]:
    return [path for path in sys.path if path.endswith("site-packages")][:1]
