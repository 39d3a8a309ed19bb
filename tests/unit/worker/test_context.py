"""A typed function's ``context`` has the same members by every way in."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from silvaengine.observability.handler import Handler
from silvaengine_worker.testing import Invoke

from .conftest import LambdaContext, Payload
from .documented import PAGE

_SECTION = re.compile(r"^### The context\n(.*?)^#", re.MULTILINE | re.DOTALL)
_section = _SECTION.search(PAGE.read_text())
assert _section
DOCUMENTED = set(re.findall(r"^\| `(\w+)` \|", _section[1], re.MULTILINE))

SENT = {"channel": "demo", "area": "core"}
EMPTY: dict[str, Any] = {
    **SENT, "headers": {}, "query": {}, "path_parameters": {}, "identity": {}, "authorizer": {},
    "connectionId": None,
}  # fmt: skip
REST: dict[str, Any] = {
    **SENT, "headers": {"A": "b"}, "query": {"q": ["1"]}, "identity": {"sourceIp": "::1"}, "authorizer": None
}  # fmt: skip
V2 = {**SENT, "headers": {}, "query": {}, "path_parameters": {"n": "1"}, "http": {"sourceIp": "::1"}}
SOCKET = {**SENT, "connectionId": "c", "authorizer": {"sub": "ada"}, "identity": {"sourceIp": "::1"}}
WAYS: dict[str, dict[str, Any]] = {
    "REST API": {"context": json.dumps(REST)},
    "HTTP API": {"context": json.dumps(V2)},
    "WebSocket": {"context": json.dumps(SOCKET)},
    "whole event": {"aws_event": json.dumps({"requestContext": REST}), "aws_context": "{}"},
    "event": {},
}


@pytest.fixture
def show(handler: Handler, payload: Payload) -> Callable[..., Any]:
    """Call a function as a way in does; return its result."""

    def call(way: str, function: str = "typed:show_context", *, typed: bool = True) -> Any:
        event = payload(function, params={"endpoint_id": "demo", "area": "core"}, typed=typed, **WAYS[way])
        response: Any = handler(event, LambdaContext())
        return response["value"]

    return call


@pytest.mark.parametrize("way", WAYS)
def test_the_members_are_those_of_the_table(show: Callable[..., Any], way: str) -> None:
    """Whatever the way in didn't bring is there, and empty."""
    context = show(way)
    assert DOCUMENTED == EMPTY.keys() <= context.keys()
    assert {name: type(context[name]) for name in EMPTY.keys() - {"connectionId"}} == {
        name: type(value) for name, value in EMPTY.items() if name != "connectionId"
    }


def test_what_a_way_in_brings_is_kept(show: Callable[..., Any]) -> None:
    """The caller's address has one place."""
    found = {way: show(way) for way in WAYS}
    assert found["event"] == EMPTY
    assert found["REST API"] == found["whole event"] == EMPTY | REST | {"authorizer": {}}
    assert found["WebSocket"] == EMPTY | SOCKET
    assert found["HTTP API"] == EMPTY | V2 | {"identity": {"sourceIp": "::1"}}


def test_a_tests_context_is_the_same(invoke: Invoke) -> None:
    """So that a test sees what the function will see."""
    context = invoke("sample_functions.typed:show_context", typed=True, context={"connectionId": "c"})
    assert context == EMPTY | {"channel": "test", "connectionId": "c"}


def test_an_untyped_function_keeps_the_contracts(show: Callable[..., Any]) -> None:
    """What its way in brings, unchanged, and from an event none."""
    assert show("WebSocket", "plain:echo", typed=False)["context"][1] == str(SOCKET)
    assert "context" not in show("event", "plain:echo", typed=False)
