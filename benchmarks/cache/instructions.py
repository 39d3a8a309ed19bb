"""Hits in memory counted by callgrind, where a busy machine makes times unsteady; and what is counted."""

import functools
from functools import partial
from itertools import count
from pathlib import Path
from threading import RLock

import cachetools
import msgspec

from benchmarks.cache.subjects import AGENT, get_agent, get_name, our_cache, ours
from benchmarks.harness import PEERS, PROJECT, PYTHON
from benchmarks.harness.report import table
from benchmarks.harness.subject import Subject, count_all, warm_instructions
from benchmarks.parts import choose

_numbers = count()
_plain = functools.lru_cache(get_name)
_locked = cachetools.cached(cachetools.TTLCache(1000, 3600), lock=RLock())(get_name)
_found = ours(our_cache(), get_name)
_copied = ours(our_cache(), get_agent)
_encoded = msgspec.msgpack.encode(AGENT)
_decode = msgspec.msgpack.Decoder().decode
WORKS = {
    "two arguments, functools.lru_cache": lambda: _plain("acme", "a1"),
    "two arguments, cachetools TTLCache + RLock": lambda: _locked("acme", "a1"),
    "two arguments, SilvaEngine": lambda: _found("acme", "a1"),
    "mutable value, bare msgspec decode": lambda: _decode(_encoded),
    "mutable value, SilvaEngine": lambda: _copied("acme", "a1"),
    "a miss in memory alone, SilvaEngine": lambda: _copied("acme", f"a{next(_numbers)}"),
}
work = choose(WORKS)


def compare(*, quick: bool) -> str:
    """Return the table; the loop that calls is in it."""
    folders = (PROJECT, PROJECT / "shared", Path(msgspec.__file__).parents[1], PEERS)
    subjects = [
        Subject(
            name,
            PYTHON,
            folders,
            f"{__name__}:work",
            {"HOME": "/", "BENCHMARK_PART": name},
            warm_ups=200,
        )
        for name in WORKS
    ]
    counts = count_all(partial(warm_instructions, times=20 if quick else 1_000), subjects)
    return table(("", "instructions"), zip(WORKS, counts, strict=True))
