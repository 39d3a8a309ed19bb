"""What the tasks Lambda serves, and what it fails."""

import json
from typing import Any

import pytest

from silvaengine.errors import ConfigurationError
from silvaengine_tasks.app import create_handler
from silvaengine_tasks.sweeper import is_schedule


def served(event: Any, _context: Any, _line: Any) -> str:
    """Stand for a source."""
    return f"served {event['name']}"


def test_an_event_goes_to_the_source_that_knows_it(capsys: pytest.CaptureFixture[str]) -> None:
    """The first source that knows it serves it, and one line tells so."""
    handler = create_handler(((lambda event: event["name"] == "b", served), (lambda _: True, served)))
    assert handler({"name": "b"}, None) == "served b"
    assert json.loads(capsys.readouterr().out)["status"] == 200


def test_what_no_source_knows_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """An answer would mean success: the event's source keeps it, and the message names the log's line."""
    with pytest.raises(ConfigurationError, match="not supported") as caught:
        create_handler(((is_schedule, served),))({"Records": []}, None)
    line = json.loads(capsys.readouterr().out)
    assert line["status"] == 501
    assert line["request_id"] in str(caught.value)


def test_a_source_that_fails_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    """What it raises reaches Lambda, and the line says 500."""

    def fail(*_: Any) -> None:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        create_handler(((lambda _: True, fail),))({}, None)
    assert json.loads(capsys.readouterr().out)["status"] == 500


@pytest.mark.parametrize("event", [{}, {"silvaengine": "other"}, {"source": "aws.events"}])
def test_only_the_schedules_own_event_starts_a_sweep(event: Any) -> None:
    """Nothing else is taken for it."""
    assert is_schedule({"silvaengine": "sweep"})
    assert not is_schedule(event)
