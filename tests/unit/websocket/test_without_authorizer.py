"""An API without an authorizer, as the predecessor's have none: who may connect, and call afterwards."""

import json
import sys
from types import ModuleType
from typing import Any

import pytest

from silvaengine.access.api_keys import key_id_of
from silvaengine.access.rate_limits import RateLimit
from silvaengine.errors import UnavailableError
from silvaengine.tables import WSS_CONNECTIONS

from .conftest import NOW, World, event, handshake

QUERY = {"endpointId": "acme", "area": "core", "x-api-key": "acme-key"}
PINNED = {"endpoint_id": "acme", "area": "core", "api_key": "acme-key", "connection_id": "c1"}


def bare(route: str, *, said: Any = None, identity: Any = None, **members: Any) -> dict[str, Any]:
    """Return an event of an API that has no authorizer, or one of its own."""
    sent = event(route, said, **members)
    sent["requestContext"] |= {"apiId": "api", "identity": identity or {"sourceIp": "192.0.2.1"}}
    if said is None:
        del sent["requestContext"]["authorizer"]
    return sent


def connect(world: World, **members: Any) -> int:
    """Connect as a client of such an API does; return the status."""
    sent = bare("$connect", **{"queryStringParameters": QUERY, **members})
    status: int = world.handler(sent, None)["statusCode"]
    return status


def say(world: World, **members: Any) -> Any:
    """Send a message; return the response."""
    return world.handler(bare("$default", body='{"id": "1", "funct": "greet"}', **members), None)


def test_a_key_connects_and_calls(world: World) -> None:
    """The row and the function's context are those of an API with the authorizer, and the end deletes it."""
    world.handler(event("$connect", world.enter()), None)
    world.say({"id": "1", "funct": "greet"})
    (row,), payload = world.rows(), world.payload
    world.handler(event("$disconnect", world.enter()), None)
    assert connect(world) == 200
    assert world.rows() == [row]
    assert say(world) == {"statusCode": 200}
    assert world.payload["params"] == payload["params"]
    assert world.payload["context"]["authorizer"] == payload["context"]["authorizer"]
    assert "acme-key" not in str(world.payload["context"])
    assert world.handler(bare("$disconnect"), None) == {"statusCode": 200}
    assert world.rows() == []


@pytest.mark.parametrize(
    "members",
    [
        {"queryStringParameters": None},
        {"queryStringParameters": {"endpointId": "acme"}},
        {"queryStringParameters": QUERY | {"endpointId": "nobody"}},
        {"queryStringParameters": QUERY | {"area": "elsewhere"}},
        {"queryStringParameters": QUERY | {"x-api-key": "wrong"}},
        {"headers": {"x-api-key": "wrong"}},
        {"identity": {"sourceIp": "192.0.2.1", "apiKey": "wrong"}},
        {"headers": {"Origin": "https://evil.example.com"}},
    ],
)
def test_t8_the_authorizers_checks_are_made(world: World, members: dict[str, Any]) -> None:
    """Whatever the authorizer would deny is refused, and leaves no row."""
    world.registry.area_settings = {"cors": {"origins": ["https://app.example.com"]}}
    assert connect(world, **members) >= 400
    assert world.rows() == []
    assert say(world) == {"statusCode": 403}
    assert world.invoker.sent == []


@pytest.mark.parametrize(
    ("changes", "first", "second"),
    [
        ({"key_hashes": (), "scopes": frozenset({"jobs"})}, 403, 403),
        ({"allowlist": ("198.51.100.7",)}, 403, 403),
        ({"limits": (RateLimit("endpoint", "acme", per_second=1.0, burst=1),)}, 200, 429),
    ],
)
def test_t8_scopes_addresses_and_limits_hold(
    world: World, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], first: int, second: int
) -> None:
    """A key opens what it may open, from where and as often as it may."""
    usual = world.registry.key_access
    monkeypatch.setattr(world.registry, "key_access", lambda *asked: usual(*asked)._replace(**changes))
    assert connect(world) == first
    assert connect(world, connection_id="c2") == second
    assert len(world.rows()) == (first == 200)


def operators_authorizer(world: World, monkeypatch: pytest.MonkeyPatch, response: Any) -> list[Any]:
    """Ship an authorizer of the operator's; return the events that it is asked about."""
    asked: list[Any] = []

    def authorizer(sent: dict[str, Any], _: object, action: str) -> Any:
        asked.append(sent)
        return response

    module = ModuleType("silvaengine_authorizer")
    module.authorizer = authorizer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    world.shipped.add(module.__name__)
    return asked


def test_t8_the_tenants_authorizer_is_asked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It sees an authorizer call of the handshake's route; its claims, as text, come with every message."""
    claims = {"user_id": "ada", "roles": ["reader"], "age": 36, "endpoint_id": "globex"}
    asked = operators_authorizer(world, monkeypatch, {"isAuthorized": True, "context": claims})
    assert connect(world) == 200
    assert (asked[0]["type"], asked[0]["methodArn"].endswith("api/beta/$connect")) == ("REQUEST", True)
    say(world)
    shown = world.payload["context"]["authorizer"]
    assert {name: shown[name] for name in claims} == {
        "user_id": "ada",
        "roles": '["reader"]',
        "age": "36",
        "endpoint_id": "acme",
    }


