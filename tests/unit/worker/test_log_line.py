"""The worker writes one log line for each invocation, however it ends."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from silvaengine.observability.handler import Handler

from ...line_budget import LINE_BYTES, median_bytes

SOCKET = {"connection_id": "c1", "message_id": "1", "wants_result": True}
JOB = {
    "job_id": "a" * 32, "owner": "nobody", "effect": "e" * 32, "fence": 1, "attempt": 1, "max_attempts": 3,
    "on_lost": "retry", "keep_seconds": 100, "backoff_seconds": 10, "claimed": False,
}  # fmt: skip
DEEP: Any = []
for _ in range(500):
    DEEP = [DEEP]


def line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Read the one line of an invocation."""
    (text,) = capsys.readouterr().out.splitlines()
    return dict(json.loads(text))


@pytest.mark.parametrize(
    ("function", "members", "status"),
    [
        ("plain:whoami", {}, 200),
        ("plain:whoami", {"invocation": False}, 200),
        ("plain:whoami", {"deadline": None}, 200),
        ("plain:absent", {}, 500),
        ("plain:strict", {}, 400),
        ("plain:refuse", {}, 418),
        ("plain:crash", {}, 500),
        ("plain:crash", {"deadline": None}, 500),
        ("plain:leave", {}, 500),
        ("plain:leave", {"invocation": False}, 500),
        ("plain:whoami", {"deadline": 1.0}, 504),
        ("plain:whoami", {"settings": "no JSON"}, 500),
        ("plain:whoami", {"params": None, "body": '{"a": NaN}'}, 400),
        ("plain:framed", {"context": "no JSON"}, 400),
        ("plain:whoami", {"job": JOB}, 200),  # a duplicate: nobody accepted this job
        ("plain:whoami", {"job": {}}, 400),
        ("plain:whoami", {"socket": SOCKET}, 500),  # the deployment has no WebSocket API
    ],
)
def test_a_call_writes_one_line(
    handler: Handler,
    payload: Callable[..., Any],
    lambda_context: Any,
    capsys: pytest.CaptureFixture[str],
    function: str,
    members: Any,
    status: int,
) -> None:
    """The line has the outcome's status, whether it was returned, raised or pushed."""
    with suppress(Exception):
        handler(payload(function, **members), lambda_context())
    written = line(capsys)
    assert (written["service"], written["status"]) == ("worker", status)
    assert written["total_ms"] >= 0


@pytest.mark.parametrize(
    "event",
    [
        None, [], "text", 1, {}, {"MODULENAME": 1}, {"invocation": []}, {"funct": {"secret": "hunter2"}},
        {"invocation": {"request_id": {"secret": "hunter2"}, "area": DEEP, "deadline": 4e9}},
        {"setting": {}, "invocation": {"deadline": 4e9}}, {"content_url": "ftp://nowhere"},
    ],
)  # fmt: skip
def test_a_malformed_payload_writes_one_line(
    handler: Handler, lambda_context: Any, capsys: pytest.CaptureFixture[str], event: Any
) -> None:
    """It is refused as a wrong call, and nothing of it is in the line but ids that are text."""
    with suppress(Exception):
        handler(event, lambda_context())
    written = line(capsys)
    assert (written["service"], written["status"]) == ("worker", 400)
    assert written["total_ms"] >= 0
    assert "hunter2" not in str(written)


def test_a_line_keeps_its_budget(
    handler: Handler, payload: Callable[..., Any], lambda_context: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Calls that end well and badly, with and without a row of the ledger."""
    for function, members in (("whoami", {}), ("whoami", {"job": JOB}), ("refuse", {}), ("crash", {})):
        handler(payload(f"plain:{function}", **members), lambda_context())
    assert median_bytes(capsys.readouterr().out) <= LINE_BYTES
