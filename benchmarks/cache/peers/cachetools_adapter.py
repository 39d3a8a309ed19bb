"""cachetools: a TTLCache behind a lock, as its documentation shows for threads."""

from collections.abc import Callable
from threading import RLock
from typing import Any

from cachetools import TTLCache, cached

from benchmarks.cache.turns import Work, calls

NAME = "cachetools TTLCache + RLock"


def memory_hit(function: Callable[..., Any], *arguments: str) -> Work:
    """Return a hit."""
    found = cached(TTLCache(1000, 3600), lock=RLock())(function)
    return calls(lambda: found(*arguments))
