"""A parser of Redis's replies, for connections of the ``redis`` package (``parser_class``).

The package's own parser asks its buffer for each line; this one parses a whole piece at once, and most
replies come in one piece. Nothing is left over for the next request: excess data is an error.
Protocol: redis.io/docs/latest/develop/reference/protocol-spec, version 2.
"""

from typing import TYPE_CHECKING, Any

from redis import exceptions
from redis._parsers import BaseParser

if TYPE_CHECKING:
    from collections.abc import Callable

PIECE_BYTES = 65_536
END = b"\r\n"
ABSENT = b"-1"
BULK, ARRAY, INTEGER, REFUSAL, STATUS = b"$*:-+"

type Connection = Any  # the package types half of its methods
type Reply = Any


class RespParser(BaseParser):
    """Exchanges requests and replies over a connection's socket, within the connection's time-out.

    After an exception the caller has to close the connection: redis.exceptions.ConnectionError if it was
    closed or the server is loading; InvalidResponse or ValueError if the data isn't the protocol's, or more
    than the replies; or the socket's OSError.
    """

    def __init__(self) -> None:
        self._socket: Any = None

    def on_connect(self, connection: Connection) -> None:
        """Use a connection from now on."""
        self._socket = connection._sock

    def on_disconnect(self) -> None:
        """Use no connection any more."""
        self._socket = None

    def read_response(self, **_: object) -> Reply:
        """Return one reply; called in the package's handshake."""
        (reply,) = self.exchange(b"", 1)
        return reply

    def exchange(self, request: bytes, count: int) -> list[Reply]:
        """Send a request and return ``count`` replies; the reply of a refused command is a ResponseError."""
        socket, data = self._socket, b""
        socket.sendall(request)
        while piece := socket.recv(PIECE_BYTES):
            data += piece
            try:
                replies, end = _replies(data, 0, count)
            except EOFError:
                continue
            if end < len(data):
                raise exceptions.InvalidResponse("more data than the replies")
            return replies
        raise exceptions.ConnectionError("the server has closed the connection")


def _replies(data: bytes, at: int, count: int) -> tuple[list[Reply], int]:
    """Return ``count`` replies and their end; raises EOFError if the data ends before them."""
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
                raise exceptions.InvalidResponse("a value isn't as long as announced")
        elif kind == ARRAY and text != ABSENT:
            members, at = _replies(data, at, int(text))
            replies.append(members)
        elif kind == INTEGER:
            replies.append(int(text))
        else:
            replies.append(_rare_reply(kind, text))
    return replies, at


def _rare_reply(kind: int, text: bytes) -> Reply:
    """Return a refusal, a status or an absent value."""
    if kind == REFUSAL:
        return _refusal(text)
    if kind == STATUS:
        return text
    if kind in (BULK, ARRAY):
        return None
    raise exceptions.InvalidResponse(f"no reply begins with {chr(kind)!r}")


def _refusal(text: bytes) -> exceptions.RedisError:
    """Return a refusal as the package's exception; raise one that concerns the whole connection."""
    parse: Callable[[str], exceptions.RedisError] = BaseParser.parse_error
    error = parse(text.decode(errors="replace"))
    if isinstance(error, exceptions.ConnectionError):
        raise error
    return error
