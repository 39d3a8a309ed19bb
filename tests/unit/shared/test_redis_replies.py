"""A reply that is another request's is a failure of Redis, and never an error of the call."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silvaengine.access.rate_limits import RateLimit, RateLimiter
from silvaengine.cache.redis_tier import RedisTier
from silvaengine.errors import RequestError, UnavailableError
from silvaengine.redis.breaker import Breaker, TierError
from silvaengine.redis.commands import Command
from silvaengine.registry.generation import RegistryGeneration
from silvaengine.registry.redis_rows import RedisRows
from silvaengine_http.management import manage_cache

from ...fakes.cache import Clock, invocation, keep_by, make_cache

LIMITS = (RateLimit("tenant", "tenant:acme", 2.0, 4), RateLimit("key", "key:acme:k", 1.0, 2))

parts = st.none() | st.integers(-2, 3) | st.sampled_from([b"OK", b"0", b"e 1\n", b"\xff"])
replies = st.lists(
    parts | st.lists(parts | st.lists(parts, max_size=2), max_size=5), min_size=200, max_size=200
)


class Astray:
    """A Redis whose replies are those to other requests, a client of which sends at most so many commands."""

    is_cluster = False

    def __init__(self, coming: list[Any]) -> None:
        self.breaker = Breaker()
        self.coming = coming

    def of(self, cache_name: str) -> "Astray":
        return self

    def execute(self, key: str, *commands: Command) -> list[Any]:
        if len(self.coming) < len(commands):
            raise TierError("closed")
        return [self.coming.pop(0) for _ in commands]


class Tables:
    """DynamoDB, whose generation is 7."""

    def get(self, *_: object) -> dict[str, int]:
        return {"value": 7}


def cached_value(redis: Any) -> None:
    """A cached function's result is its own; its cache is listed and cleared, or that isn't possible now."""
    cache = make_cache(Clock(), redis=RedisTier(redis, "se-"))
    with invocation("acme", cache):
        assert keep_by(cache, lambda: "own")() == "own"
    for operation in ("cache_stats", "cache_keys", "cache_clear"):
        with suppress(RequestError, UnavailableError):
            manage_cache(operation, {"cache_name": "test"}, "acme", cache)


def generation(redis: Any) -> None:
    """The registry's generation is read, from DynamoDB if need be."""
    rows = RedisRows(redis, "se-", refresh=5.0, keeps_rows=True)
    checked = RegistryGeneration(Tables(), rows, 0.0)  # type: ignore[arg-type]
    checked.check(("EVAL", "", 0))
    assert checked.current is not None
    assert rows.get_or_load("7", ("function", "hello"), 60.0, lambda: "own") == "own"


def rate_limit(redis: Any) -> None:
    """A call is counted, or refused by its limits."""
    limiter = RateLimiter(redis, "se-", 1_000, instances=1)
    for reply in (None, redis.coming.pop(0)):
        with suppress(RequestError):
            assert "RateLimit" in limiter.admit(LIMITS, reply)


@pytest.mark.parametrize("use", [cached_value, generation, rate_limit])
@given(replies)
def test_a_reply_to_another_request_is_no_error(use: Callable[[Any], None], coming: list[Any]) -> None:
    """Values come from their source then, the generation from DynamoDB; each instance counts for itself."""
    use(Astray(list(coming)))
