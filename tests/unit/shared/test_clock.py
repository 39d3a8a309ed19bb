"""The clock of everything that promises seconds: a freeze, in which a monotonic one may stop, counts."""

from inspect import signature

import pytest

from silvaengine.access.api_keys import KeyUsage
from silvaengine.access.rate_limits import RateLimit, RateLimiter
from silvaengine.aws.table_client import TableReader
from silvaengine.clock import open_clock, process_clock
from silvaengine.errors import NotFoundError, RequestError
from silvaengine.lru import LruCache
from silvaengine.observability.alerts import AlertPublisher
from silvaengine.redis.breaker import Breaker
from silvaengine.registry.registry import Registry
from silvaengine.tables import CONFIG_DATA, CONNECTIONS, ENDPOINTS, GENERATION_KEY

from ...fakes.dynamodb import MemoryDynamoDB


class Times:
    """The date, and the clock that it makes."""

    def __init__(self) -> None:
        self.date = 1_800_000_000.0
        self.clock = open_clock(lambda: self.date)

    def freeze(self, seconds: float) -> None:
        """Let time pass that a monotonic clock needn't count."""
        self.date += seconds


@pytest.fixture
def times() -> Times:
    """Return times of one's own."""
    return Times()


def test_the_date_set_back_turns_nothing_back(times: Times) -> None:
    """The seconds go on from there, and the next freeze counts as any other."""
    start = times.clock()
    times.date -= 7_200
    assert times.clock() == start
    times.freeze(60)
    assert times.clock() - start == pytest.approx(60)


def test_a_revoked_key_is_refused_when_a_frozen_instance_goes_on(times: Times) -> None:
    """An instance that runs once a minute refuses it at its first request after the 5 seconds."""
    tables = MemoryDynamoDB()
    registry = Registry(TableReader(lambda: tables, "se-"), {}, stage="beta", refresh=5.0, clock=times.clock)
    tables.put(ENDPOINTS, endpoint_id="acme", special_connection=True)
    tables.put(CONNECTIONS, endpoint_id="acme", api_key="k", functions=[])
    tables.put(CONFIG_DATA, **GENERATION_KEY, value=1)

    def request() -> None:
        registry.refresh()
        registry.key_access("acme", "k", "core")

    request()
    times.freeze(60)
    request()
    tables.delete_item(TableName="se-connections", Key={"endpoint_id": {"S": "acme"}, "api_key": {"S": "k"}})
    tables.put(CONFIG_DATA, **GENERATION_KEY, value=2)
    times.freeze(60)
    with pytest.raises(NotFoundError):
        request()


def test_a_limit_and_a_breaker_are_over_when_a_frozen_instance_goes_on(times: Times) -> None:
    """A caller who has waited is served, and a Redis that has recovered is asked."""
    limit = RateLimit("tenant", "tenant:acme", per_second=0.1, burst=1)
    limiter, breaker = RateLimiter(None, "", 1_000, instances=1, clock=times.clock), Breaker(times.clock)
    limiter.admit([limit])
    breaker.record_failure()
    with pytest.raises(RequestError):
        limiter.admit([limit])
    assert breaker.state == "open"
    times.freeze(60)
    limiter.admit([limit])
    assert breaker.state == "half-open"


def test_everything_counts_by_this_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """What promises seconds and is given no clock has the process's."""
    for counting in (Breaker, RateLimiter, Registry, LruCache, KeyUsage, AlertPublisher):
        assert signature(counting).parameters["clock"].default is process_clock
