"""Settings behind a URL, since they are too large for a payload, are as good as those in it."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from ..unit.worker.conftest import dynamodb, handler, jobs, lambda_context, ledger, notices, packages, payload

__all__ = ["dynamodb", "handler", "jobs", "lambda_context", "ledger", "notices", "packages", "payload"]

type Handle = Callable[..., Any]


@pytest.fixture
def handle_large(
    payload: Callable[..., dict[str, Any]], handler: Any, lambda_context: Any
) -> Iterator[Handle]:
    """Call a function whose settings and parameters the worker has to fetch."""
    served: list[bytes] = []
    sent: list[int | None] = []

    class Bucket(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(served[-1])))
            self.end_headers()
            self.wfile.write(served[-1][: sent[-1]])

        def log_message(self, *_: Any) -> None:
            """Stay silent."""

    def run(function: str, *, sends: int | None = None, **members: Any) -> Any:
        sent.append(sends)
        event = payload(function, **members)
        served.append(json.dumps({name: event.pop(name) for name in ("setting", "params")}).encode())
        event["content_url"] = f"http://127.0.0.1:{server.server_port}/payload"
        return handler(event, lambda_context())

    with HTTPServer(("127.0.0.1", 0), Bucket) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield run
        server.shutdown()
        thread.join()


def test_a_function_has_the_settings_behind_the_url(handle_large: Handle) -> None:
    """And the parameters."""
    response = handle_large(
        "classes:Service.tell", settings={"name": "x" * 1_100_000}, params={"endpoint_id": "demo"}
    )
    assert response["status"] == 200
    assert "x" * 1_100_000 in json.dumps(response["value"])


def test_a_secret_behind_the_url_is_redacted(handle_large: Handle, caplog: pytest.LogCaptureFixture) -> None:
    """Its name is known from the fetched settings alone."""
    secret = "correct-horse-battery"
    params = {"message": f"{secret} is wrong", "status": 500}
    response = handle_large("plain:refuse", settings={"password": secret}, params=params)
    assert response["status"] == 500
    assert secret not in json.dumps(response)
    assert "is wrong" in json.dumps(response)


def test_what_was_cut_off_is_no_payload(handle_large: Handle) -> None:
    """The client may try again: nothing ran."""
    response = handle_large("plain:nothing", sends=10)
    assert (response["status"], response["error_type"]) == (503, "UnavailableError")
