"""HTTP/1.1 over connections that are kept: as much of RFC 9112 as AWS's endpoints use.

A Lambda is frozen between two requests, and its peers may be gone when it wakes. So a kept connection is used
again only while its peer has said nothing since, and not after a long rest; then a new one takes its place.
"""

from collections.abc import Callable
from contextlib import suppress
from select import POLLIN, poll
from time import monotonic

from silvaengine.aws.origin import Origin

IDLE_SECONDS = 50.0  # of real time; well below what balancers and NAT gateways (350 s) forget unannounced
TIMEOUT_STEP = 0.05  # seconds by which an answer may be late; to set a limit takes a system call
CHUNK = 65_536
HEAD_LIMIT = 65_536
HEAD_END = b"\r\n\r\n"


class NoAnswerError(Exception):
    """The request was sent, wholly or in part, and no whole answer came: the peer may have acted on it."""


class NoAnswerInTimeError(NoAnswerError):
    """The time for the answer is over."""


class NotSentError(NoAnswerError):
    """The peer never had the whole request."""


class Response:
    """A whole answer.

    Args:
        status: of HTTP.
        head: status line and headers, without the empty line.
        body: decoded.

    """

    __slots__ = ("_head", "_names", "body", "status")

    def __init__(self, status: int, head: bytes, body: bytes = b"") -> None:
        self.status = status
        self.body = body
        self._head = head
        self._names = head.lower()

    def header(self, name: bytes) -> str:
        """Return a header's value, empty when it isn't there; ``name`` is in lower case."""
        at = self._names.find(b"\r\n" + name + b":")
        if at < 0:
            return ""
        start = at + len(name) + 3
        end = self._head.find(b"\r\n", start)
        return self._head[start : end if end >= 0 else None].strip().decode("latin-1")


class HttpConnection:
    """One connection, for one thread at a time.

    Raises:
        NotSentError: there is nobody at the origin, or not whom we trust.

    """

    __slots__ = ("_poll", "_socket", "_timeout", "_unread", "kept")

    def __init__(self, origin: Origin) -> None:
        try:
            self._socket = origin.connect()
        except OSError as error:
            raise NotSentError(f"{origin.netloc}: {error}") from error
        self._poll = poll()
        self._poll.register(self._socket, POLLIN)
        self._unread = b""
        self.kept = True

    def is_alive(self) -> bool:
        """Return whether the peer has said nothing since the last answer, not even goodbye."""
        return not self._poll.poll(0)

    def close(self) -> None:
        """End it; nobody is waited for."""
        self._socket.close()

    def exchange(self, request: bytes, seconds: float) -> Response:
        """Send a whole request and read the whole answer; ``kept`` then tells whether another may follow.

        Args:
            request: as it goes out.
            seconds: until the answer must have come.

        Raises:
            NotSentError: the peer never had it.
            NoAnswerInTimeError: the answer didn't come in time.
            NoAnswerError: the connection broke, or what came isn't HTTP.

        """
        end = monotonic() + seconds
        try:
            self._send(request, seconds)
            return self._read(end)
        except TimeoutError as error:
            raise NoAnswerInTimeError(f"no answer in {seconds:.1f} s") from error
        except (OSError, EOFError, ValueError) as error:
            raise NoAnswerError(f"the connection broke: {error!r}") from error

    def _send(self, request: bytes, seconds: float) -> None:
        self._limit(seconds)
        try:
            self._socket.sendall(request)
        except TimeoutError:
            raise
        except OSError as error:
            raise NotSentError(f"the connection was gone: {error!r}") from error

    def _limit(self, seconds: float) -> None:
        self._timeout = seconds
        self._socket.settimeout(seconds)

    def _read(self, end: float) -> Response:
        head = self._until(HEAD_END, end)
        status = _status(head)
        while status < 200:  # interim answers: RFC 9110, section 15.2
            head = self._until(HEAD_END, end)
            status = _status(head)
        response = Response(status, head)
        length = response.header(b"content-length")
        if length:
            response.body = self._exactly(int(length), end)
        elif response.header(b"transfer-encoding").lower() == "chunked":
            response.body = self._chunked(end)
        elif status != 204:
            response.body = self._rest(end)
        self.kept = self.kept and not self._unread and response.header(b"connection").lower() != "close"
        return response

    def _chunked(self, end: float) -> bytes:
        """Read a body in chunks and the trailer after it: RFC 9112, section 7.1."""
        parts = []
        while size := int(self._until(b"\r\n", end).partition(b";")[0], 16):
            parts.append(self._exactly(size, end))
            self._until(b"\r\n", end)
        while self._until(b"\r\n", end):
            pass
        return b"".join(parts)

    def _until(self, mark: bytes, end: float) -> bytes:
        """Read up to a mark, which is dropped."""
        received = self._unread or self._receive(end)
        while (at := received.find(mark)) < 0:
            if len(received) > HEAD_LIMIT:
                raise ValueError("the head is too long")
            received += self._receive(end)
        self._unread = received[at + len(mark) :]
        return received[:at]

    def _exactly(self, length: int, end: float) -> bytes:
        parts, missing = [self._unread], length - len(self._unread)
        while missing > 0:
            parts.append(self._receive(end))
            missing -= len(parts[-1])
        whole = b"".join(parts)
        self._unread = whole[length:]
        return whole[:length]

    def _rest(self, end: float) -> bytes:
        self.kept = False
        parts = [self._unread]
        self._unread = b""
        with suppress(EOFError):
            while True:
                parts.append(self._receive(end))
        return b"".join(parts)

    def _receive(self, end: float) -> bytes:
        left = end - monotonic()
        if left <= 0:
            raise TimeoutError
        if self._timeout - left > TIMEOUT_STEP:
            self._limit(left)
        received = self._socket.recv(CHUNK)
        if not received:
            raise EOFError("the peer closed it")
        return received


class HttpPool:
    """The kept connections to one origin, for any number of threads.

    Args:
        origin: where to.
        clock: epoch seconds, which go on while a Lambda is frozen.

    """

    def __init__(self, origin: Origin, clock: Callable[[], float]) -> None:
        self._origin = origin
        self._clock = clock
        self._idle: list[tuple[HttpConnection, float]] = []  # its pop and append are atomic

    def exchange(self, request: bytes, seconds: float) -> Response:
        """Send a request over a kept connection or a new one; see ``HttpConnection.exchange``."""
        kept = self._take()
        if kept is not None:
            try:
                return self._use(kept, request, seconds)
            except NotSentError:  # it died after the look at it; nothing was done yet
                pass
        return self._use(HttpConnection(self._origin), request, seconds)

    def _use(self, connection: HttpConnection, request: bytes, seconds: float) -> Response:
        try:
            response = connection.exchange(request, seconds)
        except BaseException:  # an alarm may end a call anywhere; what comes later is nobody's answer
            connection.close()
            raise
        if connection.kept:
            self._idle.append((connection, self._clock()))
        else:
            connection.close()
        return response

    def _take(self) -> HttpConnection | None:
        while self._idle:
            try:
                connection, since = self._idle.pop()
            except IndexError:  # another thread was faster
                break
            if 0 <= self._clock() - since < IDLE_SECONDS and connection.is_alive():
                return connection
            connection.close()
        return None


def _status(head: bytes) -> int:
    if not head.startswith(b"HTTP/1."):
        raise ValueError(f"no HTTP: {head[:40]!r}")
    return int(head[9:12])
