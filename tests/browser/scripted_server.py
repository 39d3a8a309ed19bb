"""A real WebSocket server on this machine that does what a test says, frame by frame."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

SECONDS = 10
STATIC = Path(__file__).parents[2] / "services/worker/functions/silvaengine_demo/static"
MODULE = "/silvaengine.js"
EMPTY = b"<!doctype html><title>empty</title>"


class Session:
    """One open socket, and the message that is being answered."""

    def __init__(self, connection: ServerConnection, message: dict[str, Any]) -> None:
        self._connection = connection
        self.message = message

    def send(self, frame: object) -> None:
        """Send text as it is, anything else as JSON."""
        self._connection.send(frame if isinstance(frame, str) else json.dumps(frame))

    def reply(self, **members: object) -> None:
        """Send a frame that belongs to the message."""
        self.send({"id": self.message["id"], **members})

    def cut(self) -> None:
        """End the connection without a word."""
        self._connection.socket.close()


type Script = Callable[[Session], None]


class ScriptedServer:
    """Answers each function as its script says, and serves an empty page that may import the client.

    The page comes from here since Chromium lets none but a page of this machine connect to it.

    ``scripts`` has a callable for each function's name; ``received`` gives every message in its order, and
    the queries of the handshakes that were let in are in ``handshakes``.
    """

    def __init__(self) -> None:
        self.scripts: dict[str, Script] = {}
        self.received: Queue[Any] = Queue()
        self.handshakes: list[str] = []
        self.is_refusing = False
        self.answers_pings = True
        self._server: Server | None = None

    @property
    def address(self) -> str:
        """Where it listens."""
        assert self._server
        return f"127.0.0.1:{self._server.socket.getsockname()[1]}"

    def next_message(self) -> Any:
        """Wait for the next message that no test has taken yet."""
        return self.received.get(timeout=SECONDS)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serve for the length of the block."""
        with serve(self._serve, "127.0.0.1", 0, process_request=self._admit) as self._server:
            thread = Thread(target=self._server.serve_forever)
            thread.start()
            yield
            self._server.shutdown()
            thread.join(SECONDS)

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        if "Upgrade" not in request.headers:
            return _file(request.path)
        if self.is_refusing:
            return connection.respond(HTTPStatus.FORBIDDEN, "")
        self.handshakes.append(request.path.partition("?")[2])
        return None

    def _serve(self, connection: ServerConnection) -> None:
        try:
            for text in connection:
                self._answer(connection, str(text))
        except (ConnectionClosed, OSError):
            return

    def _answer(self, connection: ServerConnection, text: str) -> None:
        if text == "ping":
            self.received.put(text)
            if self.answers_pings:
                connection.send("pong")
            return
        message = json.loads(text)
        self.received.put(message)
        self.scripts[message["funct"]](Session(connection, message))


def _file(path: str) -> Response:
    is_module = path == MODULE
    body = (STATIC / MODULE[1:]).read_bytes() if is_module else EMPTY
    content_type = "text/javascript" if is_module else "text/html"
    headers = Headers({"Content-Type": content_type, "Content-Length": str(len(body)), "Connection": "close"})
    return Response(HTTPStatus.OK, "OK", headers, body)
