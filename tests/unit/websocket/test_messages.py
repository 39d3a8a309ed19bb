"""A message's way to the worker, and what its sender is told when it ends on the way."""

import json
import sys
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silvaengine.aws.errors import BusyError
from silvaengine.errors import InvocationError, RequestError, UnavailableError
from silvaengine_websocket.message import Message, read_message, read_object, read_ref

from ..http.conftest import ARN
from .conftest import NOW, World, event

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
IDS = st.text(min_size=1, max_size=128)
NAMES = st.text(min_size=1, max_size=60)
CALLS = st.fixed_dictionaries(
    {"funct": NAMES}, optional={"id": IDS, "payload": st.dictionaries(st.text(), JSON)}
)


def test_a_message_becomes_an_event_of_the_worker(world: World) -> None:
    """The payload is the contract's, with who called, and where the response goes; nobody waits here."""
    payload = '{"name": "Ada"}'
    assert world.say({"id": "1", "funct": "greet", "payload": payload}) == []
    (sent,) = world.invoker.sent
    assert (sent.arn, sent.event) == (ARN, True)
    got = world.payload
    assert (got["MODULENAME"], got["CLASSNAME"], got["funct"]) == ("demo", "Demo", "greet")
    assert got["params"] == {
        "endpoint_id": "acme",
        "area": "core",
        "connection_id": "c1",
        "funct": "greet",
        "payload": payload,
    }
    assert got["body"] == payload
    assert (got["context"]["channel"], got["context"]["connectionId"]) == ("acme", "c1")
    assert got["invocation"]["deadline"] is None
    assert got["socket"] == {"connection_id": "c1", "message_id": "1", "wants_result": True}


def test_an_internal_function_is_missing_for_clients(world: World) -> None:
    """A message that names it gets what one gets that names no function."""
    world.add("greet", config={"internal": True})
    (frame,) = world.say({"id": "1", "funct": "greet", "payload": {}})
    assert (frame["error"]["status"], world.invoker.sent) == (404, [])


def test_a_function_never_sees_the_key(world: World) -> None:
    """The key that opened the connection stays in the gateway."""
    world.say({"funct": "greet", "payload": {}})
    assert "acme-key" not in json.dumps(world.payload["context"]["authorizer"])


@pytest.mark.parametrize("payload", [{"a": [1, "ü"]}, json.dumps({"a": [1, "ü"]}), None, ""])
def test_a_payload_is_text_or_object(world: World, payload: Any) -> None:
    """Both reach the function as the same members; none is no body."""
    world.say({"funct": "greet", "payload": payload})
    body = world.payload["body"]
    assert body is None if not payload else json.loads(body) == {"a": [1, "ü"]}


def test_only_the_sender_decides_whether_an_event_functions_end_is_told(world: World) -> None:
    """Without an id a function of type Event pushes for itself."""
    world.add("later", funct_type="Event")
    world.say({"funct": "later"})
    assert world.payload["socket"]["wants_result"] is False
    world.say({"id": "1", "funct": "later"})
    assert world.payload["socket"]["wants_result"] is True


def test_ping_is_answered_here(world: World) -> None:
    """No worker is asked."""
    assert world.say("ping") == ["pong"]
    assert world.invoker.sent == []


@pytest.mark.parametrize(
    ("message", "status", "named"),
    [
        ("", 400, {}),
        ("{", 400, {}),
        ("[1]", 400, {}),
        ('"ping"', 400, {}),
        ("[" * 100_000, 400, {}),
        ('{"n": ' + "1" * 5000 + "}", 400, {}),
        ("x" * 131_073, 413, {}),
        ("ü" * 66_000, 413, {}),
        ({}, 400, {}),
        ({"funct": 7}, 400, {}),
        ({"funct": "x" * 256}, 400, {}),
        ({"funct": "greet", "id": 7}, 400, {"funct": "greet"}),
        ({"funct": "greet", "id": ""}, 400, {"funct": "greet"}),
        ({"funct": "greet", "id": "x" * 129}, 400, {"funct": "greet"}),
        ({"funct": "greet", "once": True}, 400, {"funct": "greet"}),
        ({"funct": "greet", "id": "1", "once": "yes"}, 400, {"funct": "greet", "id": "1"}),
        ({"funct": "greet", "payload": 7}, 400, {"funct": "greet"}),
        ({"funct": "greet", "payload": [1]}, 400, {"funct": "greet"}),
        ({"funct": "greet", "id": "1", "payload": "{"}, 400, {"funct": "greet", "id": "1"}),
        ({"funct": "nothing", "id": "1"}, 404, {"funct": "nothing", "id": "1"}),
        ({"funct": "admins", "id": "1"}, 403, {"funct": "admins", "id": "1"}),
        ({"funct": "guarded", "id": "1"}, 403, {"funct": "guarded", "id": "1"}),
    ],
)
def test_what_is_wrong_is_told(world: World, message: Any, status: int, named: dict[str, str]) -> None:
    """The sender gets one error frame with what is known of the message, and no worker is asked."""
    world.add("admins", area="admin")
    world.add("guarded", auth_required=True)
    (frame,) = world.say(message)
    problem = frame.pop("error")
    assert (problem["status"], frame) == (status, named)
    assert len(problem["request_id"]) == 32
    assert world.invoker.sent == []
    assert world.alerts.sent == []


