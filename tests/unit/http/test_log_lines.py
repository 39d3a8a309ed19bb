"""One JSON line for each invocation, whatever the event is."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from silvaengine.errors import RequestError

from ...line_budget import LINE_BYTES, median_bytes

type EventOf = Callable[..., dict[str, Any]]

AUTHORIZER_CALL = {
    "type": "REQUEST",
    "methodArn": "arn:aws:execute-api:us-east-1:1:api/beta/GET/core/acme/greet",
}


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Read what was written, but for log records."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [line for line in lines if "service" in line]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (None, {"status": 400, "error": "RequestError"}),
        ([], {"status": 400, "error": "RequestError"}),
        ({}, {"status": 400, "error": "RequestError"}),
        ({"Records": []}, {"status": 400, "error": "RequestError"}),
        ({"silvaengine": None}, {"status": 400, "error": "RequestError", "operation": None}),
        (
            {"silvaengine": {"operation": "drop"}},
            {"status": 404, "error": "NotFoundError", "operation": "drop"},
        ),
        (
            {"silvaengine": {"operation": "registry_changed"}},
            {"status": 200, "operation": "registry_changed"},
        ),
        ({"silvaengine": {"operation": "cache_stats"}}, {"status": 200, "operation": "cache_stats"}),
        (
            {"silvaengine": {"operation": "cache_clear", "endpoint_id": "acme"}},
            {"status": 200, "operation": "cache_clear", "endpoint_id": "acme"},
        ),
        (
            {"silvaengine": {"operation": "cache_keys"}},
            {"status": 400, "error": "RequestError", "operation": "cache_keys"},
        ),
    ],
)
def test_each_other_kind_of_event_writes_exactly_one_line(
    event: object, expected: dict[str, Any], world: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Events of operators and events that no HTTP API sends have their line, refused ones too."""
    world.registry.announce = lambda: None
    with suppress(RequestError):
        world.handler(event, None)
    (line,) = lines_of(capsys)
    assert line.keys() >= {"service", "request_id", "status", "total_ms", "cold_start"}
    assert line["service"] == "http"
    assert {name: line.get(name) for name in expected} == expected
    assert ("error" in line) == (line["status"] >= 400)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"status": 200, "endpoint_id": "acme", "function": "greet"}),
        ({"httpMethod": "OPTIONS"}, {"status": 204}),
        ({"httpMethod": "DELETE"}, {"status": 405, "error": "RequestError"}),
        ({"path": "/core", "pathParameters": None}, {"status": 404, "error": "NotFoundError"}),
        ({"body": "{", "httpMethod": "POST"}, {"status": 400, "endpoint_id": "acme", "area": "core"}),
        (AUTHORIZER_CALL, {"status": 200, "policy": "Allow", "function": "greet"}),
        (
            {**AUTHORIZER_CALL, "httpMethod": "DELETE"},
            {"status": 405, "policy": "Deny", "error": "RequestError"},
        ),
        ({**AUTHORIZER_CALL, "httpMethod": None}, {"status": 400, "policy": "Deny", "error": "RequestError"}),
    ],
)
def test_each_event_of_an_api_writes_exactly_one_line(
    changes: dict[str, Any],
    expected: dict[str, Any],
    world: Any,
    event_of: EventOf,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Requests, preflights, refusals and authorizer calls have the status and, if refused, the error."""
    world.handler(event_of(**changes), None)
    (line,) = lines_of(capsys)
    assert line.keys() >= {"service", "request_id", "status", "total_ms", "cold_start"}
    assert {name: line.get(name) for name in expected} == expected
    assert ("error" in line) == (line["status"] >= 400)


@pytest.mark.parametrize("event", [{"silvaengine": {"operation": "registry_changed"}}, AUTHORIZER_CALL])
def test_an_unexpected_failure_has_its_line(
    event: dict[str, Any], world: Any, event_of: EventOf, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line names the class of what was raised."""

    def fail(*_: object) -> None:
        raise OSError("hunter2")

    world.registry.announce = world.registry.key_access = fail
    with suppress(OSError):
        world.handler(event if "silvaengine" in event else event_of(**event), None)
    (line,) = lines_of(capsys)
    assert (line["status"], line["error"]) == (500, "OSError")


def test_a_line_keeps_its_budget(world: Any, event_of: EventOf, capsys: pytest.CaptureFixture[str]) -> None:
    """Calls, refusals and a preflight: what CloudWatch bills by the byte is small, with long names, too."""
    for changes in (
        {},
        {},
        {"path": "/core/acme/other"},
        {"httpMethod": "DELETE"},
        {"httpMethod": "OPTIONS"},
    ):
        world.handler(event_of(**changes), None)
    assert median_bytes(capsys.readouterr().out) <= LINE_BYTES


@pytest.mark.parametrize(
    ("members", "sizes"),
    [
        ({"body": None}, {}),
        ({"httpMethod": "POST", "body": '{"a": 1}'}, {"bytes_in": 8}),
        ({"httpMethod": "POST", "body": "eyJhIjogMX0=", "isBase64Encoded": True}, {"bytes_in": 8}),
        ({"httpMethod": "POST", "body": {"no": "text"}}, {}),
    ],
)
def test_a_line_has_the_bytes_of_the_bodies(
    members: dict[str, Any],
    sizes: dict[str, int],
    world: Any,
    event_of: EventOf,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Of what came, if anything did, as it was before API Gateway's base64, and of what went out."""
    response = world.handler({**event_of(), **members}, None)
    (line,) = lines_of(capsys)
    assert line["bytes_out"] == len(response["body"]) > 0
    assert {name: line[name] for name in line.keys() & {"bytes_in"}} == sizes
