"""The frame of every Lambda: one line for each event, and one way to record a failure."""

import json
from typing import Any, NoReturn

import pytest

from silvaengine.errors import NotFoundError, UnavailableError
from silvaengine.observability.handler import LambdaEvent, lambda_handler


def line_of(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Read the one line that was written, but for log records."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    (line,) = [line for line in lines if "service" in line]
    return dict(line)


def test_an_event_is_served_under_an_id_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    """What serves it gets event and context, and adds what it learns to the line."""

    def serve(call: LambdaEvent) -> list[Any]:
        call.log.add(function="greet")
        return [call.event, call.context, call.request_id]

    *given, request_id = lambda_handler("test", LambdaEvent, lambda: serve)({"a": 1}, "context")
    assert given == [{"a": 1}, "context"]
    line = line_of(capsys)
    assert {
        "service": "test",
        "request_id": request_id,
        "status": 200,
        "function": "greet",
    }.items() <= line.items()
    assert len(request_id) == 32


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (NotFoundError("No such thing"), 404, None),
        (UnavailableError("Busy", detail="throttled"), 503, "Busy (throttled)"),
        (UnavailableError("Busy"), 503, "Busy"),
        (OSError("disk"), 500, "Unexpected failure"),
        (SystemExit(1), 500, "Unexpected failure"),
    ],
)
@pytest.mark.parametrize("is_composed", [True, False])
def test_a_failure_is_recorded_and_raised_again(
    error: BaseException,
    status: int,
    said: str | None,
    is_composed: bool,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A Lambda that can't be composed has its line, too; from 500 on a log record says why."""

    def fail(*_: object) -> NoReturn:
        raise error

    with pytest.raises(type(error)):
        lambda_handler("test", LambdaEvent, (lambda: fail) if is_composed else fail)(None, None)
    line = line_of(capsys)
    assert (line["status"], line["error"]) == (status, type(error).__name__)
    assert [record.getMessage() for record in caplog.records] == ([said] if said else [])
    assert all(record.__dict__["request_id"] == line["request_id"] for record in caplog.records)
