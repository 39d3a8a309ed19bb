"""A proxy at the Lambdas' AWS endpoint that writes down each call, so that no client escapes the count."""

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self, override
from urllib.parse import unquote, urlsplit

THROTTLE = b'{"__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"}'
HOP_HEADERS = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class CountingProxy:
    """Passes calls on to the engine unchanged (their signatures hold) and keeps their names in order."""

    def __init__(self, target: str, note: Callable[[str, bytes, bytes], None] | None = None) -> None:
        """Take the engine's URL, and what gets each call's name, its request and its response."""
        self._note = note
        self._target = urlsplit(target).netloc
        self._calls: list[str] = []
        self._refused: set[str] = set()
        self.tenant_ids: dict[str, set[str | None]] = {}  # those that a Lambda was invoked with, by its name
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def url(self) -> str:
        """The address to give to the Lambdas."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def recorded(self) -> Iterator[list[str]]:
        """Return a list that holds, after the block, the calls that were made within it."""
        start, calls = len(self._calls), list[str]()
        yield calls
        calls.extend(self._calls[start:])

    @contextmanager
    def throttling(self, *operations: str) -> Iterator[None]:
        """Refuse these calls within the block as DynamoDB does that has no capacity left."""
        self._refused |= set(operations)
        yield
        self._refused -= set(operations)

    def __enter__(self) -> Self:
        """Start to serve."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the server and its thread."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        target, calls, refused, tenants = self._target, self._calls, self._refused, self.tenant_ids
        note = self._note

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                calls.append(called := call_name(self))
                if called == "Lambda.Invoke":
                    name = unquote(self.path).split("/")[3].rpartition(":")[2]
                    tenants.setdefault(name, set()).add(self.headers.get("x-amz-tenant-id"))
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                if called in refused:
                    self._send(400, [("content-type", "application/x-amz-json-1.0")], THROTTLE)
                    return
                connection = http.client.HTTPConnection(target, timeout=60)
                connection.request(self.command, self.path, body, dict(self.headers))
                response = connection.getresponse()
                content = response.read()
                connection.close()
                if note:
                    note(called, body, content)
                self._send(response.status, response.getheaders(), content)

            do_GET = do_PUT = do_DELETE = do_POST  # noqa: N815 - names that http.server fixes

            def _send(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
                self.send_response_only(status)
                for name, value in headers:
                    if name.lower() not in HOP_HEADERS:
                        self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            @override
            def log_message(self, format: str, *args: object) -> None:
                """Stay silent."""

        return Handler


def call_name(request: BaseHTTPRequestHandler) -> str:
    """Name an AWS call, such as `DynamoDB.BatchGetItem` or `Lambda.Invoke`."""
    if target := request.headers.get("x-amz-target"):
        service, _, operation = target.partition(".")
        return f"{service.partition('_')[0]}.{operation}"
    if request.path.endswith("/invocations"):
        return "Lambda.Invoke"
    if "/%40connections/" in request.path:
        return "PostToConnection"
    return f"{request.command} {request.path}"
