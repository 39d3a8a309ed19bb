"""What goes over a connection of the ``redis`` package, which opened it: requests, and Redis's replies.

It is the connection's parser (``parser_class``). The package's own asks its buffer for each line; this one
takes apart in one go what came in one piece, as most replies do. Nothing is ever left over for the next
request: more than was asked for is an error.
Protocol: redis.io/docs/latest/develop/reference/protocol-spec, version 2.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from redis import exceptions
from redis._parsers import BaseParser

if TYPE_CHECKING:
    from collections.abc import Callable

PIECE_BYTES = 65_536
TAIL_BYTES = 256  # of what follows a value, to be remembered
END = b"\r\n"
ABSENT = b"-1"
BULK, ARRAY, INTEGER, REFUSAL, STATUS = b"$*:-+"

type Reply = Any


class RespParser(BaseParser):
    """The socket of a connection, whose time-out is the connection's.

    Whoever gets an exception has to close the connection: redis.exceptions.ConnectionError where it was
    closed, or the server is loading; InvalidResponse or ValueError where something else came, or more; or
    the socket's own OSError.
    """

    def __init__(self) -> None:
        self._socket: Any = None

    def on_connect(self, connection: Any) -> None:  # noqa: ANN401 - the package types half of its methods
        """Use this connection from now on."""
        self._socket = connection._sock

    def on_disconnect(self) -> None:
        """Use none."""
        self._socket = None

    def read_response(self, **_: object) -> Reply:
        """Return one reply, for the package's handshake."""
        (reply,) = self.exchange(b"", 1)
        return reply

    def exchange(self, request: bytes, count: int) -> list[Reply]:
        """Send a request and give so many replies; where a command was refused, a ResponseError."""
        socket, data = self._socket, b""
        socket.sendall(request)
        while piece := socket.recv(PIECE_BYTES):
            data += piece
            try:
                replies, end = _replies(data, 0, count)
            except EOFError:
                continue
            if end < len(data):
                raise exceptions.InvalidResponse("more came than was asked for")
            return replies
        raise exceptions.ConnectionError("the server has closed the connection")


def _replies(data: bytes, at: int, count: int) -> tuple[list[Reply], int]:
    """Return so many replies and where they end; raises EOFError where the data ends before they do."""
    replies: list[Reply] = []
    while len(replies) < count:
        stop = data.find(END, at)
        if stop < 0:
            raise EOFError
        kind, text, at = data[at], data[at + 1 : stop], stop + 2
        if kind == BULK and text != ABSENT:
            begin, stop = at, at + int(text)
            replies.append(data[begin:stop])
            at = stop + 2
            if len(data) < at:
                raise EOFError
            if stop < begin or not data.endswith(END, stop, at):
                raise exceptions.InvalidResponse("a value has another length than was said")
            if 0 < len(data) - at < TAIL_BYTES:
                rest, length = _tail(data[at:], count - len(replies))
                return replies + rest, at + length
        elif kind == ARRAY and text != ABSENT:
            members, at = _replies(data, at, int(text))
            replies.append(members)
        elif kind == INTEGER:
            replies.append(int(text))
        else:
            replies.append(_short(kind, text))
    return replies, at


@lru_cache(maxsize=1024)
def _tail(data: bytes, count: int) -> tuple[list[Reply], int]:
    """Do the same for what follows a value: mostly what followed the last one, so that it is read once."""
    return _replies(data, 0, count)


def _short(kind: int, text: bytes) -> Reply:
    """Return a rarer reply of one line."""
    if kind == REFUSAL:
        return _refusal(text)
    if kind == STATUS:
        return text
    if kind in (BULK, ARRAY):
        return None
    raise exceptions.InvalidResponse(f"{chr(kind)!r} begins no reply")


def _refusal(text: bytes) -> exceptions.RedisError:
    """Return a refusal as the package's exception; one that is about the whole connection is raised."""
    parse: Callable[[str], exceptions.RedisError] = BaseParser.parse_error
    error = parse(text.decode(errors="replace"))
    if isinstance(error, exceptions.ConnectionError):
        raise error
    return error
