"""What connections do when peers are slow, gone, strange or not whom they say they are."""

import os
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Thread

import pytest

from silvaengine.aws.http import (
    IDLE_SECONDS,
    HttpPool,
    NoResponseError,
    NotSentError,
    ResponseTimeoutError,
)
from silvaengine.aws.origin import Origin
from silvaengine.redis.connection import RedisConnection

from .conftest import AnyClient
from .peer import Peer, peer, response

REQUEST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n"
SECONDS = 5.0
CHUNKS = b"3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n"


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def pool(url: str, clock: Clock | None = None, ca_file: str | None = None) -> HttpPool:
    """Return a pool of connections to an address."""
    return HttpPool(Origin.of(url, ca_file), clock or Clock())


def test_a_connection_is_kept() -> None:
    """Requests one after the other take one connection."""
    with peer([response(b"1"), response(b"2"), response(b"3")]) as server:
        subject = pool(server.url)
        assert [subject.exchange(REQUEST, SECONDS).body for _ in range(3)] == [b"1", b"2", b"3"]
    assert server.connections == 1


@pytest.mark.parametrize(
    ("sent", "body"),
    [
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,
            b"abc0123456789",
        ),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n1\r\na\r\n0\r\nTrailer: x\r\n\r\n", b"a"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000, b"x" * 200_000),
    ],
)
def test_a_body_is_read_to_its_end(sent: bytes, body: bytes) -> None:
    """By its length or in chunks; interim answers are passed over, and the connection goes on."""
    with peer([sent, response(b"next")]) as server:
        subject = pool(server.url)
        assert subject.exchange(REQUEST, SECONDS).body == body
        assert subject.exchange(REQUEST, SECONDS).body == b"next"


def test_a_body_may_end_with_its_connection() -> None:
    """A connection whose end ends the body isn't used again."""
    with peer([b"HTTP/1.1 200 OK\r\n\r\nup to the end"], [response(b"next")]) as server:
        subject = pool(server.url)
        assert subject.exchange(REQUEST, SECONDS).body == b"up to the end"
        assert subject.exchange(REQUEST, SECONDS).body == b"next"


def test_headers_are_found_whatever_their_case() -> None:
    """A header is found in any case, and only by its whole name."""
    headers = ("X-Amz-Function-Error:  Unhandled ", "x-other-content-length: 9")
    with peer([response(b"", 200, *headers)]) as server:
        received = pool(server.url).exchange(REQUEST, SECONDS)
    assert received.header(b"x-amz-function-error") == "Unhandled"
    assert received.header(b"function-error") == ""


def test_a_connection_that_died_is_reopened() -> None:
    """What hung up while nobody looked, as over a freeze, costs no request."""
    with peer([response(b"1")], [response(b"2")]) as server:
        subject = pool(server.url)
        assert subject.exchange(REQUEST, SECONDS).body == b"1"
        time.sleep(0.05)  # the peer's end arrives
        assert subject.exchange(REQUEST, SECONDS).body == b"2"


def test_a_connection_is_given_up_where_the_peer_says_so_or_after_a_long_rest() -> None:
    """A balancer may have forgotten it without a word."""
    clock = Clock()
    with peer(
        [response(b"1", 200, "Connection: close")] * 2, [response(b"2")] * 2, [response(b"3")]
    ) as server:
        subject = pool(server.url, clock)
        subject.exchange(REQUEST, SECONDS)
        assert subject.exchange(REQUEST, SECONDS).body == b"2"
        clock.now += IDLE_SECONDS
        assert subject.exchange(REQUEST, SECONDS).body == b"3"


@pytest.mark.parametrize(
    "sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", b"SSH-2.0-x\r\n\r\n"]
)
def test_a_broken_answer_is_none(sent: bytes) -> None:
    """The peer may have acted, so nothing is sent again; the next request takes a new connection."""
    with peer([sent], [response(b"fine")]) as server:
        subject = pool(server.url)
        with pytest.raises(NoResponseError) as caught:
            subject.exchange(REQUEST, SECONDS)
        assert not isinstance(caught.value, NotSentError | ResponseTimeoutError)
        assert len(server.requests) == 1
        assert subject.exchange(REQUEST, SECONDS).body == b"fine"


def test_the_time_is_that_of_the_whole_answer() -> None:
    """A peer that says a little now and then doesn't stretch it."""

    def slowly(_: bytes) -> bytes:
        time.sleep(1)
        return response()

    with peer([slowly]) as server, pytest.raises(ResponseTimeoutError):
        pool(server.url).exchange(REQUEST, 0.1)
    with peer([b"HTTP/1.1 200 OK\r\n", b""]) as server, pytest.raises(ResponseTimeoutError):
        pool(server.url).exchange(REQUEST, 0.1)


