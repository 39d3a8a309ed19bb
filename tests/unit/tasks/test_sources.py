"""Topics, rules, schedules and user pools: which function they reach, and what a failure becomes."""

import json
from typing import Any

import pytest
from tests.fakes.lambdas import as_result

from silvaengine.errors import InvocationError, SilvaEngineError
from silvaengine.observability.logging import InvocationLog
from silvaengine.protocol.messages import RESERVED_PARAMETERS, WorkerResponse
from silvaengine_tasks.sources.cognito import CognitoSource
from silvaengine_tasks.sources.eventbridge import EventBridgeSource

from .world import NOW, World, message

TOPIC = "arn:aws:sns:us-east-1:123456789012:news"
RULE = "arn:aws:events:us-east-1:123456789012:rule/nightly"
SCHEDULE = "arn:aws:scheduler:us-east-1:123456789012:schedule/default/hourly"


@pytest.fixture
def world() -> World:
    """Return a new world."""
    return World()


def published(number: int, message: str = "", **attributes: str) -> dict[str, Any]:
    """Return a record in the form of SNS."""
    named = {name: {"Type": "String", "Value": value} for name, value in attributes.items()}
    return {
        "EventSource": "aws:sns",
        "Sns": {
            "TopicArn": TOPIC, "MessageId": f"m{number}", "Subject": None,
            "Message": message or json.dumps({"params": {"n": number}}), "MessageAttributes": named,
        },
    }  # fmt: skip


def emitted(number: int, **members: Any) -> dict[str, Any]:
    """Return an event in the form of EventBridge."""
    return {
        "version": "0", "id": f"e{number}", "detail-type": "Order", "source": "shop", "account": "1234",
        "time": "2026-11-24T00:00:00Z", "region": "us-east-1", "resources": [], "detail": {}, **members,
    }  # fmt: skip


def test_a_message_names_its_function_as_one_of_a_queue_does(world: World) -> None:
    """Attributes name endpoint and function, the body has params; a redelivery does nothing."""
    record = published(1, endpoint_id="acme", funct="f")
    world.sns(record)
    world.sns(record)
    assert world.ran == [{"n": 1}]


def test_a_topic_brings_a_foreign_message_to_all_its_functions(world: World) -> None:
    """A bound function gets the record where the text isn't a call; each gets it once."""
    world.bind("topic:news", "f", "g")
    record = published(1, "plain text")
    world.sns(record)
    world.sns(record)
    assert world.called == ["f", "g"]
    assert world.ran == [{"record": record}] * 2


def test_of_two_functions_the_one_that_failed_is_called_again(world: World) -> None:
    """One function's failure fails the record, but the other function runs, and only once."""
    world.bind("topic:news", "f", "g", "h")
    world.broken = {"f"}
    for _ in range(2):
        with pytest.raises(InvocationError, match="1 of 1"):
            world.sns(published(1))
    world.broken = set()
    world.sns(published(1))
    assert world.called == ["f", "g", "h", "f", "f"]


def test_an_event_says_in_its_detail_what_it_is_for(world: World) -> None:
    """An event of a rule without a binding carries endpoint, function and params."""
    world.rule(emitted(1, detail={"endpoint_id": "acme", "funct": "f", "params": {"n": 1}}))
    assert world.ran == [{"n": 1}]


@pytest.mark.parametrize("source", ["sqs", "sns", "rule", "s3"])
@pytest.mark.parametrize("is_bound", [False, True])
def test_no_event_sets_what_functions_may_trust(world: World, source: str, is_bound: bool) -> None:
    """Whoever sends a message chooses its params: the tenant becomes the call's, the rest goes."""
    claimed: dict[str, Any] = dict.fromkeys(RESERVED_PARAMETERS, "globex")
    named, sent = {"endpoint_id": "acme", "funct": "f"}, {"n": 1, **claimed}
    if is_bound:
        for variable in ("queue:work", "topic:news", "bucket:b"):
            world.bind(variable, "f")
    match source:
        case "sqs":
            world.sqs(message(1, **claimed))
        case "sns":
            world.sns(published(1, json.dumps({"params": sent}), **named))
        case "rule":
            world.rule(emitted(1, detail={**named, "params": sent}))
        case _:
            world.s3(f"acme/f/n:1/{'/'.join(f'{name}:globex' for name in claimed)}/x.csv")
    (params,) = world.ran
    assert str(params["n"]) == "1"
    assert {name: value for name, value in params.items() if name in claimed} == {"endpoint_id": "acme"}


