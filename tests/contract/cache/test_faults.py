"""A Redis that is refused, killed, hung, silent, slow, full, read-only, loading, or holds something else.

In each the call answers, with the right value, and of many calls one asks Redis before it is passed over.
"""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from tests.fakes.cache import keep_by
from tests.redis_server import running_redis

from silvaengine.cache.decorators import Cached
from silvaengine.cache.hybrid import HybridCache
from silvaengine.redis.breaker import FIRST_PAUSE, TierError
from silvaengine.redis.client import RedisClients
from silvaengine.redis.commands import LOCK, Command
from silvaengine.settings import RedisSettings

from .conftest import Server, instance

type Source = Callable[[str], str]
type Kept = Cached[[str], str]


def attempts(cache: HybridCache, work: Callable[[], object]) -> int:
    """Count how often Redis is asked in vain while the work is done."""
    redis = cache.tiers.redis
    assert redis
    failed, counted = redis.breaker.record_failure, list[bool]()

    def count() -> None:
        counted.append(True)
        failed()

    redis.breaker.record_failure = count  # type: ignore[method-assign] # watched for a moment
    work()
    redis.breaker.record_failure = failed  # type: ignore[method-assign]
    return len(counted)


def answers(cache: HybridCache, kept: Kept) -> None:
    """Ask for what nobody knows yet, again and again: right every time, and one attempt per pause."""
    keys = [f"k{time.monotonic_ns()}{number}" for number in range(20)]
    started = time.monotonic()

    def ask() -> None:
        assert all(kept(key).startswith(key) for key in keys * 2)

    made = attempts(cache, ask)
    assert 1 <= made <= 1 + (time.monotonic() - started) / FIRST_PAUSE


@contextmanager
def stopped(server: Server) -> Iterator[None]:
    """Hang the server for the length of the block."""
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.process.pid, signal.SIGCONT)


def test_a_redis_that_is_killed_is_passed_over(server: Server, source: Source) -> None:
    """A Redis that was there a moment ago is asked once, and calls go on."""
    cache = server.instance()
    kept = keep_by(cache, source)
    before = kept("a")
    server.process.kill()
    server.process.wait()
    answers(cache, kept)
    assert kept("a") == before


def test_a_redis_that_freezes_and_comes_back_is_used_again(
    server: Server, source: Source, calls: list[str]
) -> None:
    """It takes the request and says nothing; once it goes on it is asked again, and was not forgotten."""
    cache = server.instance()
    kept = keep_by(cache, source)
    kept("a")
    with stopped(server):
        answers(cache, kept)
    redis = cache.tiers.redis
    assert redis
    redis.breaker.record_success()  # its pause is over
    before = len(calls)
    kept("back")
    other = server.instance()
    assert keep_by(other, source)("back") == kept("back")
    assert len(calls) == before + 1