def test_a_binary_message_is_refused(world: World) -> None:
    """Frames are text."""
    (frame,) = world.say("aGk=", isBase64Encoded=True)
    assert frame["error"]["message"] == "A message must be a string"


@pytest.mark.parametrize(
    ("failure", "status", "words"),
    [
        (UnavailableError("The function can't be started right now; try again"), 503, "can't be started"),
        (InvocationError("The function can't be invoked", detail="arn:secret"), 502, "be invoked"),
        (KeyError("secret"), 500, "Internal server error"),
    ],
)
def test_a_fault_of_ours_is_told_and_noticed(
    world: World, failure: Exception, status: int, words: str
) -> None:
    """The client hears what it may, the operator that it happened."""
    world.invoker.result = failure
    (frame,) = world.say({"id": "1", "funct": "greet"})
    assert (frame["id"], frame["error"]["status"]) == ("1", status)
    assert words in frame["error"]["message"]
    assert "secret" not in json.dumps(frame)
    ((subject, _, facts),) = world.alerts.sent
    assert subject == "silvaengine websocket gateway"
    assert facts == {
        "service": "websocket",
        "request_id": frame["error"]["request_id"],
        "status": status,
        "endpoint_id": "acme",
        "area": "core",
        "function": "greet",
    }


def test_a_revoked_key_is_refused_at_the_next_message(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An open socket is no longer worth more than its key."""
    said = world.enter()

    def refuse(*_: object) -> None:
        raise RequestError("API key missing or not valid for endpoint 'acme'", status=403)

    monkeypatch.setattr(world.registry, "key_access", refuse)
    (frame,) = world.say({"funct": "greet"}, said=said)
    assert frame["error"]["status"] == 403


def test_a_sender_who_is_gone_is_no_failure(world: World) -> None:
    """There is nobody left to be told."""
    said = world.enter()
    world.api.gone.add("c1")
    assert world.say("ping", said=said) == []
    assert world.say({"funct": "nothing"}, said=said) == []
    assert world.alerts.sent == []


def test_a_busy_client_is_tried_again(world: World) -> None:
    """A busy client is tried again with pauses that grow, as long as there is time."""
    world.api.failures = [BusyError("slow")] * 3
    said = world.enter()
    assert world.say("ping", said=said) == ["pong"]
    assert world.now - NOW == pytest.approx(0.05 + 0.1 + 0.2)


def test_a_permission_is_asked_for_each_message(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function with `auth_required` asks the authorizer, who sees the message and says what is shown."""
    asked: list[Any] = []

    def authorizer(sent: dict[str, Any], _: object, action: str) -> Any:
        if action == "authorize":
            return {"isAuthorized": True, "context": {"user_id": "ada"}}
        asked.append(sent)
        is_bad = sent.get("headers", {}).get("x-mood") == "bad" or "no" in sent["body"]
        return {"isAuthorized": not is_bad, "context": {"roles": "reader"}}

    module = ModuleType("silvaengine_authorizer")
    module.authorizer = authorizer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    world.shipped.add(module.__name__)
    world.add("guarded", auth_required=True)
    assert world.say({"id": "1", "funct": "guarded", "payload": {}}) == []
    assert world.payload["context"]["additionalContext"] == {"roles": "reader"}
    assert world.payload["context"]["authorizer"]["user_id"] == "ada"
    (frame,) = world.say({"id": "2", "funct": "guarded", "payload": {"no": 1}})
    assert (frame["id"], frame["error"]["status"]) == ("2", 403)
    assert [sent["fnConfigurations"]["function"] for sent in asked] == ["guarded"] * 2


def test_on_message_hears_and_may_refuse(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator's hook sees each message before it is handed on."""
    heard: list[Any] = []

    def hear(sent: Any, context: object) -> None:
        heard.append((sent["body"], context))
        if "no" in sent["body"]:
            raise RequestError("Not now", status=429)

    module = ModuleType("operators")
    module.hear = hear  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "operators", module)
    world.shipped.add("operators")
    world.registry.area_settings["on_message"] = "operators:hear"
    assert world.say({"funct": "greet"}) == []
    (frame,) = world.say({"id": "no", "funct": "greet"})
    assert frame["error"]["message"] == "Not now"
    assert len(heard) == 2
    assert len(world.invoker.sent) == 1


def test_a_function_that_broadcasts_gets_its_tenants_grant(world: World) -> None:
    """A function has its tenant's grant only where the registry says so."""
    world.add("tell", config={"broadcasts": True})
    world.say({"funct": "tell"})
    world.tokens.check("acme", world.payload["invocation"]["grant"])
    world.say({"funct": "greet"})
    assert "grant" not in world.payload["invocation"]


def test_time_for_handing_on_ends_before_lambda_does(world: World, context: Any) -> None:
    """Handing on ends so early that the sender can still be told."""
    world.handler(event("$default", world.enter(), body='{"funct": "greet"}'), context)
    assert world.invoker.sent[-1].deadline == NOW + 19


@pytest.mark.parametrize("sent", [None, [], "x", {}, {"requestContext": {}}])
def test_a_foreign_event_is_no_success(world: World, sent: Any) -> None:
    """What is no event of a WebSocket API is refused or raised."""
    if isinstance(sent, dict):
        assert world.handler(sent, None)["statusCode"] == 400
    else:
        with pytest.raises(Exception, match="Not a WebSocket API event"):
            world.handler(sent, None)


def test_an_operator_broadcasts(world: World) -> None:
    """An operator broadcasts by invoking the gateway; there is nobody to tell here."""
    asked = {"operation": "ws_broadcast", "endpoint_id": "acme", "frame": "hello"}
    assert world.handler({"silvaengine": asked}, None) == {"sent": 0, "gone": 0, "failed": 0}
    with pytest.raises(RequestError):
        world.handler({"silvaengine": {"operation": "other"}}, None)


def _read(message: dict[str, Any]) -> Message:
    members = read_object(json.dumps(message))
    return read_message(members, read_ref(members))


@given(
    st.fixed_dictionaries({"funct": NAMES}, optional={"id": IDS, "payload": st.dictionaries(st.text(), JSON)})
)
def test_a_message_of_the_grammar_is_read(message: dict[str, Any]) -> None:
    """Whatever the grammar allows is read as it was meant, as text and as an object."""
    read = _read(message)
    assert (read.funct, read.id) == (message["funct"], message.get("id"))
    assert json.loads(read.body or "null") == message.get("payload")
    if "payload" in message:
        as_text = {**message, "payload": json.dumps(message["payload"])}
        assert json.loads(_read(as_text).body or "{}") == message["payload"]


@given(JSON.map(json.dumps) | st.text())
def test_any_text_is_a_message_or_a_refusal(text: str) -> None:
    """Nothing that a client sends raises anything else; what can be named of it is well-formed."""
    status = 200
    try:
        members = read_object(text)
        names = read_ref(members)
        read_message(members, names)
    except RequestError as error:
        status = error.status
    assert status == 400 or names.funct


DEEP = "[" * 65 + "]" * 65


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"funct": "greet", "funct": "other"}', "The message has an object with duplicate member names"),
        ('{"funct": "greet", "payload": {"a": 1, "a": 2}}', "duplicate member names"),
        (json.dumps({"funct": "greet", "payload": '{"a": 1, "a": 2}'}), "'payload' has an object with"),
        (f'{{"funct": "greet", "payload": {{"a": {DEEP}}}}}', "The message is nested deeper than 64 levels"),
        (json.dumps({"funct": "greet", "payload": DEEP}), "'payload' is nested deeper than 64 levels"),
        ('{"funct": "greet", "payload": {"a": "\\ud800"}}', "The message contains an unpaired surrogate"),
        (
            '{"funct": "greet", "payload": {"a": NaN}}',
            "not valid JSON: NaN at line 1 column 37",
        ),
    ],
)
def test_odd_json_is_refused_as_in_a_body(world: World, text: str, words: str) -> None:
    """What two programs could read differently, or none: the client is told, and no worker is called."""
    (frame,) = world.say(text)
    assert frame["error"]["status"] == 400
    assert words in frame["error"]["message"]
    assert not world.invoker.sent


@given(message=JSON)
def test_any_json_gets_at_most_one_frame(make_world: Any, message: Any) -> None:
    """A message is handed on, or its sender is told once."""
    world = make_world()
    frames = world.say(json.dumps(message))
    assert len(frames) + len(world.invoker.sent) == 1
    assert all(frame["error"]["status"] in range(400, 500) for frame in frames)
