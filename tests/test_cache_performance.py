"""What the cache saves, in loads and round trips; the milliseconds are in benchmarks/RESULTS.md.

The sources take 200, 150 and 300 ms on a clock that stands still otherwise, so that the figures are exact.
"""

from typing import Any

import pytest

from .fakes.cache import Clock, FakeRedis, FakeRedisTier, invocation, keep_by, make_cache

READS = 100
SOURCES = {"settings": 0.200, "database": 0.150, "api": 0.300}
ROUND_TRIP = 0.001


@pytest.fixture
def clock() -> Clock:
    """The clock that the sources use up."""
    return Clock()


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("is_warm", [False, True], ids=["cold", "shared"])
def test_a_hundred_reads_make_one_load_and_one_round_trip(clock: Clock, name: str, is_warm: bool) -> None:
    """They make one load, none where another instance had made it, and one round trip per invocation."""
    server, loads = FakeRedis(clock), list[str]()

    def source(key: str) -> dict[str, Any]:
        clock.sleep(SOURCES[name])
        loads.append(key)
        return {"key": key}

    if is_warm:
        other = make_cache(clock, redis=FakeRedisTier(server))
        with invocation("acme", other):
            keep_by(other, source, cache_name=name, ttl=1800)("k")
        loads.clear()
    cache = make_cache(clock, redis=FakeRedisTier(server))
    kept = keep_by(cache, source, cache_name=name, ttl=1800)
    server.trips, started = 0, clock()
    for _ in range(READS):
        with invocation("acme", cache):
            assert kept("k") == {"key": "k"}
    assert len(loads) == (0 if is_warm else 1)
    stores = 0 if is_warm else 2  # the records are begun once, and the value is stored once
    assert server.trips <= READS + stores
    taken = (clock() - started + server.trips * ROUND_TRIP) / READS
    assert taken < 0.02 * SOURCES[name] + ROUND_TRIP + 0.001, "98 % of the source's time is saved"


def test_reads_of_one_invocation(clock: Clock) -> None:
    """Within an invocation a hundred reads cost one command."""
    server = FakeRedis(clock)
    cache = make_cache(clock, redis=FakeRedisTier(server))
    kept = keep_by(cache, lambda key: {"key": key}, cache_name="settings")
    with invocation("acme", cache):
        kept("k")
    server.trips = 0
    with invocation("acme", cache):
        for _ in range(READS):
            kept("k")
    assert server.trips == 1
