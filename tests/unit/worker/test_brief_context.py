"""A request's context goes to the functions that take it; of others the worker says that they don't."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from silvaengine.observability.handler import Handler

from .conftest import LambdaContext, Payload

WHOLE = {"channel": "demo", "area": "core", "headers": {"X-Source": "web"}, "query": {"tag": ["a", "b"]}}
BRIEF = {"query": {"tag": ["a", "b"]}}


@pytest.fixture
def send(handler: Handler, payload: Payload) -> Callable[..., Any]:
    """Send a request with this context, return the worker's response."""

    def request(function: str, context: dict[str, Any], **members: Any) -> Any:
        return handler(payload(function, context=json.dumps(context), **members), LambdaContext())

    return request


@pytest.mark.parametrize(
    ("function", "members"),
    [
        ("plain:framed", {"params": {"endpoint_id": "demo", "area": "core"}}),
        ("plain:echo", {"params": {"endpoint_id": "demo", "area": "core"}}),
        ("typed:source", {"typed": True}),
    ],
    ids=["by its name", "by **", "a header of it"],
)
def test_a_function_that_takes_a_context_asks_for_a_missing_one(
    send: Callable[..., Any], function: str, members: dict[str, Any]
) -> None:
    """Nothing ran, so that the gateway may send the call again; a whole one is said nothing about."""
    refused = send(function, BRIEF, brief=True, **members)
    assert (refused["kind"], refused["status"], refused["error_type"]) == ("error", 409, "ContextNeededError")
    served = send(function, WHOLE, **members)
    assert served["kind"] == "json"
    assert "takes_context" not in served


@pytest.mark.parametrize(
    ("function", "members", "value"),
    [
        ("plain:strict", {"params": {"a": "1"}}, "1b"),
        ("typed:find", {"typed": True, "params": {"tag": "b"}}, "['a', 'b']"),
    ],
)
def test_a_function_that_does_not_take_it_says_so(
    send: Callable[..., Any], function: str, members: dict[str, Any], value: str
) -> None:
    """It gets the same arguments by a brief context, with every value of a name in the query."""
    served = send(function, WHOLE, **members)
    assert served.pop("takes_context") is False
    assert send(function, BRIEF, brief=True, **members) == served
    assert value in str(served["value"])


def test_a_routes_arguments_win_without_the_context_being_taken(send: Callable[..., Any]) -> None:
    """Whoever was admitted by a path isn't admitted to a body's members."""
    brief = {"query": {}, "path_parameters": {"a": "path"}}
    served = send("plain:strict", brief, brief=True, params={"a": "path"}, body='{"a": "body"}')
    assert served["value"] == "pathb"
