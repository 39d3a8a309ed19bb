"""dogpile.cache: a region and its decorator."""

from collections.abc import Callable
from typing import Any

from dogpile.cache import make_region

from benchmarks.cache.turns import Work, calls

NAME = "dogpile.cache"


def memory_hit(function: Callable[..., Any], *arguments: str) -> Work:
    """Return a hit."""
    region = make_region().configure("dogpile.cache.memory", expiration_time=3600)
    found = region.cache_on_arguments()(function)
    return calls(lambda: found(*arguments))


def redis_hit(port: int, value: object) -> Work:
    """Return a hit in Redis."""
    arguments = {"host": "127.0.0.1", "port": port}
    region = make_region().configure("dogpile.cache.redis", expiration_time=3600, arguments=arguments)

    @region.cache_on_arguments()
    def found(key: str) -> object:
        return value

    return calls(lambda: found("a1"))
