"""Who may connect, and the row that tells of it."""

import sys
from types import ModuleType
from typing import Any

import pytest

from silvaengine.access.api_keys import key_id_of
from silvaengine.access.rate_limits import RateLimit
from silvaengine.errors import RequestError, UnavailableError

from .conftest import NOW, World, event, handshake

ORIGIN = "https://app.example.com"


def effect(policy: dict[str, Any]) -> str:
    """Return what a policy says."""
    return str(policy["policyDocument"]["Statement"][0]["Effect"])


def test_a_key_opens_a_socket_of_its_endpoint(world: World) -> None:
    """The policy names whose connection it is, and fixes endpoint, area and key for all that follows."""
    policy = world.admit()
    assert effect(policy) == "Allow"
    assert policy["principalId"] == key_id_of("acme-key")
    assert policy["context"] == {
        "endpoint_id": "acme",
        "area": "core",
        "api_key": "acme-key",
        "connection_id": "c1",
        "key_id": key_id_of("acme-key"),
    }


@pytest.mark.parametrize(
    ("query", "headers", "identity"),
    [
        ({"x-api-key": "acme-key"}, {}, {}),
        ({}, {"X-Api-Key": "acme-key"}, {}),
        ({"x-api-key": "wrong"}, {"x-api-key": "acme-key"}, {}),
        ({}, {"x-api-key": "wrong"}, {"apiKey": "acme-key"}),
        ({}, {"x-api-key": "acme-key"}, {"apiKey": None}),
    ],
)
def test_a_key_is_found_where_http_has_it(
    world: World, query: dict[str, str], headers: dict[str, str], identity: dict[str, Any]
) -> None:
    """API Gateway's own key, then the header in any case, then the query."""
    asked = handshake(query={"endpointId": "acme", "area": "core", **query}, headers=headers)
    asked["requestContext"]["identity"] = identity
    assert world.admit(asked)["context"]["api_key"] == "acme-key"


@pytest.mark.parametrize(
    ("policy", "origin", "expected"),
    [
        ({"origins": [ORIGIN]}, ORIGIN, "Allow"),
        ({"origins": [ORIGIN]}, None, "Allow"),
        (None, "https://evil.example.com", "Allow"),
        ({"origins": [ORIGIN]}, "https://evil.example.com", "Deny"),
        ({"origins": [ORIGIN]}, f"{ORIGIN}.evil.example.com", "Deny"),
        ({"origins": [ORIGIN, "null"]}, "null", "Deny"),
        ("*", ORIGIN, "Deny"),
    ],
)
def test_a_page_connects_if_it_may_read(world: World, policy: Any, origin: str | None, expected: str) -> None:
    """The endpoint's setting `cors` holds for sockets, too; a client that is no browser has no origin."""
    world.registry.area_settings = {} if policy is None else {"cors": policy}
    headers = {} if origin is None else {"Origin": origin}
    assert effect(world.admit(handshake(headers=headers))) == expected


def test_each_line_of_a_handshakes_header_counts(world: World) -> None:
    """The event's `headers` have only the last line: a second origin, or key, doesn't hide behind it."""
    world.registry.area_settings = {"cors": {"origins": [ORIGIN]}}
    asked = handshake(headers={"Origin": ORIGIN})
    assert effect(world.admit(asked | {"multiValueHeaders": {"Origin": [ORIGIN]}})) == "Allow"
    assert effect(world.admit(asked | {"multiValueHeaders": {"Origin": ["null", ORIGIN]}})) == "Deny"


def test_without_a_key_the_open_connection_counts(world: World) -> None:
    """Where the endpoint has an open connection, a handshake needs no key."""
    policy = world.admit(handshake(query={"endpointId": "acme", "area": "core"}))
    assert (effect(policy), policy["principalId"]) == ("Allow", "public")


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"endpointId": "acme"},
        {"area": "core"},
        {"endpointId": "", "area": "core"},
        {"endpointId": "nobody", "area": "core"},
        {"endpointId": "acme", "area": "elsewhere"},
        {"endpointId": "acme", "area": "core", "x-api-key": "wrong"},
        {"endpointId": "acme", "area": "core", "x-api-key": "x" * 1025},
        {"endpointId": "x" * 256, "area": "core"},
        {"endpointId": "ac\x00me", "area": "core"},
        {"endpointId": ["acme"], "area": "core"},
    ],
)
def test_a_doubt_denies_the_handshake(world: World, query: dict[str, Any]) -> None:
    """What is missing, unknown or odd lets nobody in, and says why in the policy's context."""
    policy = world.admit(handshake(query=query))
    assert effect(policy) == "Deny"
    assert policy["context"]["error_message"]


