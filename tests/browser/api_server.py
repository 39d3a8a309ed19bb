"""A gateway behind a real HTTP server, as API Gateway is in front of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from tests.security.registries import http_event

type Handler = Callable[[dict[str, Any], None], Any]


@contextmanager
def serving(handler: Handler) -> Iterator[str]:
    """Serve for the length of the block; gives the address, with the port."""

    class Requests(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"] or 0)).decode() or None
            headers = dict(self.headers)
            response = handler(http_event(self.path, self.command, headers=headers, body=body), None)
            self.send_response(response["statusCode"])
            single = [(name, [value]) for name, value in response["headers"].items()]
            for name, values in [*single, *response.get("multiValueHeaders", {}).items()]:
                for value in values:
                    self.send_header(name, value)
            content = response["body"].encode()
            if response["statusCode"] != 204:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_OPTIONS = do_DELETE = answer  # noqa: N815 - the base class's names

        def log_message(self, *_: Any) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Requests)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
