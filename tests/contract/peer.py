"""A server on loopback that says what a test tells it, for what no real one does on demand."""

import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Thread

type Step = bytes | Callable[[bytes], bytes]
"""What follows a request: a response, or what makes one of the request's bytes."""

END = b"\r\n\r\n"


class Peer:
    """Plays one script per connection, the last one again and again; at a script's end it hangs up.

    Args:
        scripts: for each connection the steps that follow its requests.
        context: for TLS.
        host: a loopback address.
    """

    def __init__(
        self,
        scripts: Sequence[Sequence[Step]],
        context: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self._scripts = scripts
        self._context = context
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        scheme = "https" if context else "http"
        name = f"[{host}]" if ":" in host else host
        self.url = f"{scheme}://{name}:{self._listener.getsockname()[1]}"
        Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                script = self._scripts[min(self.connections, len(self._scripts) - 1)]
                self.connections += 1
                Thread(target=self._play, args=(connection, script), daemon=True).start()

    def _play(self, connection: socket.socket, script: Sequence[Step]) -> None:
        with suppress(OSError), connection:
            stream = self._context.wrap_socket(connection, server_side=True) if self._context else connection
            for step in script:
                request = _read(stream)
                if not request:
                    return
                self.requests.append(request)
                stream.sendall(step if isinstance(step, bytes) else step(request))
            stream.close()


@contextmanager
def peer(
    *scripts: Sequence[Step], context: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> Iterator[Peer]:
    """Serve for the length of the block."""
    server = Peer(scripts, context, host)
    try:
        yield server
    finally:
        server.close()


def response(body: bytes = b"{}", status: int = 200, *headers: str) -> bytes:
    """Return a plain answer."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + END + body


def _read(stream: socket.socket) -> bytes:
    """Read a request with its body; nothing when the client hung up."""
    request = b""
    while END not in request:
        received = stream.recv(65_536)
        if not received:
            return b""
        request += received
    head, _, body = request.partition(END)
    _, _, rest = head.lower().partition(b"content-length:")
    length = int(rest.partition(b"\r\n")[0] or 0)
    while len(body) < length:
        body += stream.recv(65_536)
    return head + END + body
