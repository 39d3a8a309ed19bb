"""Hooks hear of an endpoint's calls: some before, and may stop them, some after."""

from typing import Any

import pytest

from silvaengine.errors import InvocationError, UnavailableError
from silvaengine.observability.logging import InvocationLog
from silvaengine_tasks.sources.direct import DirectSource

from .world import World, message


def hook(name: str, **members: Any) -> dict[str, Any]:
    """Return a row of se-hooks."""
    return {
        "api_id": "acme", "module_name": "audit", "function_name": name, "status": True,
        "is_async": False, "is_interruptible": False, **members,
    }  # fmt: skip


@pytest.fixture
def world() -> World:
    """Return a new world."""
    return World()


def test_hooks_come_before_and_after(world: World) -> None:
    """They get endpoint, function and params; those after the call are events; inactive ones don't run."""
    world.hooked = [hook("later", is_async=True), hook("first"), hook("off", status=False)]
    assert world.sqs(message(1)) == []
    assert world.called == ["first", "f", "later"]
    assert world.events == ["later"]
    told = {"endpoint_id": "acme", "function": "f", "params": {"n": 1}}
    assert world.ran == [told, {"n": 1}, told]


@pytest.mark.parametrize(("interrupts", "called"), [(False, ["first", "f"]), (True, ["first"])])
def test_only_an_interruptible_hooks_error_stops_the_call(
    world: World, interrupts: bool, called: list[str]
) -> None:
    """The message goes back then, and its function is called when the hook allows it."""
    world.hooked, world.broken = [hook("first", is_interruptible=interrupts)], {"first"}
    assert world.sqs(message(1)) == (["m1"] if interrupts else [])
    assert world.called == called
    world.broken = set()
    assert world.sqs(message(1)) == []
    assert world.called.count("f") == 1


def test_hooks_after_a_call_that_failed_stay_silent(world: World) -> None:
    """They follow only calls that were made."""
    world.hooked, world.broken = [hook("later", is_async=True)], {"f"}
    assert world.sqs(message(1)) == ["m1"]
    assert world.events == []


def test_a_batch_has_hooks_too(world: World) -> None:
    """Once for the call; a stopped one leaves no record claimed."""
    world.bind("queue:work", "f", batch=True)
    world.hooked, world.broken = (
        [hook("first", is_interruptible=True), hook("later", is_async=True)],
        {"first"},
    )
    assert world.sqs(message(1), message(2)) == ["m1", "m2"]
    world.broken = set()
    assert world.sqs(message(1), message(2)) == []
    assert world.called == ["first", "first", "f", "later"]


def test_a_direct_call_has_hooks_too(world: World) -> None:
    """An error of a hook that may stop the call is the caller's."""
    world.hooked, world.broken = [hook("first", is_interruptible=True)], {"first"}
    with pytest.raises(InvocationError, match="A hook refused the call"):
        DirectSource(world.functions).serve(
            {"endpoint_id": "acme", "funct": "f"}, world, InvocationLog("tasks")
        )
    assert world.called == ["first"]


def test_a_call_that_ran_is_done_although_its_hooks_cant_be_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the worker did stays done: a failure would have the message called again."""
    world.hooked = [hook("later", is_async=True)]
    reads = iter([world.hooked])

    def hooks(_: str) -> list[dict[str, Any]]:
        try:
            return next(reads)
        except StopIteration:
            raise UnavailableError("DynamoDB throttles") from None

    monkeypatch.setattr(world, "hooks", hooks)
    assert world.sqs(message(1)) == []
    assert world.events == []
