"""What Redis answers, however it is cut: every reply whole, none left over for the next request."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silvaengine.aws.origin import Origin
from silvaengine.redis.commands import AwayError, OutdatedError, Refusal
from silvaengine.redis.connection import RedisConnection

type Reply = Any

CLOSED = b""

values = st.binary(max_size=512) | st.sampled_from([b"\r\n", b"$3\r\nabc\r\n", b"-1"])
lines = st.text("abc -$*:+1", max_size=20)
replies = st.recursive(
    values | st.none() | st.integers(-(2**63), 2**63 - 1),
    lambda each: st.lists(each, max_size=4),
    max_leaves=12,
)


class Pieces(Origin):
    """A server and the socket to it, over which these pieces come, then nothing within the time-out."""

    def __new__(cls, pieces: Iterable[bytes]) -> "Pieces":
        self = super().__new__(cls, False, "", 0, "", "")
        self.pieces, self.sent = list(pieces), b""
        return self

    pieces: list[bytes]
    sent: bytes

    def connect(self, seconds: float = 1.0) -> Any:
        return self

    def fileno(self) -> int:
        return 0

    def settimeout(self, seconds: float) -> None:
        assert seconds <= 0.1

    def send(self, request: bytes) -> int:
        self.sent += request[:3]
        return len(request[:3])

    def recv(self, size: int) -> bytes:
        if not self.pieces:
            raise TimeoutError
        return self.pieces.pop(0)


def encoded(reply: Reply) -> bytes:
    """Return a reply as Redis sends it."""
    if reply is None:
        return b"$-1\r\n"
    if isinstance(reply, int):
        return b":%d\r\n" % reply
    if isinstance(reply, list):
        return b"*%d\r\n%b" % (len(reply), b"".join(map(encoded, reply)))
    return b"$%d\r\n%b\r\n" % (len(reply), reply)


def response(*pieces: bytes, count: int = 1) -> list[Reply]:
    """Ask over a connection over which these pieces come."""
    server = Pieces(pieces)
    got = RedisConnection(server, []).exchange(b"request", count)
    assert server.sent == b"request"
    return got


@given(st.lists(replies, min_size=1, max_size=4))
def test_whole_replies_are_read(expected: list[Reply]) -> None:
    """Any replies that come in one piece, and again when the same follows a value."""
    data = b"".join(map(encoded, expected))
    for _ in range(2):
        assert response(data, count=len(expected)) == expected


@given(st.lists(replies, min_size=1, max_size=3))
def test_replies_may_be_cut_anywhere(expected: list[Reply]) -> None:
    """Cut at every byte, they are the same; what ends there is waited for, or was closed."""
    data, count = b"".join(map(encoded, expected)), len(expected)
    for place in range(1, len(data)):
        assert response(data[:place], data[place:], count=count) == expected
        with pytest.raises(TimeoutError):
            response(data[:place], count=count)
        with pytest.raises(EOFError):
            response(data[:place], CLOSED, count=count)


@given(st.lists(replies, min_size=2, max_size=4))
def test_more_than_was_asked_for_is_an_error(came: list[Reply]) -> None:
    """A reply that nobody has asked for is not kept for the next request."""
    with pytest.raises(ValueError, match="more data"):
        response(b"".join(map(encoded, came)), count=len(came) - 1)


@given(st.lists(st.binary(min_size=1, max_size=60) | replies.map(encoded), min_size=1, max_size=4))
def test_anything_else_is_an_error_or_a_reply(pieces: list[bytes]) -> None:
    """Whatever comes, it is read or refused by an exception that the client takes for a failure."""
    try:
        response(*pieces)
    except (EOFError, OSError, ValueError, OutdatedError):
        return


@pytest.mark.parametrize(
    "data", [b"?1\r\n", b"$x\r\n", b"$1\r\nab\r\n", b"$-2\r\n", b"*2\r\n:1\r\n$-9\r\n", b"!-1\r\n", b":x\r\n"]
)
def test_what_is_no_reply_is_refused(data: bytes) -> None:
    """Lengths that are wrong, kinds that the protocol hasn't."""
    with pytest.raises(ValueError, match=r"Protocol error|length|integer|more data"):
        response(data)


@given(lines)
def test_a_refusal_stands_in_its_place(text: str) -> None:
    """What Redis refuses is an exception among the replies; those around it are read."""
    first, refusal, last = response(b"+OK\r\n-ERR %b\r\n:3\r\n" % text.encode(), count=3)
    assert (first, last) == (b"OK", 3)
    assert isinstance(refusal, Refusal)


def test_a_server_that_is_loading_is_not_there() -> None:
    """It says so in the place of each reply."""
    with pytest.raises(AwayError):
        response(b"-LOADING Redis is loading the dataset in memory\r\n" * 2, count=2)
