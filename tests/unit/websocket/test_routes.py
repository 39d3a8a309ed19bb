"""A message stays a message, whatever route its client names: only the event's type says what an event is."""

import sys
from types import ModuleType
from typing import Any

import pytest

from .conftest import World, event


def message(route: str, said: dict[str, Any], **members: Any) -> dict[str, Any]:
    """Return a message whose `action` is the name of a route."""
    sent = event(route, said, **members)
    sent["requestContext"]["eventType"] = "MESSAGE"
    return sent


@pytest.mark.parametrize("route", ["$connect", "$disconnect"])
def test_a_message_does_not_end_or_begin_its_connection(world: World, route: str) -> None:
    """The call is made, and the connection's row stays as it is."""
    said = world.enter()
    world.handler(event("$connect", said), None)
    rows = world.rows()
    world.now += 1
    call = message(route, said, body=f'{{"action": "{route}", "id": "1", "funct": "greet"}}')
    assert world.handler(call, None) == {"statusCode": 200}
    assert len(world.invoker.sent) == 1
    assert world.rows() == rows
    assert world.payload["context"]["routeKey"] == "$default"


@pytest.mark.parametrize("route", ["$connect", "$disconnect"])
def test_a_permission_is_not_asked_for_a_route_that_a_client_made_up(
    world: World, route: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An authorizer that allows the handshake's route alone allows no message that names it."""

    def authorizer(sent: dict[str, Any], _: object, action: str) -> Any:
        if action == "authorize":
            return True
        resource = f"*/{route}*"
        statement = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": resource}
        assert sent["requestContext"]["routeKey"] == "$default"
        return {"principalId": "ada", "policyDocument": {"Statement": [statement]}}

    module = ModuleType("silvaengine_authorizer")
    module.authorizer = authorizer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    world.shipped.add(module.__name__)
    world.add("guarded", auth_required=True)
    world.handler(message(route, world.enter(), body='{"id": "1", "funct": "guarded"}'), None)
    assert world.invoker.sent == []
    assert '"status":403' in world.api.posts[-1][1]


def test_a_connections_events_are_told_by_their_type_alone(world: World) -> None:
    """A route of any name is served as what the event is."""
    said = world.enter()
    for kind, rows in (("CONNECT", 1), ("DISCONNECT", 0)):
        sent = event("stream", said)
        sent["requestContext"]["eventType"] = kind
        assert world.handler(sent, None) == {"statusCode": 200}
        assert len(world.rows()) == rows