def opened(world: World, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """Let the key's row say something else."""
    usual = world.registry.key_access
    monkeypatch.setattr(world.registry, "key_access", lambda *asked: usual(*asked)._replace(**changes))


def test_a_keys_secret_is_not_carried_along(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Later events name the key by what its row is named by."""
    opened(world, monkeypatch, api_key="sek_1", key_id="sek_1")
    context = world.admit()["context"]
    assert (context["api_key"], context["key_id"]) == ("sek_1", "sek_1")
    assert "acme-key" not in str(context)


def test_a_key_that_may_not_call_opens_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key with a secret may do what it was granted."""
    opened(world, monkeypatch, key_hashes=(), scopes=frozenset({"jobs"}))
    assert effect(world.admit()) == "Deny"
    opened(world, monkeypatch, key_hashes=(), scopes=frozenset({"invoke"}))
    assert effect(world.admit()) == "Allow"


@pytest.mark.parametrize(("network", "says"), [("192.0.2.0/24", "Allow"), ("198.51.100.7", "Deny")])
def test_a_key_opens_from_its_addresses(
    world: World, monkeypatch: pytest.MonkeyPatch, network: str, says: str
) -> None:
    """Where a key's row lists addresses, it opens from these alone."""
    opened(world, monkeypatch, allowlist=(network,))
    assert effect(world.admit()) == says


def test_a_limit_refuses_handshakes_and_messages(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is beyond a tenant's rate gets no socket; on an open one it gets an error."""
    said = world.enter()
    limit = RateLimit("endpoint", "acme", per_second=1.0, burst=2)
    opened(world, monkeypatch, limits=(limit,))
    assert world.say({"funct": "greet"}, said=said) == []
    assert effect(world.admit()) == "Allow"
    assert effect(world.admit()) == "Deny"
    (frame,) = world.say({"id": "1", "funct": "greet"}, said=said)
    assert (frame["id"], frame["error"]["status"]) == ("1", 429)


@pytest.mark.parametrize(
    "changes", [{"key_hashes": (), "scopes": frozenset({"jobs"})}, {"allowlist": ("198.51.100.7",)}]
)
def test_what_a_key_may_no_more_ends_its_sockets_calls(
    world: World, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    """A grant or an address that is taken away counts for messages of a socket that is open."""
    said = world.enter()
    opened(world, monkeypatch, **changes)
    (frame,) = world.say({"id": "1", "funct": "greet"}, said=said)
    assert frame["error"]["status"] == 403
    assert world.invoker.sent == []


@pytest.mark.parametrize("failure", [UnavailableError("busy"), KeyError("x"), ZeroDivisionError()])
def test_a_fault_denies_the_handshake(
    world: World, failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever breaks while it is decided, nobody comes in, and the operator hears of it."""

    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(world.registry, "areas", fail)
    policy = world.admit()
    assert effect(policy) == "Deny"
    assert "x" not in policy["context"]["error_message"].split()
    assert len(world.alerts.sent) == 1


def test_an_event_without_a_methods_arn_is_no_authorizer_call(world: World) -> None:
    """It is a route's event, without what an authorizer said, and is refused."""
    assert world.handler(handshake() | {"methodArn": None}, None) == {"statusCode": 403}


@pytest.mark.parametrize("missing", ["requestContext", "queryStringParameters", "headers"])
def test_an_odd_authorizer_call_denies_or_stands(world: World, missing: str) -> None:
    """API Gateway sends null for what isn't there."""
    policy = world.admit(handshake() | {missing: None})
    assert effect(policy) == ("Allow" if missing == "headers" else "Deny")


def custom_authorizer(world: World, monkeypatch: pytest.MonkeyPatch, authorize: Any) -> None:
    """Ship an authorizer of the operator's that every endpoint uses."""
    module = ModuleType("silvaengine_authorizer")
    module.authorizer = lambda event, context, action: authorize(event)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    world.shipped.add(module.__name__)


def test_an_authorizer_names_the_caller(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it says comes with every event, but it can't change whose connection it is."""
    said = {"user_id": "ada", "endpoint_id": "globex", "connection_id": "c9", "api_key": "globex-key"}
    custom_authorizer(world, monkeypatch, lambda event: {"isAuthorized": True, "context": said})
    context = world.admit()["context"]
    assert (context["user_id"], context["endpoint_id"]) == ("ada", "acme")
    assert (context["connection_id"], context["api_key"]) == ("c1", "acme-key")


@pytest.mark.parametrize(
    "response", [False, None, {"isAuthorized": False}, ValueError("secret"), SystemExit()]
)
def test_an_authorizer_that_doesnt_say_yes_denies(
    world: World, monkeypatch: pytest.MonkeyPatch, response: Any
) -> None:
    """A no, an unclear word and a crash are all one."""

    def authorize(_: Any) -> Any:
        if isinstance(response, BaseException):
            raise response
        return response

    custom_authorizer(world, monkeypatch, authorize)
    policy = world.admit()
    assert effect(policy) == "Deny"
    assert "secret" not in str(policy["context"])


def test_a_connection_is_a_row_of_the_contract(world: World) -> None:
    """It expires after 24 hours, and has what the authorizer said but no key in its claims."""
    said = world.enter() | {"integrationLatency": 12}
    assert world.handler(event("$connect", said), None) == {"statusCode": 200}
    assert world.rows() == [
        {
            "endpoint_id": "acme",
            "connection_id": "c1",
            "api_key": "acme-key",
            "area": "core",
            "data": {"principalId": key_id_of("acme-key"), "key_id": key_id_of("acme-key")},
            "status": "active",
            "created_at": "2025-11-24T16:00:00.250000+0000",
            "updated_at": "2025-11-24T16:00:00.250000+0000",
            "expires_at": int(NOW) + 86_400,
        }
    ]


def test_the_end_deletes_its_own_row(world: World) -> None:
    """Nobody else's rows are touched."""
    for connection_id in ("c1", "c2"):
        said = world.enter(connection_id=connection_id)
        world.handler(event("$connect", said, connection_id=connection_id), None)
    assert world.handler(event("$disconnect", world.enter()), None) == {"statusCode": 200}
    assert [row["connection_id"] for row in world.rows()] == ["c2"]


def test_an_end_before_the_row_keeps_it_from_being_written(world: World) -> None:
    """`$disconnect` may come first: then the connection is over, however late its `$connect` is."""
    said = world.enter()
    world.handler(event("$disconnect", said), None)
    world.handler(event("$disconnect", said), None)
    assert world.handler(event("$connect", said), None)["statusCode"] == 409
    assert [row["status"] for row in world.rows()] == ["inactive"]


@pytest.mark.parametrize(
    "said",
    [
        {"endpoint_id": "acme", "area": "core", "api_key": "acme-key"},
        {"endpoint_id": "acme", "area": "core", "api_key": "acme-key", "connection_id": "c2"},
        {"endpoint_id": "acme", "area": "", "api_key": "acme-key", "connection_id": "c1"},
        {"endpoint_id": 7, "area": "core", "api_key": "acme-key", "connection_id": "c1"},
    ],
)
@pytest.mark.parametrize("route", ["$connect", "$disconnect", "$default", "stream", ""])
def test_nothing_happens_without_a_whole_word_of_the_authorizer(
    world: World, said: dict[str, Any], route: str
) -> None:
    """An event of which the authorizer said only some, or that of another connection, is refused."""
    assert world.handler(event(route, said, body='{"funct": "greet"}'), None) == {"statusCode": 403}
    assert (world.rows(), world.invoker.sent, world.api.posts) == ([], [], [])


@pytest.mark.parametrize(("failure", "status"), [(UnavailableError("busy"), 503), (KeyError("x"), 500)])
def test_a_row_that_cant_be_written_refuses(
    world: World, monkeypatch: pytest.MonkeyPatch, failure: Exception, status: int
) -> None:
    """A handshake whose row is in doubt is no 2xx."""

    def fail(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(world.dynamodb, "put_item", fail)
    assert world.handler(event("$connect", world.enter()), None) == {"statusCode": status}


def hook(world: World, monkeypatch: pytest.MonkeyPatch, name: str, function: Any) -> None:
    """Let the endpoint's settings name a hook of the operator's."""
    module = ModuleType("operators")
    module.hear = function  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "operators", module)
    world.shipped.add("operators")
    world.registry.area_settings[name] = "operators:hear"


def test_on_connect_hears_of_a_connection(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets API Gateway's event and Lambda's context, as the specification shows."""
    heard = []
    hook(world, monkeypatch, "on_connect", lambda *given: heard.append(given))
    opened = event("$connect", world.enter())
    world.handler(opened, "lambda")
    assert heard == [(opened, "lambda")]


@pytest.mark.parametrize(
    ("raised", "status"),
    [(RequestError("no", status=429), 429), (ValueError("secret"), 403), (SystemExit(), 403)],
)
def test_a_raise_in_on_connect_refuses(
    world: World, monkeypatch: pytest.MonkeyPatch, raised: BaseException, status: int
) -> None:
    """A hook that raises refuses the handshake, and no row is written."""

    def refuse(*_: object) -> None:
        raise raised

    hook(world, monkeypatch, "on_connect", refuse)
    assert world.handler(event("$connect", world.enter()), None) == {"statusCode": status}
    assert world.rows() == []


@pytest.mark.parametrize("named", ["os:getcwd", "operators:nothing", "operators", "operators:__name__", 7])
def test_a_hook_is_one_of_the_operators(world: World, monkeypatch: pytest.MonkeyPatch, named: object) -> None:
    """What a setting names that isn't a function of authorizers/ refuses, and nothing else is imported."""
    hook(world, monkeypatch, "on_connect", lambda *_: None)
    world.registry.area_settings["on_connect"] = named
    assert world.handler(event("$connect", world.enter()), None) == {"statusCode": 500}
    assert world.rows() == []
