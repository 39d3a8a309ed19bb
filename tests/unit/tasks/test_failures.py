"""Each failure can be traced: one log record, with the request id that the worker and the alert have."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from silvaengine.errors import InvocationError, SilvaEngineError
from silvaengine.observability.logging import InvocationLog
from silvaengine_tasks.events import create_handler
from silvaengine_tasks.sources.direct import DirectSource
from silvaengine_tasks.sources.lex import LexSource

from .test_streams_and_lex import change, tables
from .world import World, message

DIALOG: Any = {"bot": {"id": "acme", "name": "Pizza"}, "sessionState": {"intent": {"name": "order"}}}
DIRECT: Any = {"endpoint_id": "acme", "funct": "f", "params": {"poison": True}}


def failing(*functions: str) -> World:
    """Return a world in which these functions fail."""
    world = World()
    world.broken = set(functions)
    return world


def record(world: World) -> None:
    """Deliver a message for one call."""
    assert world.sqs(message(1, funct="f")) == ["m1"]


def notification(world: World) -> None:
    """Deliver an event whose failure is raised."""
    with pytest.raises(InvocationError):
        world.s3("acme/f/1.csv")


def batch(world: World) -> None:
    """Deliver messages for one call for all."""
    world.bind("queue:work", "f", batch=True)
    assert world.sqs(message(1), message(2)) == ["m1", "m2"]


def dialog(world: World) -> None:
    """Deliver a turn of a dialog."""
    world.broken = {"pizza_lex_dispatch"}
    LexSource(world.functions).serve(DIALOG, world, InvocationLog("tasks"))


def direct(world: World) -> None:
    """Invoke directly."""
    with pytest.raises(SilvaEngineError):
        DirectSource(world.functions).serve(DIRECT, world, InvocationLog("tasks"))


def direct_with_deadline(world: World) -> None:
    """Invoke directly, and wait."""
    DirectSource(world.functions).serve({**DIRECT, "deadline": 4e9}, world, InvocationLog("tasks"))


@pytest.mark.parametrize("deliver", [record, notification, batch, dialog, direct, direct_with_deadline])
def test_a_failed_call_is_logged_once_under_its_request_id(
    deliver: Callable[[World], None], caplog: pytest.LogCaptureFixture
) -> None:
    """The id is the one that the worker's line and the alert have; the record says why."""
    world = failing("f")
    deliver(world)
    (logged,) = (entry for entry in caplog.records if entry.levelno >= logging.WARNING)
    (request_id,) = world.request_ids
    assert logged.__dict__["request_id"] == request_id
    assert json.loads(world.notices[0])["request_id"] == request_id
    assert "of tenant 'acme' failed: The function failed: poisoned (ValueError: poisoned)" in logged.message
    assert "poison'" not in logged.message


def test_a_batch_that_names_failed_records_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """One record for the call, whatever number of its records failed."""
    world = World()
    world.bind("queue:work", "f", batch=True)
    world.response = ["m1", "m3"]
    assert world.sqs(message(1), message(2), message(3)) == ["m1", "m3"]
    (logged,) = caplog.records
    assert logged.__dict__["request_id"] == world.request_ids[0]
    assert "The function reported this record as failed" in logged.message


def test_a_stream_record_that_its_function_names_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Also where the call itself succeeded."""
    world = tables("f")
    world.response = ["2"]
    assert world.stream(change(1), change(2)) == ["2"]
    (logged,) = caplog.records
    assert logged.__dict__["request_id"] == world.request_ids[0]
    assert "Function 'f' of tenant 'acme' failed" in logged.message


def test_a_failure_with_a_bug_has_its_traceback_and_id(caplog: pytest.LogCaptureFixture) -> None:
    """What no code expected is logged once, too."""
    world = World()
    world.breaking = {"f"}
    assert world.sqs(message(1)) == ["m1"]
    (logged,) = caplog.records
    assert "ZeroDivisionError" in caplog.text
    assert json.loads(world.notices[0])["request_id"] == logged.__dict__["request_id"]


def test_what_the_sweeper_retries_is_logged_without_an_alert(caplog: pytest.LogCaptureFixture) -> None:
    """The sweeper alerts if it gives up; until then the log says what happened."""
    world = World()
    world.dies = True
    world.s3("acme/f/1.csv")
    (logged,) = caplog.records
    assert "request_id" in logged.__dict__
    assert world.notices == []


@pytest.mark.parametrize("event", [{"endpoint_id": "acme", "funct": "f", "deadline": 4e9, "params": 1}, {
    "endpoint_id": "acme", "funct": "f", "deadline": 4e9, "hops": 9
}])  # fmt: skip
def test_a_direct_invoke_that_is_refused_is_logged(event: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A caller that waits gets a response, so that nothing is raised that Lambda would log."""
    DirectSource(World().functions).serve(event, World(), InvocationLog("tasks"))
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (DIALOG, 404),
        ({**DIRECT, "funct": "missing", "deadline": 4e9}, 404),
        ({**DIRECT, "deadline": 4e9}, 500),
        ({**DIRECT, "params": {}, "deadline": 4e9}, 200),
    ],
)
def test_the_log_line_has_the_status_of_a_failure_that_is_answered(
    event: Any, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A source that gets a response has a line with the status of that response."""
    world = World()
    world.missing |= {"pizza_lex_dispatch"}
    create_handler(lambda: (LexSource(world.functions), DirectSource(world.functions)))(event, world)
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["status"] == status
