"""A small WebSocket client (RFC 6455): text messages, one thread, and the ways in which a socket can end."""

import json
import os
import socket
import struct
from base64 import b64encode
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


class RefusedError(Exception):
    """The handshake was refused; `status` is HTTP's."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


class Socket:
    """An open connection to the URL; it is closed at the end of a `with` block."""

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        parts = urlsplit(url)
        assert parts.hostname
        self._socket = socket.create_connection((parts.hostname, parts.port or 80), timeout=20)
        self._unread = b""
        fields = {
            "Host": parts.netloc,
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": b64encode(os.urandom(16)).decode(),
            **(headers or {}),
        }
        lines = [f"GET {parts.path}?{parts.query} HTTP/1.1", *(f"{k}: {v}" for k, v in fields.items())]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        head = self._until(b"\r\n\r\n")
        status = int(head.split()[1])
        if status != 101:
            self._socket.close()
            raise RefusedError(status)

    def __enter__(self) -> Self:
        """Return the connection."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def send(self, message: object) -> None:
        """Send text as it is, anything else as JSON."""
        text = message if isinstance(message, str) else json.dumps(message)
        self._send(TEXT, text.encode())

    def send_bytes(self, data: bytes) -> None:
        """Send a binary message."""
        self._send(BINARY, data)

    def send_fragments(self, pieces: Sequence[bytes], *, ping: bool = False) -> None:
        """Send a text message in fragments, if so with a ping between them."""
        for number, piece in enumerate(pieces, 1):
            self._send(CONTINUATION if number > 1 else TEXT, piece, is_last=number == len(pieces))
            if ping:
                self._send(PING, b"")

    def receive(self, seconds: float = 20.0) -> str:
        """Return the next text message. Raises TimeoutError, or EOFError at the end of the connection."""
        self._socket.settimeout(seconds)
        whole = b""
        while True:
            is_last, code, data = self._frame()
            if code == CLOSE:
                raise EOFError(data)
            if code == PING:
                self._send(PONG, data)
            elif code in {TEXT, CONTINUATION}:
                whole += data
                if is_last:
                    return whole.decode()

    def json(self, seconds: float = 20.0) -> Any:
        """Return the next message as JSON."""
        return json.loads(self.receive(seconds))

    def close(self) -> None:
        """Say goodbye and go."""
        try:
            self._send(CLOSE, struct.pack("!H", 1000))
        except OSError:
            pass
        finally:
            self._socket.close()

    def abort(self) -> None:
        """Go without a word: the peer's kernel gets a reset."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def _send(self, code: int, data: bytes, *, is_last: bool = True) -> None:
        size, first = len(data), code | (0x80 if is_last else 0)
        if size < 126:
            head = struct.pack("!BB", first, 0x80 | size)
        elif size < 65_536:
            head = struct.pack("!BBH", first, 0x80 | 126, size)
        else:
            head = struct.pack("!BBQ", first, 0x80 | 127, size)
        mask = os.urandom(4)
        repeated = (mask * (size // 4 + 1))[:size]
        masked = (int.from_bytes(data) ^ int.from_bytes(repeated)).to_bytes(size) if size else b""
        self._socket.sendall(head + mask + masked)

    def _frame(self) -> tuple[bool, int, bytes]:
        first, second = self._exactly(2)
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", self._exactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self._exactly(8))
        return bool(first & 0x80), first & 0x0F, self._exactly(size)

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._unread:
            self._receive()
        head, self._unread = self._unread.split(mark, 1)
        return head

    def _exactly(self, size: int) -> bytes:
        while len(self._unread) < size:
            self._receive()
        data, self._unread = self._unread[:size], self._unread[size:]
        return data

    def _receive(self) -> None:
        received = self._socket.recv(65_536)
        if not received:
            raise EOFError
        self._unread += received
