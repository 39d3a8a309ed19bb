"""Connections that are kept: used again after a freeze, by any thread, and never by a forked child.

A Lambda is frozen between two requests, and its peers may be gone when it wakes. So a kept connection is used
again only if its peer has sent nothing since, and not after a long pause; otherwise a new one replaces it.
"""

from collections.abc import Callable
from os import register_at_fork
from select import POLLIN, poll
from socket import socket
from time import monotonic
from typing import Any

CHUNK = 65_536
LIMIT_SLACK = 0.01  # seconds by which a wait may be too long: setting a time-out takes a system call

type Limit = Any
type Response = Any
"""Of the protocol; generic classes would be a hundredth of a gateway's cold start."""


class Connection:
    """One connection, for one thread at a time; ``is_reusable`` is up to date after each exchange."""

    __slots__ = ("_poll", "_seconds", "_socket", "is_reusable")

    def __init__(self, connected: socket) -> None:
        self._socket = connected
        self._seconds = 0.0  # the socket's time-out
        self._poll = poll()
        self._poll.register(connected, POLLIN)
        self.is_reusable = True

    def exchange(self, request: bytes, limit: Limit, /) -> Response:
        """Send a whole request and return the whole response, within a limit of the protocol's kind."""
        raise NotImplementedError

    def is_alive(self) -> bool:
        """Return whether the peer has sent nothing since the last response, not even the end."""
        return not self._poll.poll(0)

    def close(self) -> None:
        """Close the connection without waiting for the peer."""
        self._socket.close()

    def _send(self, request: bytes, end: float) -> None:
        """Send all of a request by ``end`` in monotonic seconds; raises OSError, TimeoutError."""
        sent = 0
        while sent < len(request):
            self._limit(end)
            sent += self._socket.send(memoryview(request)[sent:] if sent else request)

    def _receive(self, end: float) -> bytes:
        """Return what comes next; raises OSError, TimeoutError, and EOFError if the peer has closed."""
        self._limit(end)
        received = self._socket.recv(CHUNK)
        if not received:
            raise EOFError("the peer closed it")
        return received

    def _limit(self, end: float) -> None:
        seconds = end - monotonic()
        if seconds <= 0:
            raise TimeoutError
        if abs(seconds - self._seconds) > LIMIT_SLACK:
            self._socket.settimeout(seconds)
            self._seconds = seconds


class ConnectionPool:
    """The kept connections to one peer, for any number of threads; a forked child begins without any.

    Two processes on one connection would read each other's responses, and break its encryption.

    Args:
        connect: returns a new connection.
        gone: what an exchange raises where the peer, or this connection to it, was of no use.
        idle_seconds: how long a connection may rest; a network may have forgotten it afterwards.
        clock: in seconds.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        gone: tuple[type[Exception], ...],
        idle_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self._connect = connect
        self._gone = gone
        self._idle_seconds = idle_seconds
        self._clock = clock
        self._idle: list[tuple[Connection, float]] = []  # its pop and append are atomic
        register_at_fork(after_in_child=self._idle.clear)

    def exchange(self, request: bytes, limit: Limit) -> Response:
        """Send a request over a kept connection or, where that was gone, over a new one."""
        connection = self._take()
        if connection is not None:
            try:
                return self._exchange_over(connection, request, limit)
            except self._gone:  # since the check
                pass
        return self._exchange_over(self._connect(), request, limit)

    def _exchange_over(self, connection: Connection, request: bytes, limit: Limit) -> Response:
        try:
            response = connection.exchange(request, limit)
        except BaseException:  # also an alarm, anywhere: a late response must not be taken for a later one
            connection.close()
            raise
        if connection.is_reusable:
            self._idle.append((connection, self._clock()))
        else:
            connection.close()
        return response

    def _take(self) -> Connection | None:
        while self._idle:
            try:
                connection, since = self._idle.pop()
            except IndexError:  # another thread was faster
                break
            if 0 <= self._clock() - since < self._idle_seconds and connection.is_alive():
                return connection
            connection.close()
        return None
