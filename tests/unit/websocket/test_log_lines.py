"""One JSON line for each invocation, whatever the event is."""

import json
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest

from silvaengine.errors import SilvaEngineError

from ...line_budget import LINE_BYTES, median_bytes
from .conftest import World, event, handshake

BROADCAST = {"operation": "ws_broadcast", "endpoint_id": "acme", "frame": "hello"}


def line_of(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Read the one line that was written, but for log records."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (line,) = [line for line in lines if "service" in line]
    assert line.keys() >= {"service", "request_id", "status", "total_ms", "cold_start"}
    assert ("error" in line) == (line["status"] >= 400)
    return dict(line)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (None, {"status": 500, "error": "ConfigurationError"}),
        ([], {"status": 500, "error": "ConfigurationError"}),
        ({}, {"status": 400, "error": "RequestError"}),
        ({"silvaengine": None}, {"status": 400, "error": "RequestError"}),
        (
            {"silvaengine": {"operation": "other"}},
            {"status": 400, "error": "RequestError", "operation": "other"},
        ),
        (
            {"silvaengine": {"operation": "ws_broadcast", "endpoint_id": "acme"}},
            {"status": 400, "error": "RequestError", "operation": "ws_broadcast", "endpoint_id": "acme"},
        ),
        (
            {"silvaengine": BROADCAST},
            {"status": 200, "operation": "ws_broadcast", "endpoint_id": "acme"},
        ),
        (
            handshake(),
            {"status": 200, "route": "authorizer", "policy": "Allow", "endpoint_id": "acme", "area": "core"},
        ),
        (
            handshake(query={}),
            {"status": 400, "route": "authorizer", "policy": "Deny", "error": "RequestError"},
        ),
        (event("$connect", {}), {"status": 400, "route": "$connect", "error": "RequestError"}),
    ],
)
def test_each_kind_of_event_writes_exactly_one_line(
    sent: Any, expected: dict[str, Any], world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Authorizer calls, operators' events and what is no event of a WebSocket API have their line."""
    with suppress(SilvaEngineError):
        world.handler(sent, None)
    line = line_of(capsys)
    assert line["service"] == "websocket"
    assert {name: line.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("route", "body", "expected"),
    [
        ("$connect", None, {"status": 200}),
        ("$disconnect", None, {"status": 200}),
        ("$default", "ping", {"status": 200}),
        ("$default", '{"funct": "greet"}', {"status": 200, "function": "greet"}),
        ("$default", '{"funct": "other"}', {"status": 404, "error": "NotFoundError", "function": "other"}),
        ("$default", "{", {"status": 400, "error": "RequestError"}),
    ],
)
def test_each_event_of_a_socket_writes_exactly_one_line(
    route: str, body: str | None, expected: dict[str, Any], world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Connections, messages and refused messages have their line, with tenant and route."""
    said = world.enter()
    capsys.readouterr()
    world.handler(event(route, said, body=body), None)
    line = line_of(capsys)
    expected = {**expected, "service": "websocket", "endpoint_id": "acme", "area": "core", "route": route}
    assert {name: line.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("sent", "context", "expected"),
    [
        (None, None, {"status": 403, "error": "RequestError"}),
        ([], None, {"status": 403, "error": "RequestError"}),
        ({}, None, {"status": 403, "error": "RequestError"}),
        ({"endpoint_id": "acme", "grant": "1.2"}, None, {"status": 403, "endpoint_id": "acme"}),
        ({"endpoint_id": "acme", "grant": True}, 20, {"status": 400, "endpoint_id": "acme"}),
        (
            {"endpoint_id": "acme", "grant": True, "frame": "x", "request_id": "r1"},
            20,
            {"status": 200, "endpoint_id": "acme", "request_id": "r1", "sent": 0},
        ),
        (
            {"endpoint_id": "acme", "grant": True, "frame": "x"},
            None,
            {"status": 500, "error": "AttributeError"},
        ),
    ],
)
def test_each_event_of_the_broadcaster_writes_exactly_one_line(
    sent: Any, context: Any, expected: dict[str, Any], world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Refused requests and failures of ours have their line."""
    if context:
        context = SimpleNamespace(get_remaining_time_in_millis=lambda: 20_000)
    if isinstance(sent, dict) and sent.get("grant") is True:
        sent = {**sent, "grant": world.tokens.issue("acme")}
    with suppress(AttributeError):
        world.broadcast(sent, context)
    line = line_of(capsys)
    assert line["service"] == "broadcaster"
    assert {name: line.get(name) for name in expected} == expected


def test_a_line_keeps_its_budget(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """A connection, its messages and its end."""
    said = world.enter()
    for body in ('{"funct": "greet"}', '{"funct": "greet"}', '{"funct": "other"}'):
        world.handler(event("$default", said, body=body), None)
    world.handler(event("$disconnect", said), None)
    assert median_bytes(capsys.readouterr().out) <= LINE_BYTES
