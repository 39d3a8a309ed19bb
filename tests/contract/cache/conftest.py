"""A real Redis, caches of several instances on it, and functions that count their calls."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple

import pytest
import redis as redis_py
from tests.redis_server import running_redis

from silvaengine.aws.client import open_client
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


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A Secrets Manager whose secret is the list's last; each time that it is read another is appended."""
    values: list[str] = []

    class SecretsManager(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert asked == {"SecretId": "redis/password"}
            values.append(values[-1])
            body = json.dumps({"SecretString": values[-1]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Write nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), SecretsManager) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        open_client.cache_clear()
        yield values
        open_client.cache_clear()
        server.shutdown()
