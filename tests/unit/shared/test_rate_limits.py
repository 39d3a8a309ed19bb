"""Token buckets of one instance, and what clients are told of them."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silvaengine.access.rate_limits import MAX_BUCKETS, RateLimit, RateLimiter, rate_limits_of
from silvaengine.errors import ConfigurationError, RequestError

TENANT = RateLimit("tenant", "tenant:acme", 2.0, 4)
KEY = RateLimit("key", "key:acme:k", 1.0, 2)


class Clock:
    """Stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Return a clock that a test moves."""
    return Clock()


@pytest.fixture
def limiter(clock: Clock) -> RateLimiter:
    """One instance alone, which grants the whole rate."""
    return RateLimiter(None, "", instances=1, clock=clock)


def granted(limiter: RateLimiter, limits: tuple[RateLimit, ...], calls: int) -> int:
    """Call so often; count what was let in."""
    count = 0
    for _ in range(calls):
        try:
            limiter.admit(limits)
        except RequestError:
            continue
        count += 1
    return count


def test_a_burst_is_let_in_and_then_the_rate(limiter: RateLimiter, clock: Clock) -> None:
    """A full bucket lets in what it holds at once, then so many a second, and never more than it holds."""
    assert granted(limiter, (TENANT,), 10) == 4
    clock.now += 0.5
    assert granted(limiter, (TENANT,), 10) == 1
    clock.now += 3600
    assert granted(limiter, (TENANT,), 10) == 4


def test_a_refusal_says_when_to_come_again(limiter: RateLimiter, clock: Clock) -> None:
    """429 with whole seconds to wait; who waits so long is let in."""
    granted(limiter, (KEY,), 2)
    with pytest.raises(RequestError) as refused:
        limiter.admit((KEY,))
    assert refused.value.status == 429
    assert refused.value.headers == {
        "RateLimit-Policy": '"key";q=2;w=2',
        "RateLimit": '"key";r=0;t=2',
        "Retry-After": "1",
    }
    clock.now += 1
    assert limiter.admit((KEY,))["RateLimit"] == '"key";r=0;t=2'


def test_both_limits_hold_and_neither_is_charged_for_a_refusal(limiter: RateLimiter) -> None:
    """What one limit refuses takes nothing from the other."""
    assert granted(limiter, (TENANT, KEY), 10) == 2
    assert limiter.admit((TENANT,)) == {
        "RateLimit-Policy": '"tenant";q=4;w=2',
        "RateLimit": '"tenant";r=1;t=2',
    }


def test_tenants_have_buckets_of_their_own(limiter: RateLimiter) -> None:
    """What one tenant has used up is not missed by another."""
    granted(limiter, (TENANT,), 10)
    assert granted(limiter, (TENANT._replace(bucket="tenant:globex"),), 10) == 4


def test_an_instance_alone_grants_its_share(clock: Clock) -> None:
    """Without Redis the limit is divided by the instances that there may be; one call is always let in."""
    limiter = RateLimiter(None, "", instances=4, clock=clock)
    assert granted(limiter, (TENANT,), 10) == 1
    clock.now += 2
    assert granted(limiter, (TENANT,), 10) == 1
    assert granted(limiter, (RateLimit("tenant", "t", 0.01, 1),), 10) == 1


def test_buckets_are_bounded_and_the_oldest_goes_first(limiter: RateLimiter) -> None:
    """Many tenants don't fill the process, and who called last is still limited."""
    for number in range(MAX_BUCKETS + 1):
        limiter.admit((RateLimit("tenant", str(number), 1.0, 1),))
    assert granted(limiter, (RateLimit("tenant", str(MAX_BUCKETS), 1.0, 1),), 1) == 0
    assert len(limiter._full_at) == MAX_BUCKETS


@given(st.lists(st.floats(0, 3), max_size=60), st.floats(0.1, 20), st.integers(1, 9))
def test_never_more_than_burst_and_rate(pauses: list[float], rate: float, burst: int) -> None:
    """In any time no more is let in than what the bucket held and what flowed in since."""
    clock = Clock()
    limiter = RateLimiter(None, "", instances=1, clock=clock)
    count = 0
    for pause in pauses:
        clock.now += pause
        count += granted(limiter, (RateLimit("tenant", "t", rate, burst),), 3)
    assert count <= burst + (clock.now - 1000.0) * rate + 1e-3


def test_limits_are_read_from_the_rows() -> None:
    """A tenant's from the endpoint's row, a key's from the connection's; a burst is a second's by default."""
    endpoint: dict[str, Any] = {"rate_limit": {"per_second": Decimal("2.5")}}
    connection: dict[str, Any] = {"rate_limit": {"per_second": Decimal("0.5"), "burst": Decimal(2)}}
    assert rate_limits_of(endpoint, connection, "acme", "k") == (
        RateLimit("tenant", "tenant:acme", 2.5, 3),
        RateLimit("key", "key:acme:k", 0.5, 2),
    )
    assert rate_limits_of({}, {"rate_limit": None}, "acme", "k") == ()


@pytest.mark.parametrize(
    "given",
    [{}, {"per_second": 0}, {"per_second": -1}, {"per_second": "x"}, 5, [], {"per_second": 1, "burst": -1}],
)
def test_what_is_no_limit_stops_the_tenant(given: object) -> None:
    """A limit that can't be read isn't taken for none: the endpoint answers 500 until it is mended."""
    with pytest.raises(ConfigurationError, match="The endpoint is misconfigured"):
        rate_limits_of({"rate_limit": given}, {}, "acme", "k")