@pytest.mark.parametrize(
    ("variable", "event"),
    [
        ("rule:orders", {"rule": "orders", "event": emitted(1)}),
        ("schedule:nightly", emitted(1, **{"detail-type": "Scheduled Event", "resources": [RULE]})),
        ("schedule:hourly", {"schedule": SCHEDULE, "time": "2026-11-24T00:00:00Z"}),
    ],
)
def test_rules_and_schedules_reach_what_they_are_bound_to(world: World, variable: str, event: Any) -> None:
    """The function gets the event; a second delivery of the same one does nothing."""
    world.bind(variable, "f")
    world.rule(event)
    world.rule(event)
    assert world.ran == [{"event": event.get("event", event)}]


@pytest.mark.parametrize(
    "event",
    [
        emitted(1),
        emitted(1, detail={"endpoint_id": "acme", "params": {}}),
        emitted(1, **{"detail-type": "Scheduled Event", "resources": [RULE]}),
        {"rule": "unbound", "event": emitted(1)},
        {"rule": "unbound", "event": {}},
        {"schedule": SCHEDULE, "time": ""},
    ],
)
def test_an_event_that_leads_to_no_function_fails(world: World, event: Any) -> None:
    """It doesn't count as a success: Lambda retries it and then keeps it."""
    with pytest.raises(InvocationError, match="1 of 1"):
        world.rule(event)
    assert world.ran == []
    assert len(world.notices) == 1


def test_eventbridge_matches_no_event_of_another_source(world: World) -> None:
    """A direct call, the sweep and records belong to others."""
    others: list[Any] = [{"endpoint_id": "acme", "funct": "f"}, {"silvaengine": "sweep"}, {"Records": []}, {}]
    assert not any(EventBridgeSource.matches(event) for event in others)


class Pools(World):
    """A world with a user pool; its worker answers as a hook does."""

    def __init__(self, response: WorkerResponse) -> None:
        super().__init__()
        self.asked: list[Any] = []
        self._answer = response

    def invoke(
        self, arn: str, payload: str, *, event: bool = False, deadline: float | None = None, **_: object
    ) -> bytes:
        assert deadline is not None
        self.asked.append((arn, json.loads(payload), deadline))
        return as_result(self._answer)

    def trigger(self, event: Any) -> Any:
        """Deliver an event of Cognito."""
        assert CognitoSource.matches(event)
        pools = CognitoSource(self.functions, "arn:worker", lambda: NOW)
        return pools.serve(event, self, InvocationLog("tasks"))


SIGN_UP = {"triggerSource": "PreSignUp_SignUp", "userPoolId": "us-east-1_pool", "request": {}, "response": {}}


def test_a_function_of_the_pool_answers_a_trigger() -> None:
    """The pool's settings name it; it gets them and the event, and Cognito gets its response."""
    answered = {**SIGN_UP, "response": {"autoConfirmUser": True}}
    world = Pools(WorkerResponse("text", json.dumps(answered)))
    world.bound = {
        "general": {"us-east-1_pool": "pool"},
        "pool": {
            "cognito_hooks_module_name": "hooks", "cognito_hooks_function_name": "sign_up", "greeting": "Hi",
        },
    }  # fmt: skip
    assert world.trigger(SIGN_UP) == answered
    ((arn, call, deadline),) = world.asked
    assert (arn, call["MODULENAME"], call["CLASSNAME"], call["funct"]) == (
        "arn:worker", "hooks", "Cognito", "sign_up",
    )  # fmt: skip
    assert json.loads(call["setting"])["greeting"] == "Hi"
    assert json.loads(call["params"])["event"] == SIGN_UP
    assert deadline < NOW + 5


def test_a_pool_without_settings_has_the_default_function() -> None:
    """The contract's default names serve it."""
    world = Pools(WorkerResponse("json", SIGN_UP))
    assert world.trigger(SIGN_UP) == SIGN_UP
    call = world.asked[0][1]
    assert (call["MODULENAME"], call["funct"]) == ("event_triggers", "pre_token_generate")


def test_a_hooks_refusal_reaches_the_user_in_its_own_words() -> None:
    """Cognito shows the exception's text; a refusal raises no alert."""
    world = Pools(WorkerResponse("error", "Invited users only", 403, "FunctionError"))
    with pytest.raises(SilvaEngineError) as refused:
        world.trigger(SIGN_UP)
    assert str(refused.value) == "Invited users only"
    assert world.notices == []


@pytest.mark.parametrize("response", [None, [], "text", 1])
def test_a_hook_that_answers_no_event_fails_the_trigger(response: Any) -> None:
    """Cognito needs the event; the operator is alerted."""
    world = Pools(WorkerResponse("text" if isinstance(response, str) else "json", response))
    with pytest.raises(InvocationError, match="did not return"):
        world.trigger(SIGN_UP)
    assert len(world.notices) == 1
