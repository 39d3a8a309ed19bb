"""A function that doesn't take the request's context isn't sent it again."""

from typing import Any

import pytest

from silvaengine.protocol.messages import WorkerResponse

from .test_gateway import EventOf

FORM = "application/x-www-form-urlencoded"


def _needed() -> dict[str, Any]:
    return WorkerResponse(
        "error", "The function takes the request's context", 409, "ContextNeededError"
    ).encode()


@pytest.fixture
def told(world: Any, event_of: EventOf) -> Any:
    """Return the world, whose worker has said that the function doesn't take a context."""
    world.invoker.result = WorkerResponse("json", 1, takes_context=False).encode()
    world.call(event_of("rest_v1"))
    assert world.payload["context"]["headers"]
    assert "brief" not in world.payload
    return world


def test_the_context_is_sent_once(told: Any, event_of: EventOf) -> None:
    """Then only what a worker itself reads of it, which is nothing for an untyped function."""
    told.call(event_of("rest_v1", headers={"Content-Type": FORM, "X-A": "1"}, body="name=Ada"))
    assert (told.payload["brief"], told.payload["context"]) == (True, {})


def test_a_typed_function_is_sent_the_query(told: Any, event_of: EventOf) -> None:
    """With every value of a name, and of a form that it is one."""
    function = told.registry.functions["greet"]
    told.registry.functions["greet"] = function._replace(callee=function.callee._replace(typed=True))
    told.call(event_of("rest_v1", headers={"Content-Type": FORM, "X-A": "1"}, body="name=Ada"))
    assert told.payload["brief"] is True
    assert told.payload["context"] == {
        "query": {"lang": ["de"], "tag": ["x", "y z"]},
        "headers": {"content-type": FORM},
    }


def test_a_function_whose_code_has_changed_gets_it_again(told: Any, event_of: EventOf) -> None:
    """The worker refuses the brief call before anything ran; the client doesn't notice."""
    told.invoker.results = [_needed(), WorkerResponse("json", 2).encode()]
    sent = len(told.invoker.sent)
    response = told.call(event_of("rest_v1"))
    assert (response["statusCode"], response["body"]) == (200, "2")
    assert [call.payload.get("brief") for call in told.invoker.sent[sent:]] == [True, None]
    told.invoker.result = WorkerResponse("json", 3).encode()
    told.call(event_of("rest_v1"))
    assert "brief" not in told.payload


def test_a_function_cannot_have_itself_called_twice(world: Any, event_of: EventOf) -> None:
    """An error of that name, in response to a whole context, is a failure like any other."""
    world.invoker.result = _needed()
    assert world.call(event_of("rest_v1"))["statusCode"] == 409
    assert len(world.invoker.sent) == 1


def test_a_job_keeps_the_whole_context(told: Any, event_of: EventOf) -> None:
    """Other code may run it."""
    told.invoker.result = None
    told.call(event_of("rest_v1", headers={"Prefer": "respond-async"}))
    assert told.payload["context"]["channel"] == "acme"
