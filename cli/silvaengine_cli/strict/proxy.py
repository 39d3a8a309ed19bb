"""A concurrent HTTP/1.1 proxy on 127.0.0.1: one thread for each connection, which it keeps.

Requests are read whole, chunked ones too; responses go out in pieces as they come, unless somebody has read
them. A WebSocket is two streams of bytes, of which a rule may read the client's.
"""

import http.client
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self, override

from silvaengine_cli.strict.http import BLOCK, Request, Response, blocks_of
from silvaengine_cli.strict.websocket import WebSocket

HOST = "127.0.0.1"
# RFC 9110, section 7.6.1, and what is said anew of the body.
HOP_HEADERS = {"connection", "expect", "keep-alive", "transfer-encoding", "content-length"}
SECONDS = 920.0  # a Lambda has up to 900: docs.aws.amazon.com/lambda/latest/dg/configuration-timeout.html

type Answer = Callable[[Request], Response]


class Proxy:
    """Serves a port while a ``with`` block runs, or until its target refuses a connection.

    Args:
        answer: returns the response to a request; it may raise OSError or HTTPException.
        port: the port to listen at, 0 for any that is free.
    """

    def __init__(self, answer: Answer, port: int = 0) -> None:
        self._server = _Server(answer, port)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def port(self) -> int:
        """The port that it listens at."""
        return self._server.server_port

    def __enter__(self) -> Self:
        """Start to serve."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the server."""
        self._server.end()
        self._thread.join()


def forward(request: Request, port: int, seconds: float = SECONDS) -> Response:
    """Send a request to a port of 127.0.0.1 and return the response; raise TimeoutError after so long."""
    connection = http.client.HTTPConnection(HOST, port, timeout=seconds)
    connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
    for name, value in request.fields:
        if name.lower() not in HOP_HEADERS or request.is_handshake:
            connection.putheader(name, value)
    if request.body or request.header("content-length"):
        connection.putheader("content-length", str(len(request.body)))
    if not request.is_handshake:
        connection.putheader("connection", "close")
    connection.endheaders(request.body)
    received = connection.getresponse()
    if received.status == 101:
        connection.sock.settimeout(None)
        return WebSocket(received.getheaders(), received, connection.sock)
    dropped = HOP_HEADERS - ({"content-length"} if request.method == "HEAD" else set())
    fields = [field for field in received.getheaders() if field[0].lower() not in dropped]
    return Response(received.status, fields, received)


class _Server(ThreadingHTTPServer):
    request_queue_size = 256

    def __init__(self, answer: Answer, port: int) -> None:
        super().__init__((HOST, port), _Handler)
        self.answer = answer

    def end(self) -> None:
        """Refuse connections from now on; those that are open end with their clients."""
        self.shutdown()
        self.server_close()

    @override
    def handle_error(self, request: object, client_address: object) -> None:
        """Show what no code expected; a client that went away is nobody's failure."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type] # typeshed has Any there


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = BLOCK  # a head and a short body leave together
    server: _Server

    def do_GET(self) -> None:
        # The line itself: in http.server's ``path`` slashes at the beginning are one.
        target = self.requestline.split()[1]
        request = Request(self.command, target, self.headers.items(), self._body())
        try:
            response = self.server.answer(request)
        except (OSError, http.client.HTTPException) as error:
            self.close_connection = True
            if isinstance(error, ConnectionRefusedError):
                self.server.end()
        else:
            self._send(response)
            if isinstance(response, WebSocket):
                self._tunnel(response)

    do_DELETE = do_HEAD = do_OPTIONS = do_PATCH = do_POST = do_PUT = do_GET  # noqa: N815 - http.server's names

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        parts = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)

    def _send(self, response: Response) -> None:
        self.send_response_only(response.status)
        for name, value in response.fields:
            self.send_header(name, value)
        length = response.length
        is_bodiless = self.command == "HEAD" or response.status in (101, 204, 304)
        if not is_bodiless:
            framing = ("transfer-encoding", "chunked") if length is None else ("content-length", str(length))
            self.send_header(*framing)
        self.end_headers()
        for block in () if is_bodiless else response.blocks():
            self.wfile.write(block if length is not None else b"%x\r\n%s\r\n" % (len(block), block))
            self.wfile.flush()
        if length is None and not is_bodiless:
            self.wfile.write(b"0\r\n\r\n")

    def _tunnel(self, opened: WebSocket) -> None:
        """Pass bytes both ways until one side ends."""
        self.close_connection = True
        self.wfile.flush()
        with opened.engine:
            sent = blocks_of(opened.sent), self.connection
            back = threading.Thread(target=_pump, args=sent, daemon=True)
            back.start()
            _pump(opened.taken(self.rfile), opened.engine)
            back.join()

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


def _pump(blocks: Iterable[bytes], target: socket.socket) -> None:
    with suppress(OSError):
        for block in blocks:
            target.sendall(block)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
