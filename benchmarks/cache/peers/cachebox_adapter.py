"""cachebox: a TTLCache written in Rust."""

from collections.abc import Callable
from typing import Any

from cachebox import TTLCache, cached

from benchmarks.cache.turns import Work, calls

NAME = "cachebox TTLCache"


def memory_hit(function: Callable[..., Any], *arguments: str) -> Work:
    """Return a hit."""
    found = cached(TTLCache(1000, 3600), copy_level=0)(function)
    return calls(lambda: found(*arguments))
