"""How Redis is reached: a user with few rights, a password, TLS, a URL."""

import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import redis
from tests.redis_server import running_redis

from silvaengine.cache.engine import HybridCacheEngine
from silvaengine.cache.hybrid import HybridCache
from silvaengine.cache.process import open_cache
from silvaengine.cache.redis_tier import RedisTier
from silvaengine.redis.breaker import FIRST_PAUSE, TierError
from silvaengine.redis.client import IDLE_SECONDS, RedisClients
from silvaengine.settings import Settings

PROJECT = Path(__file__).parents[3]
PASSWORD = "an open secret"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A server whose default user has a password."""
    with running_redis(tmp_path_factory.mktemp("redis")) as (port, _):
        redis.Redis(port=port).config_set("requirepass", PASSWORD)
        yield port


def opened(**environment: str) -> HybridCache:
    """Open a cache as a Lambda with this environment does, with connections of its own."""
    settings = Settings.from_environment({"CACHE_DIR": "none", **environment})
    assert settings.cache.redis
    cache = open_cache(settings)
    cache.tiers.redis = RedisTier(RedisClients(settings.cache.redis), settings.table_prefix)
    cache.fence.replace_store(cache.tiers.redis)
    return cache


def round_trip(cache: HybridCache) -> Any:
    """Store a value, empty memory, look the value up in Redis."""
    engine = HybridCacheEngine("Access.v2", lambda: cache)
    engine.set("key", {"a": 1})
    cache.memory.drop_if(lambda _: True)
    return engine.get("key")


def test_the_documented_user_can_do_all_that_the_worker_does(port: int) -> None:
    """The rights of docs/cache.md suffice, and open nothing of the registry's."""
    page = (PROJECT / "docs/cache.md").read_text()
    (rule,) = re.findall(r"^ACL SETUSER worker on (.*)$", page, re.MULTILINE)
    admin: Any = redis.Redis(port=port, password=PASSWORD)
    admin.execute_command("ACL", "SETUSER", "worker", "on", *rule.split())
    access = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(port)}
    cache = opened(**access, REDIS_USERNAME="worker", REDIS_PASSWORD="password")
    assert round_trip(cache) == {"a": 1}
    engine = HybridCacheEngine("Access.v2", lambda: cache)
    tier = cache.tiers.redis
    assert tier
    token, *_ = tier.acquire("Access.v2", "-", "x", 1)
    assert token
    tier.release("Access.v2", "-", "x", token)
    assert engine.clear("k*") is True
    assert engine.get("key") is None
    assert engine.delete("key") is True
    assert tier.exists("Access.v2")
    assert tier.keys("Access.v2", "-", 10) == []
    engine.set("key", 1)  # with the next write the counters go to Redis
    assert engine.stats()["fleet"]["redis_hits"] >= 1
    worker: Any = redis.Redis(port=port, username="worker", password="password")
    for command in ("GET", "SET"):
        with pytest.raises(redis.exceptions.NoPermissionError):
            worker.execute_command(command, "se-registry:generation", *(["1"] if command == "SET" else []))


def test_a_user_may_need_no_password(port: int) -> None:
    """A user's name alone opens a connection where Redis asks for no more."""
    admin: Any = redis.Redis(port=port, password=PASSWORD)
    admin.execute_command("ACL", "SETUSER", "open", "on", "nopass", "~*", "+@all")
    access = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(port)}
    assert round_trip(opened(**access, REDIS_USERNAME="open")) == {"a": 1}


def test_a_wrong_password_is_a_redis_that_is_away(port: int, caplog: pytest.LogCaptureFixture) -> None:
    """The call answers, the log names the reason and not the password."""
    cache = opened(REDIS_HOST="127.0.0.1", REDIS_PORT=str(port), REDIS_PASSWORD="a wrong secret")
    assert round_trip(cache) is None
    assert "WRONGPASS" in caplog.text
    assert "secret" not in caplog.text


def test_a_password_that_is_a_secret_is_read_once_and_survives_its_rotation(
    port: int, secrets: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """It is read with the first connection, and again after Redis has refused it."""
    secrets.append(PASSWORD)
    access = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(port)}
    settings = Settings.from_environment({**access, "REDIS_PASSWORD": "secretsmanager:redis/password"})
    now = 0.0
    assert settings.cache.redis
    clients = RedisClients(settings.cache.redis, clock=lambda: now)
    assert [clients.of(name).execute("k", ["PING"]) for name in ("a", "b")] == [[b"PONG"], [b"PONG"]]
    assert len(secrets) == 2, "read once"
    admin: Any = redis.Redis(port=port, password=PASSWORD)
    admin.config_set("requirepass", "the next secret")
    try:
        secrets.append("the next secret")
        now += IDLE_SECONDS  # the connection is too old to be used again
        admin.client_kill_filter(_type="normal", skipme=True)
        with pytest.raises(TierError):
            clients.of("a").execute("k", ["PING"])
        now += FIRST_PAUSE
        assert clients.of("a").execute("k", ["PING"]) == [b"PONG"]
    finally:
        admin.config_set("requirepass", PASSWORD)
    assert len(secrets) == 4
    assert "secret" not in caplog.text


def test_a_password_that_can_not_be_read_is_a_redis_that_is_away(
    port: int, secrets: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The call answers without Redis, and the log says which secret it was."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://127.0.0.1:1")
    access = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(port)}
    assert round_trip(opened(**access, REDIS_PASSWORD="secretsmanager:redis/password")) is None
    assert "GetSecretValue redis/password" in caplog.text


def test_a_cache_with_a_database_of_its_own_lies_there(port: int) -> None:
    """REDIS_DB_{CACHE_NAME} moves one cache."""
    access = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(port), "REDIS_PASSWORD": PASSWORD}
    cache = opened(**access, REDIS_DB="1", REDIS_DB_MOVED="5")
    HybridCacheEngine("moved", lambda: cache).set("key", 1)
    HybridCacheEngine("stayed", lambda: cache).set("key", 1)
    for database, name in ((5, b"moved"), (1, b"stayed")):
        found: Any = redis.Redis(port=port, password=PASSWORD, db=database)
        assert found.keys("se-cache:*:-*") == [b"se-cache:{%b}:-::key" % name]


@pytest.fixture
def tls_port(port: int, tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A door with TLS before the server, and the certificate to trust."""
    certificate, key = tmp_path / "server.pem", tmp_path / "key.pem"
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *name]
    subprocess.run([*make, "-out", str(certificate), "-keyout", str(key)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as door:
        Thread(target=_serve, args=(door, context, port), daemon=True).start()
        yield door.getsockname()[1], certificate


def _serve(door: socket.socket, context: ssl.SSLContext, port: int) -> None:
    while True:
        try:
            plain, _ = door.accept()
            outside = context.wrap_socket(plain, server_side=True)
        except ssl.SSLError:
            continue
        except OSError:
            return
        inside = socket.create_connection(("127.0.0.1", port))
        for source, target in ((outside, inside), (inside, outside)):
            Thread(target=_pipe, args=(source, target), daemon=True).start()


def _pipe(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65_536):
            target.sendall(data)
    except OSError:
        pass
    finally:
        target.close()


def test_a_redis_over_tls_has_its_certificate_checked(
    tls_port: tuple[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection is encrypted and the server's certificate checked."""
    port, certificate = tls_port
    access = {"REDIS_HOST": "localhost", "REDIS_PORT": str(port), "REDIS_PASSWORD": PASSWORD}
    assert round_trip(opened(**access, REDIS_TLS="true")) is None, "nobody vouches for this server"
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert round_trip(opened(**access, REDIS_TLS="true")) == {"a": 1}
