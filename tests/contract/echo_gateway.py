"""A gateway that answers with what it was asked."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PICTURE = b"\x89PNG\r\n"


class Gateway(BaseHTTPRequestHandler):
    """Answers with the request as JSON, or with the function's name as status."""

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        if self.path.endswith("/pixel"):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(PICTURE)
            return
        if self.path.endswith("/nothing"):
            return
        name = self.path.partition("?")[0].rpartition("/")[2]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        key = self.headers.get("x-api-key")
        self.send_response(int(name) if name.isdigit() else 200)
        self.send_header("x-request-id", "r-1")
        self.end_headers()
        accept = self.headers.get("Accept")
        request = {"method": self.command, "path": self.path, "body": body, "key": key, "accept": accept}
        request |= {name: self.headers.get(name) for name in ("authorization", "idempotency-key", "prefer")}
        self.wfile.write(json.dumps(request).encode())

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def running_gateway() -> Iterator[str]:
    """Yield the URL of a gateway on a free port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/beta"
    server.shutdown()
    thread.join()
    server.server_close()