def test_nobody_there_is_told_apart() -> None:
    """Such a request may be sent again by anyone."""
    with pytest.raises(NotSentError):
        pool("http://127.0.0.1:1").exchange(REQUEST, SECONDS)


def test_threads_get_their_own_answers() -> None:
    """Side by side no response goes to another's request."""

    def echo(request: bytes) -> bytes:
        return response(request.partition(b"\r\n\r\n")[2])

    wrong: list[str] = []

    def ask(name: str) -> None:
        for number in range(20):
            body = f"{name}-{number}".encode()
            request = b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
            if subject.exchange(request, SECONDS).body != body:
                wrong.append(name)

    with peer([echo] * 200) as server:
        subject = pool(server.url)
        threads = [Thread(target=ask, args=(f"t{number}",)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (wrong, len(server.requests)) == ([], 160)
    assert server.connections <= 8


def test_tls_trusts_the_given_authorities(certificate: tuple[ssl.SSLContext, Path]) -> None:
    """The authorities of ``AWS_CA_BUNDLE`` are trusted, and then no others."""
    context, trusted = certificate
    with peer([response(b"1"), response(b"2")], context=context) as server:
        subject = pool(server.url, ca_file=str(trusted))
        assert [subject.exchange(REQUEST, SECONDS).body for _ in range(2)] == [b"1", b"2"]
        assert server.connections == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_tls_refuses_whoever_is_not_certified(certificate: tuple[ssl.SSLContext, Path], host: str) -> None:
    """By Amazon's authorities or the system's, or under another name; no request leaves."""
    context, trusted = certificate
    with peer([response()], context=context) as server:
        url = server.url.replace("127.0.0.1", host)
        with pytest.raises(NotSentError, match="certificate verify failed"):
            pool(url, ca_file=None if host == "127.0.0.1" else str(trusted)).exchange(REQUEST, SECONDS)
    assert server.requests == []


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "https://lambda.eu-central-1.amazonaws.com",
            (True, "lambda.eu-central-1.amazonaws.com", 443, "lambda.eu-central-1.amazonaws.com", ""),
        ),
        ("http://[::1]:4566/", (False, "::1", 4566, "[::1]:4566", "")),
        ("http://127.0.0.1:80/_aws/api/beta", (False, "127.0.0.1", 80, "127.0.0.1:80", "/_aws/api/beta")),
    ],
)
def test_an_address_is_read_from_a_url(url: str, expected: tuple[object, ...]) -> None:
    """IPv6 addresses stand in brackets, in the address and in the Host header."""
    assert Origin.of(url)[:5] == expected


@pytest.mark.parametrize(
    "url", ["", "ftp://x", "https://", "https://user@host", "http://x:y", "http://a b/?q"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    """A malformed address is refused before anything is sent anywhere."""
    with pytest.raises(ValueError, match="not a valid AWS endpoint"):
        Origin.of(url)


def keep_alive_of(port: int) -> list[tuple[int, ...]]:
    """Return how this process keeps its connections to a port alive: whether, and after how many seconds."""
    names = [name for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL") if hasattr(socket, name)]
    found = []
    sockets = [file for file in Path("/dev/fd").iterdir() if file.is_socket()]
    for file in sockets:
        # Another thread's may be closed by now.
        with suppress(OSError), socket.socket(fileno=os.dup(int(file.name))) as connection:
            if connection.getpeername()[1:2] == (port,):
                is_kept = connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
                option = partial(connection.getsockopt, socket.IPPROTO_TCP)
                found.append((is_kept, *(option(getattr(socket, name)) for name in names)))
    return found


def call_aws(kind: type[AnyClient], server: Peer) -> object:
    """Send a request by one of the clients, which keeps its connection."""
    client = kind("lambda", "us-east-1", server.url, {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"})
    client.post("/", {}, b"", SECONDS)
    return client


def connect_redis(_: object, server: Peer) -> object:
    """Begin a connection to Redis."""
    return RedisConnection(Origin.of(server.url), ())


@pytest.mark.parametrize("connect", [call_aws, connect_redis])
def test_a_kept_connection_says_that_it_is_alive(
    connect: Callable[[type[AnyClient], Peer], object], aws_client: type[AnyClient]
) -> None:
    """Each minute and until it is answered: NAT forgets one that is silent for 350 s, as in a long call."""
    with peer([response(), response()]) as server:
        connected = connect(aws_client, server)
        assert keep_alive_of(int(server.url.rpartition(":")[2])) == [(1, 60, 15)]
        del connected
