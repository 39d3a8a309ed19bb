"""The whole event and Lambda's context go to areas that are promised them, and nobody else touches them."""

import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

NINE = {
    "function_name",
    "function_version",
    "invoked_function_arn",
    "memory_limit_in_mb",
    "aws_request_id",
    "log_group_name",
    "log_stream_name",
    "client_context",
    "identity",
}
READ = {
    "body",
    "cookies",
    "headers",
    "httpMethod",
    "isBase64Encoded",
    "multiValueHeaders",
    "multiValueQueryStringParameters",
    "path",
    "pathParameters",
    "queryStringParameters",
    "rawPath",
    "rawQueryString",
    "requestContext",
    "type",
    "version",
}


class _Watched(dict[str, Any]):
    """An event that remembers which members were read, and whether it was read as a whole."""

    def __init__(self, event: dict[str, Any]) -> None:
        super().__init__(event)
        self.read: set[str] = set()
        self.whole = False

    def __getitem__(self, name: str) -> Any:
        self.read.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.read.add(name)
        return super().get(name, default)

    def __iter__(self) -> Iterator[str]:
        self.whole = True
        return super().__iter__()


class _WatchedContext:
    """A Lambda context that remembers which attributes were read."""

    def __init__(self) -> None:
        self.read: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.read.add(name)
        return (lambda: 20_000) if name == "get_remaining_time_in_millis" else f"the {name}"


def _full(event_of: Callable[..., dict[str, Any]], **changes: Any) -> dict[str, Any]:
    return event_of(pathParameters={"area": "raw", "endpoint_id": "acme", "proxy": "whole/x"}, **changes)


def test_nothing_else_of_event_and_context_is_touched(
    world: Any, event_of: Callable[..., dict[str, Any]]
) -> None:
    """Where whole events aren't promised, only what makes a request is read, and the time that is left."""
    event, context = _Watched(event_of(resource="/x", stageVariables={"a": "b"})), _WatchedContext()
    assert world.call(event, context)["statusCode"] == 200
    assert event.read <= READ
    assert not event.whole
    assert context.read == {"get_remaining_time_in_millis"}
    assert "aws_event" not in world.payload
    assert "aws_context" not in world.payload


def test_a_full_event_area_gets_everything(world: Any, event_of: Callable[..., dict[str, Any]]) -> None:
    """The function sees the event as it came, its own configuration, and Lambda's context."""
    world.add("whole", area="raw")
    event, context = _Watched(_full(event_of, body="<a/>")), _WatchedContext()
    assert world.call(event, context)["statusCode"] == 200
    sent = world.payload
    assert "body" not in sent
    assert "context" not in sent
    assert sent["params"] == {
        "lang": "de",
        "tag": "y z",
        "path": "x",
        "endpoint_id": "acme",
        "area": "raw",
    }
    assert sent["aws_event"]["body"] == "<a/>"
    assert sent["aws_event"]["stageVariables"] is None
    assert sent["aws_event"]["fnConfigurations"]["function"] == "whole"
    assert sent["aws_event"]["requestContext"]["channel"] == "acme"
    assert sent["aws_context"] == {name: f"the {name}" for name in NINE}
    assert context.read == NINE | {"get_remaining_time_in_millis"}


def test_a_body_of_any_type_reaches_a_full_event_function(
    world: Any, event_of: Callable[..., dict[str, Any]]
) -> None:
    """Such a function parses the body itself: no type is refused, and no member becomes a parameter."""
    world.add("whole", area="raw")
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    for body in ("--x--", '{"endpoint_id": "globex"}'):
        assert world.call(_full(event_of, body=body, headers=headers))["statusCode"] == 200
        assert world.payload["aws_event"]["body"] == body
        assert world.payload["params"]["endpoint_id"] == "acme"


class _Identity:
    __slots__ = ["cognito_identity_id", "cognito_identity_pool_id"]

    def __init__(self) -> None:
        self.cognito_identity_id = "us-east-1:1"
        # The runtime leaves a slot empty when the caller has no such id.


def test_the_runtimes_own_classes_become_objects(world: Any, event_of: Callable[..., dict[str, Any]]) -> None:
    """What the runtime gives as objects of its own, a function reads as JSON."""
    world.add("whole", area="raw")
    client = SimpleNamespace(custom={"a": 1}, env=None, client=SimpleNamespace(app_title="x"))
    world.call(_full(event_of), SimpleNamespace(identity=_Identity(), client_context=client))
    sent = world.payload["aws_context"]
    assert sent["identity"] == {"cognito_identity_id": "us-east-1:1", "cognito_identity_pool_id": None}
    assert sent["client_context"] == {"custom": {"a": 1}, "env": None, "client": {"app_title": "x"}}
    assert sent["function_name"] is None
    json.dumps(sent)
