"""HTTP/1.1 over kept connections: as much of RFC 9112 as AWS's endpoints use."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from time import monotonic

from silvaengine.aws.connection import Connection, ConnectionPool
from silvaengine.aws.origin import Origin

IDLE_SECONDS = 50.0  # of real time; balancers and NAT gateways silently forget a connection (after 350 s)
HEAD_LIMIT = 65_536
HEAD_END = b"\r\n\r\n"


class NoResponseError(Exception):
    """The request was sent, wholly or in part, without a complete response: the peer may have acted on it."""


class ResponseTimeoutError(NoResponseError):
    """The time for the response is over."""


class NotSentError(NoResponseError):
    """The peer never had the whole request."""


class Response:
    """A complete response: ``head`` is status line and headers, ``body`` is decoded."""

    __slots__ = ("_head", "_names", "body", "status")

    def __init__(self, status: int, head: bytes, body: bytes = b"") -> None:
        self.status = status
        self.body = body
        self._head = head
        self._names = head.lower()

    def header(self, name: bytes) -> str:
        """Return the value of a header, named in lower case; empty if absent."""
        at = self._names.find(b"\r\n" + name + b":")
        if at < 0:
            return ""
        start = at + len(name) + 3
        end = self._head.find(b"\r\n", start)
        return self._head[start : end if end >= 0 else None].strip().decode("latin-1")


class HttpConnection(Connection):
    """One connection, for one thread at a time.

    Raises:
        NotSentError: the origin can't be reached or isn't trusted.
    """

    __slots__ = ("_unread",)

    def __init__(self, origin: Origin) -> None:
        try:
            super().__init__(origin.connect())
        except OSError as error:
            raise NotSentError(f"{origin.netloc}: {error}") from error
        self._unread = b""

    def exchange(self, request: bytes, seconds: float) -> Response:
        """Send a whole request and return the whole response, in so many seconds.

        Raises:
            NotSentError: the peer never had it.
            ResponseTimeoutError: the response didn't come in time.
            NoResponseError: the connection broke, or the response isn't HTTP.
        """
        end = monotonic() + seconds
        try:
            self._send(request, end)
        except TimeoutError as error:
            raise ResponseTimeoutError(f"not sent in {seconds:.1f} s") from error
        except OSError as error:
            raise NotSentError(f"the connection was gone: {error!r}") from error
        try:
            return self._read_response(end)
        except TimeoutError as error:
            raise ResponseTimeoutError(f"no response in {seconds:.1f} s") from error
        except (OSError, EOFError, ValueError) as error:
            raise NoResponseError(f"the connection broke: {error!r}") from error

    def _read_response(self, end: float) -> Response:
        head = self._read_until(HEAD_END, end)
        status = _status(head)
        while status < 200:  # interim responses: RFC 9110, section 15.2
            head = self._read_until(HEAD_END, end)
            status = _status(head)
        response = Response(status, head)
        length = response.header(b"content-length")
        if length:
            response.body = self._read_exactly(int(length), end)
        elif response.header(b"transfer-encoding").lower() == "chunked":
            response.body = self._read_chunked(end)
        elif status != 204:
            response.body = self._read_to_end(end)
        if self._unread or response.header(b"connection").lower() == "close":
            self.is_reusable = False
        return response

    def _read_chunked(self, end: float) -> bytes:
        """Read a body in chunks and the trailer after it: RFC 9112, section 7.1."""
        parts = []
        while size := int(self._read_until(b"\r\n", end).partition(b";")[0], 16):
            parts.append(self._read_exactly(size, end))
            self._read_until(b"\r\n", end)
        while self._read_until(b"\r\n", end):
            pass
        return b"".join(parts)

    def _read_until(self, mark: bytes, end: float) -> bytes:
        """Read up to a mark, which is dropped."""
        received = self._unread or self._receive(end)
        while (at := received.find(mark)) < 0:
            if len(received) > HEAD_LIMIT:
                raise ValueError("the head is too long")
            received += self._receive(end)
        self._unread = received[at + len(mark) :]
        return received[:at]

    def _read_exactly(self, length: int, end: float) -> bytes:
        parts, missing = [self._unread], length - len(self._unread)
        while missing > 0:
            parts.append(self._receive(end))
            missing -= len(parts[-1])
        received = b"".join(parts)
        self._unread = received[length:]
        return received[:length]

    def _read_to_end(self, end: float) -> bytes:
        self.is_reusable = False
        parts = [self._unread]
        self._unread = b""
        with suppress(EOFError):
            while True:
                parts.append(self._receive(end))
        return b"".join(parts)


class HttpPool(ConnectionPool):
    """The kept connections to one origin; see ``HttpConnection.exchange``.

    ``clock`` is in epoch seconds, which go on while a Lambda is frozen.
    """

    def __init__(self, origin: Origin, clock: Callable[[], float]) -> None:
        super().__init__(partial(HttpConnection, origin), (NotSentError,), IDLE_SECONDS, clock)


def is_field_value(text: str) -> bool:
    """Return whether a text can be a header's value, and brings no line of its own: RFC 9110, 5.5."""
    return text.isascii() and text.isprintable()


def _status(head: bytes) -> int:
    if not head.startswith(b"HTTP/1."):
        raise ValueError(f"not HTTP: {head[:40]!r}")
    return int(head[9:12])
