"""Django's local-memory cache, by key."""

from collections.abc import Callable
from typing import Any

from django.core.cache.backends.locmem import LocMemCache

from benchmarks.cache.turns import Work, calls

NAME = "Django locmem"


def memory_hit(function: Callable[..., Any], *arguments: str) -> Work:
    """Give a hit."""
    cache = LocMemCache("bench", {"timeout": 3600})
    cache.set(":".join(arguments), function(*arguments))
    return calls(lambda: cache.get(":".join(arguments)))
