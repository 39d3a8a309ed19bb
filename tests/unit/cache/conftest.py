"""A cache on a clock that stands still, and a Redis that obeys the same one."""

import pytest

from silvaengine.cache.hybrid import HybridCache

from ...fakes.cache import Clock, FakeRedis, make_cache


@pytest.fixture
def clock() -> Clock:
    """The seconds of everything here."""
    return Clock()


@pytest.fixture
def cache(clock: Clock) -> HybridCache:
    """A process's cache that has memory alone."""
    return make_cache(clock)


@pytest.fixture
def server(clock: Clock) -> FakeRedis:
    """What processes share."""
    return FakeRedis(clock)
