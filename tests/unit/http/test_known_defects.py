"""Defects of the predecessor's HTTP gateway, each reproduced there, each impossible here."""

import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest

type EventOf = Callable[..., dict[str, Any]]


def test_a_handler_keeps_nothing_of_its_first_request(world: Any, event_of: EventOf) -> None:
    """One warm handler serves each request with the settings that the registry gives for it."""
    world.add("other", setting='{"greeting": "ahoy"}')
    world.registry.settings = {"api_unified_call_index": "x-function"}
    world.call(event_of(headers={"x-function": "other"}))
    assert world.payload["setting"] == '{"greeting": "ahoy"}'
    world.registry.settings = {}
    world.call(event_of(headers={"x-function": "other"}))
    assert world.payload["funct"] == "greet"
    assert world.payload["setting"] == '{"greeting": "hello"}'


@pytest.mark.parametrize("body", [None, '{"query": "{ a }"}'])
def test_authorization_does_not_depend_on_a_body(body: str | None, world: Any, event_of: EventOf) -> None:
    """A query by GET is under the same authorization as one by POST."""
    world.add("greet", auth_required=True, graphql=True)
    event = event_of(httpMethod="GET", body=body, multiValueQueryStringParameters={"query": ["{ a }"]})
    assert world.call(event)["statusCode"] == 403
    assert not world.invoker.sent


def test_a_query_cannot_replace_the_tenant(world: Any, event_of: EventOf) -> None:
    """endpoint_id, area and context of a query never reach the function; the worker sees to a body's."""
    names = ("endpoint_id", "area", "context", "aws_event", "aws_context", "connection_id")
    world.call(event_of(multiValueQueryStringParameters={name: ["globex"] for name in names}))
    assert world.payload["params"]["endpoint_id"] == "acme"
    assert world.payload["params"]["area"] == "core"
    assert not world.payload["params"].keys() & {"context", "aws_event", "aws_context", "connection_id"}


def test_cache_management_is_not_open_to_anyone(
    world: Any, rest_path: Callable[[str], dict[str, Any]]
) -> None:
    """It takes a grant, and a query parameter on another path doesn't reach it."""
    assert world.call(rest_path("/core/acme/cache_clear"))["statusCode"] == 403
    event = rest_path("/core/acme/greet") | {
        "multiValueQueryStringParameters": {"_cache_operation": ["cache_clear"]}
    }
    assert world.call(event)["statusCode"] == 200
    assert world.payload["params"]["_cache_operation"] == "cache_clear"


def test_a_cache_name_makes_no_folder(world: Any, rest_path: Callable[[str], dict[str, Any]]) -> None:
    """cache_name=../../x is refused before anything is made of it."""
    world.registry.scopes = frozenset({"cache:admin"})
    event = rest_path("/core/acme/cache_clear") | {
        "body": None,
        "multiValueQueryStringParameters": {"cache_name": ["../../x"]},
    }
    assert world.call(event)["statusCode"] == 400


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "DELETE"])
def test_cors_headers_hold_what_their_names_say(method: str, world: Any, event_of: EventOf) -> None:
    """The allowed headers are headers, not the name of the CORS header itself; errors have them too."""
    headers = world.call(event_of(httpMethod=method))["headers"]
    assert "Access-Control-Allow-Origin" not in headers["Access-Control-Allow-Headers"]
    assert headers["Access-Control-Allow-Origin"] == "*"


def test_options_is_no_500(world: Any, event_of: EventOf) -> None:
    """A browser's preflight succeeds."""
    assert world.call(event_of(httpMethod="OPTIONS"))["statusCode"] == 204


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"headers": None, "multiValueHeaders": None}, 200),
        ({"pathParameters": None}, 200),
        ({"pathParameters": None, "path": "/"}, 404),
        ({"queryStringParameters": None, "multiValueQueryStringParameters": None}, 200),
        ({"body": b64encode(b'{"a": 1}').decode(), "isBase64Encoded": True}, 200),
        ({"body": "[1, 2]"}, 200),
    ],
)
def test_nulls_base64_and_lists_are_no_500s(
    changes: dict[str, Any], status: int, world: Any, event_of: EventOf
) -> None:
    """Events as API Gateway really sends them are served or refused for what they ask."""
    assert world.call(event_of(**changes))["statusCode"] == status


def test_a_functions_stack_stays_here(world: Any, event_of: EventOf) -> None:
    """An unexpected failure tells the client nothing of what failed."""
    world.invoker.result = RuntimeError("postgres://user:hunter2@db")
    answer = world.call(event_of())
    assert json.loads(answer["body"])["error"] == "Internal server error"
    assert "hunter2" not in json.dumps(answer)


def test_payloads_and_settings_are_not_printed(
    world: Any, event_of: EventOf, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing that a client sent or a setting holds is written anywhere."""
    world.add("greet", setting='{"password": "hunter2"}')
    world.call(event_of(body='{"card": "4111"}'))
    written = "".join(capsys.readouterr())
    assert "hunter2" not in written
    assert "4111" not in written


def test_a_missing_endpoint_is_404(world: Any, rest_path: Callable[[str], dict[str, Any]]) -> None:
    """It was a 500, and is never the common connection."""
    assert world.call(rest_path("/core/invented/greet"))["statusCode"] == 404
