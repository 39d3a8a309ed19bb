"""Which lines `silvaengine logs` shows, and what stands under them."""

import json
from typing import Any

import pytest

from silvaengine_cli.logs import Line
from silvaengine_cli.logs.choice import Choice, by_request, requests_pattern
from silvaengine_cli.logs.reader import Record

from ...rules.filter_pattern import matches

GATEWAY = {"service": "http", "method": "GET", "request_id": "r1", "endpoint_id": "acme", "function": "hello"}
RECORD = {"level": "INFO", "message": "noted", "request_id": "r1"}
WRITTEN: tuple[dict[str, Any], ...] = (
    {"message": "printed"},
    RECORD,
    {"service": "worker", "status": 500, "request_id": "r1", "endpoint_id": "acme", "function": "hello"},
    {"level": "ERROR", "message": "failed", "request_id": "r1"},
    GATEWAY | {"status": 500},
    GATEWAY | {"status": 202, "request_id": "r2", "endpoint_id": "beta"},
    {"service": "worker", "status": 200, "request_id": "r2", "job_id": "j2", "endpoint_id": "beta"},
    {"level": "INFO", "message": "still running", "request_id": "r3"},
    {"level": "ERROR", "message": "crashed", "request_id": "r4"},
    {"service": "tasks", "source": "sqs", "request_id": "r5", "status": 200, "failed": 1},
    {"service": "http", "method": "GET", "request_id": "r6", "status": 404, "endpoint_id": "acme"},
)


def shown(choice: Choice, *, all_services: bool = False) -> list[str]:
    """Return the services and messages of what is shown, in order."""
    lines = [Line("Worker", at, record, "", str(at)) for at, record in enumerate(WRITTEN)]
    found = by_request(lines, choice, all_services=all_services)
    return [name_of(line.record) for line in found]


def name_of(record: Record) -> str:
    """Return a line's service, a record's message."""
    return str(record.get("service") or record["message"])


FIRST = ["http", "noted", "failed"]
LOOSE = ["still running", "crashed"]


CHOICES = pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (Choice(), ["printed", *FIRST, "http", "worker", *LOOSE, "tasks", "http"]),
        (Choice(endpoint="acme"), [*FIRST, "http"]),
        (Choice(endpoint="beta"), ["http", "worker"]),
        (Choice(function="hello", statuses=range(500, 600)), FIRST),
        (Choice(errors=True), [*FIRST, "crashed", "tasks"]),
        (Choice(service="worker"), ["worker", "noted", "failed", "worker"]),
        (Choice(statuses=range(404, 405)), ["http"]),
        (Choice(request="r1"), FIRST),
        (Choice(request="j2"), ["worker"]),
        (Choice(request="r3"), ["still running"]),
    ],
    ids=["all", "endpoint", "job", "function", "errors", "service", "status", "request", "job id", "running"],
)


@CHOICES
def test_records_stand_under_their_request(choice: Choice, expected: list[str]) -> None:
    """A call is a line with its records; what has none is shown where it was asked for, a job has its own."""
    assert shown(choice) == expected


def test_every_services_line_is_shown_if_asked_for() -> None:
    """The worker's line of a call, too, each once; records stand under the first."""
    assert shown(Choice(request="r1"), all_services=True) == ["worker", "noted", "failed", "http"]


@CHOICES
def test_aws_sends_what_is_shown(choice: Choice, expected: list[str]) -> None:
    """The pattern is never narrower than the choice; a job's records need its request's id."""
    if choice.pattern.startswith("{"):
        sent = [record for record in WRITTEN if matches(choice.pattern, json.dumps(record))]
        assert [each for each in expected if each not in map(name_of, sent)] == []
        assert len(sent) < len(WRITTEN)
    requests = requests_pattern(["r2", "r3"])
    assert [name_of(record) for record in WRITTEN if matches(requests, json.dumps(record))] == [
        "http",
        "worker",
        "still running",
    ]


def test_the_pattern_narrows_what_aws_sends() -> None:
    """All records are sent, since they name no tenant; a request's id is a term, which the engine takes."""
    assert Choice().pattern == ""
    assert Choice(request="r1").pattern == '"r1"'
    assert Choice(endpoint="acme", statuses=range(400, 500), errors=True).pattern == (
        '{ ($.service NOT EXISTS) || (($.endpoint_id = "acme") && '
        "($.status >= 400) && ($.status < 500) && (($.status >= 500) || ($.failed > 0))) }"
    )