@contextmanager
def door_to(port: int, seconds: float = 0.0) -> Iterator[tuple[int, Callable[[int], None]]]:
    """Open a door to a server behind which every answer takes so long.

    Give its port, and what leads later connections to the server at another port.
    """
    ports = [port]

    def pipe(origin: socket.socket, target: socket.socket, pause: float) -> None:
        try:
            while data := origin.recv(65_536):
                time.sleep(pause)
                target.sendall(data)
        except OSError:
            target.close()

    def serve() -> None:
        while True:
            try:
                outside, _ = entry.accept()
            except OSError:
                return
            inside = socket.create_connection(("127.0.0.1", ports[-1]))
            Thread(target=pipe, args=(outside, inside, 0), daemon=True).start()
            Thread(target=pipe, args=(inside, outside, seconds), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as entry:
        Thread(target=serve, daemon=True).start()
        yield entry.getsockname()[1], ports.append


def test_a_redis_slower_than_the_timeout_is_passed_over(server: Server, source: Source) -> None:
    """What takes longer than the time-out is as good as away."""
    with door_to(server.port, 0.2) as (port, _):
        cache = instance(RedisSettings("127.0.0.1", port))
        answers(cache, keep_by(cache, source))


@pytest.mark.parametrize("cut", [0, 1, 4, 9])
def test_what_comes_too_late_is_nobodys(cut: int) -> None:
    """A reply that stopped somewhere and goes on after the time-out is not taken for the next one."""

    def serve(client: socket.socket) -> None:
        while request := client.recv(65_536):
            word = request.split(b"\r\n")[4]
            reply = b"$%d\r\n%b\r\n" % (len(word), word)
            if word == b"late":
                client.sendall(reply[:cut])
                went_on.wait(10)
                reply = reply[cut:] + b"$3\r\nmad\r\n"
            with suppress(OSError):  # nobody listens any more
                client.sendall(reply)

    def accept() -> None:
        with suppress(OSError):
            while True:
                Thread(target=serve, args=(door.accept()[0],), daemon=True).start()

    went_on = Event()
    with socket.create_server(("127.0.0.1", 0)) as door:
        Thread(target=accept, daemon=True).start()
        client = RedisClients(RedisSettings("127.0.0.1", door.getsockname()[1])).of("late")
        assert client.execute("key", ("ECHO", "first")) == [b"first"]
        with pytest.raises(TierError):
            client.execute("key", ("ECHO", "late"))
        client.breaker.record_success()  # its pause is over
        went_on.set()
        for word in ("one", "two", "three"):
            assert client.execute("key", ("ECHO", word)) == [word.encode()]


@contextmanager
def scripted(answer: Callable[[socket.socket, bytes], object]) -> Iterator[int]:
    """Serve requests, each by what the script sends over its connection; give the port."""

    def serve(client: socket.socket) -> None:
        with suppress(OSError):
            while request := client.recv(65_536):
                answer(client, request)

    def accept() -> None:
        with suppress(OSError):
            while True:
                Thread(target=serve, args=(door.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as door:
        Thread(target=accept, daemon=True).start()
        yield door.getsockname()[1]


def test_what_comes_unasked_a_moment_later_is_nobodys() -> None:
    """A connection over which something came since its last reply is replaced, without a failure."""

    def answer(client: socket.socket, request: bytes) -> None:
        word = request.split(b"\r\n")[4]
        client.sendall(b"$%d\r\n%b\r\n" % (len(word), word))
        time.sleep(0.01)
        client.sendall(b"$%d\r\n%b\r\n" % (len(word), word))

    with scripted(answer) as port:
        client = RedisClients(RedisSettings("127.0.0.1", port)).of("surplus")
        for word in ("one", "two", "three"):
            assert client.execute("key", ("ECHO", word)) == [word.encode()]
            time.sleep(0.05)


def test_a_reply_that_drips_has_an_end() -> None:
    """The time-out is that of the whole reply, not of each piece of it."""

    def answer(client: socket.socket, _: bytes) -> None:
        client.sendall(b"$1000\r\n")
        for _piece in range(40):
            client.sendall(b"x")
            time.sleep(0.05)

    with scripted(answer) as port:
        client = RedisClients(RedisSettings("127.0.0.1", port)).of("dripping")
        started = time.monotonic()
        with pytest.raises(TierError):
            client.execute("key", ("GET", "key"))
        assert time.monotonic() - started < 1


@pytest.mark.parametrize("refusal", ["READONLY", "MASTERDOWN", "UNBLOCKED", "CLUSTERDOWN"])
def test_a_failover_is_followed_with_the_next_command(refusal: str) -> None:
    """A kept connection to what is a replica by now is replaced: the name leads to the new master."""
    masters: list[socket.socket] = []

    def answer(client: socket.socket, _: bytes) -> None:
        masters.append(client)
        client.sendall(
            b"-%b of another\r\n" % refusal.encode() if client is masters[0] and masters[1:] else b"+OK\r\n"
        )

    with scripted(answer) as port:
        client = RedisClients(RedisSettings("127.0.0.1", port)).of("failover")
        for _ in range(3):
            assert client.execute("key", ("SET", "key", "value")) == [b"OK"]
        assert masters[0] is masters[1] is not masters[2] is masters[3]


def test_a_clear_after_a_failover_is_confirmed(server: Server, source: Source, tmp_path: Path) -> None:
    """The demoted master still answers reads, and what is cleared afterwards is cleared on the new one."""
    with running_redis(tmp_path) as (port, _), door_to(server.port) as (own, lead_to):
        cache = instance(RedisSettings("127.0.0.1", own))
        kept = keep_by(cache, source)
        before = kept("a")
        server.client().replicaof("127.0.0.1", port)
        lead_to(port)
        assert kept.cache_clear() is True
        assert kept("a") != before
        assert kept.cache_stats()["redis_state"] == "closed"


@pytest.mark.parametrize("lock", [False, True])
def test_a_redis_without_memory_is_read_all_the_same(
    server: Server, source: Source, calls: list[str], *, lock: bool
) -> None:
    """Without memory it refuses to write: that is counted, opens nothing, and reads go on, with no wait."""
    cache = server.instance()
    kept = keep_by(cache, source, lock=lock)
    kept("before")
    server.client().config_set("maxmemory-policy", "noeviction")
    server.client().config_set("maxmemory", "1")
    with impatient(cache):
        assert [kept("a"), kept("a")] == ["a 2", "a 2"]
    assert cache.tiers.redis
    assert cache.tiers.redis.breaker.state == "closed"
    assert kept.cache_stats()["instance"]["redis_errors"] >= 1
    assert keep_by(server.instance(), source, lock=lock)("before") == "before 1"


@contextmanager
def impatient(cache: HybridCache) -> Iterator[None]:
    """Let nobody wait for another's load in the block."""

    def wait(seconds: float) -> None:
        pytest.fail("it waits for a lock that nobody has")

    cache.tiers._sleep = wait
    yield


def test_a_redis_that_loads_its_dump_is_passed_over(source: Source) -> None:
    """A server that reads its dump says so, and is passed over."""

    def serve() -> None:
        while True:
            try:
                client, _ = door.accept()
            except OSError:
                return
            Thread(target=answer, args=(client,), daemon=True).start()

    def answer(client: socket.socket) -> None:
        while client.recv(65_536):
            client.sendall(b"-LOADING Redis is loading the dataset in memory\r\n" * 2)

    with socket.create_server(("127.0.0.1", 0)) as door:
        Thread(target=serve, daemon=True).start()
        cache = instance(RedisSettings("127.0.0.1", door.getsockname()[1]))
        answers(cache, keep_by(cache, source))


def test_values_of_a_wrong_type_cost_a_load(server: Server, source: Source) -> None:
    """A list where a value was, and lists where the records were, cost a load."""
    kept = keep_by(server.instance(), source)
    kept("a")
    client: Any = server.client()
    for key in client.keys("se-cache:*"):
        client.delete(key)
        client.lpush(key, "x")
    assert keep_by(server.instance(), source)("a").startswith("a ")
    client.flushall()
    again = keep_by(server.instance(), source)
    assert again("a") == again("a")


def test_a_connection_that_died_is_no_failure(server: Server, source: Source, calls: list[str]) -> None:
    """What a freeze cut is opened again: one load, no failure, the breaker closed."""
    cache = server.instance()
    kept = keep_by(cache, source)
    kept("a")
    client: Any = server.client()
    client.client_kill_filter(_type="normal", skipme=True)
    cache.memory.drop_if(lambda _: True)
    assert attempts(cache, lambda: kept("a")) == 0
    assert len(calls) == 1
    assert cache.tiers.redis
    assert cache.tiers.redis.breaker.state == "closed"


def test_a_lock_whose_answer_was_lost_is_ours(server: Server) -> None:
    """A connection that dies once Redis has taken it is opened again: nobody waits for their own lock."""
    client = RedisClients(RedisSettings("127.0.0.1", server.port)).of("lost")

    def asked(token: bytes) -> Command:
        return "EVAL", LOCK, 2, "{lost}:value", "{lost}!lock", token, 10_000, 0

    assert client.execute("{lost}:value", asked(b"mine"), asked(b"mine"), asked(b"another's")) == [1, 1, 0]
