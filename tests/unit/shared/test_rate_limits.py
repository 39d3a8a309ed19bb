"""Token buckets of one instance, and the headers about them."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silvaengine.access.rate_limits import RateLimit, RateLimiter, rate_limits_of
from silvaengine.errors import ConfigurationError, RequestError
from silvaengine.lru import Budget

TENANT = RateLimit("tenant", "tenant:acme", 2.0, 4)
KEY = RateLimit("key", "key:acme:k", 1.0, 2)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Return a clock that a test sets."""
    return Clock()


@pytest.fixture
def limiter(clock: Clock) -> RateLimiter:
    """Return the limiter of a single instance, which allows the whole rate."""
    return RateLimiter(None, "", 1_000, instances=1, clock=clock)


def count_allowed(limiter: RateLimiter, limits: tuple[RateLimit, ...], calls: int) -> int:
    """Make so many calls; return how many were allowed."""
    count = 0
    for _ in range(calls):
        try:
            limiter.admit(limits)
        except RequestError:
            continue
        count += 1
    return count


def test_a_burst_is_allowed_and_then_the_rate(limiter: RateLimiter, clock: Clock) -> None:
    """A full bucket allows its burst at once, then its rate, and after a pause never more than its burst."""
    assert count_allowed(limiter, (TENANT,), 10) == 4
    clock.now += 0.5
    assert count_allowed(limiter, (TENANT,), 10) == 1
    clock.now += 3600
    assert count_allowed(limiter, (TENANT,), 10) == 4


def test_a_refusal_says_when_to_retry(limiter: RateLimiter, clock: Clock) -> None:
    """It is a 429 with whole seconds to wait, after which a call is allowed."""
    count_allowed(limiter, (KEY,), 2)
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
    """A call that one limit refuses isn't charged to the other."""
    assert count_allowed(limiter, (TENANT, KEY), 10) == 2
    assert limiter.admit((TENANT,)) == {
        "RateLimit-Policy": '"tenant";q=4;w=2',
        "RateLimit": '"tenant";r=1;t=2',
    }


def test_each_tenant_has_its_own_bucket(limiter: RateLimiter) -> None:
    """A tenant that has used up its limit takes nothing from another's."""
    count_allowed(limiter, (TENANT,), 10)
    assert count_allowed(limiter, (TENANT._replace(bucket="tenant:globex"),), 10) == 4


def test_without_redis_an_instance_allows_its_share(clock: Clock) -> None:
    """The limit is divided by the number of instances, but at least one call is allowed."""
    limiter = RateLimiter(None, "", 1_000, instances=4, clock=clock)
    assert count_allowed(limiter, (TENANT,), 10) == 1
    clock.now += 2
    assert count_allowed(limiter, (TENANT,), 10) == 1
    assert count_allowed(limiter, (RateLimit("tenant", "t", 0.01, 1),), 10) == 1


def test_buckets_stay_within_the_budget_and_the_least_used_goes_first(clock: Clock) -> None:
    """Many tenants don't fill the memory; who calls again and again stays limited, as the last one does."""
    budget = Budget(100_000, in_bytes=True)
    limiter = RateLimiter(None, "", budget, instances=1, clock=clock)
    for number in range(5_000):
        count_allowed(limiter, (TENANT,), 4)
        limiter.admit((RateLimit("tenant", str(number), 1.0, 1),))
        assert budget.used <= 100_000
    assert count_allowed(limiter, (TENANT,), 1) == 0
    assert count_allowed(limiter, (RateLimit("tenant", "4999", 1.0, 1),), 1) == 0
    assert count_allowed(limiter, (RateLimit("tenant", "0", 1.0, 1),), 1) == 1


@given(st.lists(st.floats(0, 3), max_size=60), st.floats(0.1, 20), st.integers(1, 9))
def test_no_more_calls_than_burst_and_rate_are_allowed(pauses: list[float], rate: float, burst: int) -> None:
    """In any time it is at most what the bucket held and what flowed in since."""
    clock = Clock()
    limiter = RateLimiter(None, "", 1_000, instances=1, clock=clock)
    count = 0
    for pause in pauses:
        clock.now += pause
        count += count_allowed(limiter, (RateLimit("tenant", "t", rate, burst),), 3)
    assert count <= burst + (clock.now - 1000.0) * rate + 1e-3


def test_limits_are_read_from_the_rows() -> None:
    """A tenant's from the endpoint's row, a key's from its key row; the default burst is that of a second."""
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
def test_a_malformed_limit_is_a_misconfiguration(given: object) -> None:
    """It doesn't count as no limit: the endpoint answers 500 until it is corrected."""
    with pytest.raises(ConfigurationError, match="The endpoint is misconfigured"):
        rate_limits_of({"rate_limit": given}, {}, "acme", "k")
