"""Fetching documents of token issuers, over real sockets."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from silvaengine.authorization.key_sets import MAX_BYTES, fetch


class Documents(BaseHTTPRequestHandler):
    """Serves a document, a large one, a redirect and an error."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        match self.path:
            case "/keys" | "/large":
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"{}" if self.path == "/keys" else b"x" * (MAX_BYTES + 1))
            case "/cut":
                self.send_response(200)
                self.send_header("Content-Length", "100")
                self.end_headers()
                self.wfile.write(b'{"keys": [')
            case "/nonsense":
                self.wfile.write(b"nonsense\r\n\r\n")
            case "/elsewhere":
                self.send_response(302)
                self.send_header("Location", "/keys")
                self.end_headers()
            case _:
                self.send_error(500)

    def log_message(self, *_: Any) -> None:
        """Stay silent."""


@pytest.fixture
def url() -> Iterator[str]:
    """Return the address of the documents."""
    Documents.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Documents)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_a_document_is_fetched(url: str) -> None:
    """A document arrives byte for byte."""
    assert fetch(f"{url}/keys") == b"{}"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/large", "more than"),
        ("/cut", "cut off"),
        ("/nonsense", "BadStatusLine"),
        ("/elsewhere", "302"),
        ("/missing", "500"),
    ],
)
def test_a_failed_fetch_is_an_oserror(url: str, path: str, words: str) -> None:
    """Too large, cut short, a redirection, which nobody follows, or an error: each is an OSError."""
    with pytest.raises(OSError, match=words):
        fetch(f"{url}{path}")
    assert Documents.asked == [path]


def test_a_refused_connection_is_an_oserror() -> None:
    """An issuer where nobody listens is an OSError like any other failure."""
    with pytest.raises(OSError, match="refused"):
        fetch("http://127.0.0.1:1/keys")
