"""Django's local-memory cache, by key."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache

from benchmarks.cache.turns import Work, calls

NAME = "Django locmem"


def memory_hit(function: Callable[..., Any], *arguments: str) -> Work:
    """Return a hit."""
    cache = LocMemCache("bench", {"timeout": 3600})
    cache.set(":".join(arguments), function(*arguments))
    return calls(lambda: cache.get(":".join(arguments)))


def django_redis(port: int) -> RedisCache:
    """Return its cache in Redis."""
    if not settings.configured:
        settings.configure()
    return RedisCache(f"redis://127.0.0.1:{port}", {})
