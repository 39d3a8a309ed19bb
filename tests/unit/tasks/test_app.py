"""What the tasks Lambda serves, and what it fails."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from silvaengine.context import LambdaContext
from silvaengine.errors import ConfigurationError
from silvaengine.observability.logging import InvocationLog
from silvaengine_tasks.events import create_handler

from .world import World


class FakeSource:
    """A source of events with a name."""

    def __init__(self, name: str | None, serve: Callable[[Mapping[str, Any]], object]) -> None:
        self.name = name
        self._serve = serve

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Match events of the name, without one all events."""
        return self.name is None or event["name"] == self.name

    def serve(self, event: Mapping[str, Any], context: LambdaContext, log: InvocationLog) -> object:
        """Return what the test wants."""
        return self._serve(event)


def fail(_event: Any) -> None:
    """Fail as code does that has a bug."""
    raise RuntimeError("broken")


def test_an_event_goes_to_the_first_source_that_matches_it(capsys: pytest.CaptureFixture[str]) -> None:
    """That source serves it, and the log line has the status."""
    sources = (FakeSource("b", lambda _: "served by b"), FakeSource(None, fail))
    handler = create_handler(lambda: sources)
    assert handler({"name": "b"}, World()) == "served by b"
    assert json.loads(capsys.readouterr().out)["status"] == 200


def test_an_event_that_no_source_matches_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """A response would mean success: the event's source keeps it, and the message names the log's line."""
    with pytest.raises(ConfigurationError, match="not supported") as caught:
        create_handler(lambda: (FakeSource("b", fail),))({"name": "a"}, World())
    line = json.loads(capsys.readouterr().out)
    assert line["status"] == 501
    assert line["request_id"] in str(caught.value)


def test_a_source_that_fails_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    """What it raises reaches Lambda, and the line says 500."""
    with pytest.raises(RuntimeError, match="broken"):
        create_handler(lambda: (FakeSource(None, fail),))({}, World())
    assert json.loads(capsys.readouterr().out)["status"] == 500
