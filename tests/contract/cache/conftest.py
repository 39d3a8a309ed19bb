"""A real Redis, caches of several instances on it, and functions that count their calls."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
import redis as redis_py
from tests.redis_server import running_redis

from silvaengine.cache.fence import Fence
from silvaengine.cache.hybrid import HybridCache
from silvaengine.cache.memory import MemoryTier
from silvaengine.cache.redis_tier import RedisTier
from silvaengine.cache.shared_tiers import SharedTiers
from silvaengine.redis.client import RedisClients
from silvaengine.settings import RedisSettings

if TYPE_CHECKING:
    from subprocess import Popen

MEBIBYTE = 1_048_576


class Server(NamedTuple):
    """A running Redis."""

    port: int
    process: "Popen[bytes]"

    def client(self) -> redis_py.Redis:
        """Return an administrator's connection."""
        return redis_py.Redis(port=self.port)

    def instance(self) -> HybridCache:
        """Start an instance: memory and connections of its own."""
        return instance(RedisSettings("127.0.0.1", self.port))


def instance(settings: RedisSettings) -> HybridCache:
    """Return the cache of one process with this Redis."""
    memory, redis = MemoryTier(32 * MEBIBYTE), RedisTier(RedisClients(settings), "se-")
    fence = Fence(memory, redis, per_invocation=True)
    return HybridCache(memory, fence, SharedTiers(fence, redis, None))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A Redis of the test's own, which it may hurt."""
    with running_redis(tmp_path) as (port, process):
        yield Server(port, process)


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Redis for tests that only talk to it."""
    with running_redis(tmp_path_factory.mktemp("redis")) as (port, process):
        yield Server(port, process)


@pytest.fixture
def calls() -> list[str]:
    """What the source was asked for."""
    return []


@pytest.fixture
def source(calls: list[str]) -> Callable[[str], str]:
    """A function of a module that notes its calls and never answers the same twice."""

    def answer(key: str) -> str:
        calls.append(key)
        return f"{key} {len(calls)}"

    answer.__qualname__ = "answer"
    return answer