@pytest.mark.parametrize("response", [False, None, {"isAuthorized": False}])
def test_t8_a_tenants_authorizer_refuses(
    world: World, monkeypatch: pytest.MonkeyPatch, response: Any
) -> None:
    """A no, or no clear yes, opens nothing."""
    operators_authorizer(world, monkeypatch, response)
    assert connect(world) == 403
    assert world.rows() == []


@pytest.mark.parametrize(
    "said",
    [
        {"endpoint_id": "acme"},
        {"connection_id": "c1"},
        PINNED | {"connection_id": "c2"},
        PINNED | {"area": ""},
        PINNED | {"api_key": None},
    ],
)
@pytest.mark.parametrize("route", ["$connect", "$default", "$disconnect"])
def test_t8_an_odd_word_of_the_authorizer_is_no_missing_one(
    world: World, said: dict[str, Any], route: str
) -> None:
    """Where the authorizer spoke, nothing else counts: no key of the handshake, no row."""
    connect(world)
    rows = world.rows()
    sent = bare(route, said=said, queryStringParameters=QUERY, body='{"id": "1", "funct": "greet"}')
    assert world.handler(sent, None) == {"statusCode": 403}
    assert (world.rows(), world.invoker.sent) == (rows, [])


def test_an_authorizer_of_the_apis_own_may_say_more(world: World) -> None:
    """One that isn't ours admits nobody by itself; what it says is a claim."""
    said = {"principalId": "them", "user_id": "ada"}
    assert connect(world, said=said, queryStringParameters=QUERY | {"x-api-key": "wrong"}) >= 400
    assert connect(world, said=said) == 200
    (row,) = world.rows()
    assert row["data"] == {
        "principalId": key_id_of("acme-key"), "key_id": key_id_of("acme-key"), "user_id": "ada"
    }  # fmt: skip


def test_t8_a_row_is_believed_while_it_can_be_open(world: World) -> None:
    """Neither another connection's, nor an ended one's, nor the predecessor's, nor one over two hours old."""
    connect(world)
    assert say(world, connection_id="c2") == {"statusCode": 403}
    (row,) = world.rows()
    for changes in ({"status": "inactive"}, {"expires_at": None}, {"expires_at": int(NOW) + 79_000}):
        world.dynamodb.put(WSS_CONNECTIONS, **{**row, **changes})
        assert say(world) == {"statusCode": 403}
    assert world.invoker.sent == []


@pytest.mark.parametrize("changes", [{"expires_at": int(NOW) + 79_000}, {"expires_at": None}])
def test_an_end_deletes_whatever_row_there_is(world: World, changes: dict[str, Any]) -> None:
    """API Gateway ends a connection after two hours; a predecessor's may end when nothing reads its row."""
    connect(world)
    (row,) = world.rows()
    world.dynamodb.put(WSS_CONNECTIONS, **{**row, **changes})
    assert world.handler(bare("$disconnect"), None) == {"statusCode": 200}
    assert world.rows() == []


@pytest.mark.parametrize("name", ["area", "api_key"])
def test_t8_a_row_that_lacks_a_part_is_not_believed(world: World, name: str) -> None:
    """Whoever wrote it, it is a refusal and no failure."""
    connect(world)
    (row,) = world.rows()
    del row[name]
    world.dynamodb.put(WSS_CONNECTIONS, **row)
    assert say(world) == {"statusCode": 403}
    assert world.alerts.sent == []


def test_a_message_that_is_refused_is_answered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sender is told so, as it is of every other refusal; an end of a connection has nobody to tell."""
    say(world)

    def fail(**_: object) -> None:
        raise UnavailableError("Busy")

    monkeypatch.setattr(world.dynamodb, "query", fail)
    assert say(world) == {"statusCode": 503}
    world.handler(bare("$disconnect"), None)
    frames = [(connection_id, json.loads(frame)) for connection_id, frame in world.api.posts]
    assert [(to, frame["id"], frame["error"]["status"]) for to, frame in frames] == [
        ("c1", "1", 403), ("c1", "1", 503)
    ]  # fmt: skip


@pytest.mark.parametrize("body", [None, "ping", "{", '{"id": 1}'])
def test_a_message_that_is_refused_unread_is_answered_too(world: World, body: Any) -> None:
    """What has no id, or none that can be read, gets an error frame without one."""
    assert world.handler(bare("$default", body=body), None) == {"statusCode": 403}
    ((_, frame),) = world.api.posts
    assert ("id" in json.loads(frame), json.loads(frame)["error"]["status"]) == (False, 403)


def test_a_message_waits_for_the_index(world: World) -> None:
    """The row is found by an index, which may lag behind: the first message is not refused for that."""
    world.dynamodb._lag = lambda: 0.1
    assert connect(world) == 200
    assert say(world) == {"statusCode": 200}
    assert len(world.invoker.sent) == 1


def test_a_handshake_event_is_no_authorizer_call_here_either(world: World) -> None:
    """What has no ARN to decide about is served as the event that it is."""
    assert world.handler(handshake() | {"methodArn": None}, None) == {"statusCode": 403}
