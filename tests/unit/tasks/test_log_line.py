"""The tasks Lambda writes one log line for each invocation, however it ends."""

import json
from collections.abc import Sequence
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest

from silvaengine.errors import ConfigurationError
from silvaengine.settings import Settings
from silvaengine_cli.events import SOURCES, sample
from silvaengine_tasks.app import create_sources
from silvaengine_tasks.events import create_handler
from silvaengine_tasks.sources import Source
from silvaengine_tasks.sources.sqs import SqsSource

from ...line_budget import LINE_BYTES, median_bytes
from .world import World


def open_sources(world: World) -> Sequence[Source]:
    """Return the deployed Lambda's sources, in the world."""
    queues = SqsSource(world.functions, world.bindings, world)
    settings = Settings(stream_endpoint_id="demo", worker_arn="arn")
    return create_sources(world.functions, world.bindings, queues, settings)


def line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Read the one line of an invocation."""
    (text,) = capsys.readouterr().out.splitlines()
    return dict(json.loads(text))


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("ends", ["answered", "refused", "failed"])
def test_an_event_of_a_source_writes_one_line(
    source: str, ends: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where its worker can't be reached, or its function crashes."""
    world = World()
    world.refuses, world.dies = ends == "refused", ends == "failed"
    with suppress(Exception):
        create_handler(lambda: open_sources(world))(sample(source), world)
    written = line(capsys)
    assert written["service"] == "tasks"
    assert written["status"] in (200, 500, 502, 503)  # the last two where a dialog has a response
    assert written["total_ms"] >= 0


@pytest.mark.parametrize(
    ("event", "status"),
    [
        ({"silvaengine": "unknown"}, 501),
        ({}, 501),
        ({"Records": []}, 501),
        ({"Records": [{"eventSource": "aws:other"}]}, 501),
        (None, 501),
        ([], 501),
        ("text", 501),
        (1, 501),
        ({"Records": [{"eventSource": "aws:sqs"}]}, 500),
        ({"Records": [{"eventSource": "aws:s3"}]}, 500),
        ({"Records": [{"EventSource": "aws:sns"}, None]}, 500),
        ({"Records": [{"eventSource": "aws:dynamodb"}]}, 500),
        ({"rule": None, "event": {}}, 500),
        ({"endpoint_id": [], "funct": {}}, 500),
        ({"triggerSource": 1, "userPoolId": 2}, 500),
        ({"bot": {"name": []}}, 400),  # a dialog has a response for its failure
    ],
)
def test_a_malformed_or_unknown_event_writes_one_line(
    event: Any, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line has the status, whatever the event is."""
    world = World()
    with suppress(Exception):
        create_handler(lambda: open_sources(world))(event, world)
    written = line(capsys)
    assert (written["service"], written["status"]) == ("tasks", status)
    assert written["total_ms"] >= 0


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), RecursionError(), MemoryError()])
def test_whatever_ends_an_invocation_there_is_one_line(
    error: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error that isn't an Exception is no exception to this."""

    def fail(*_: Any) -> Any:
        raise error

    broken: Any = SimpleNamespace(matches=fail)
    with suppress(BaseException):
        create_handler(lambda: (broken,))({}, World())
    written = line(capsys)
    assert (written["service"], written["status"]) == ("tasks", 500)


def test_sources_that_cannot_be_opened_are_a_failure_with_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A deployment with a wrong setting fails at each event, and its log says so."""

    def fail() -> Sequence[Source]:
        raise ConfigurationError("A setting is wrong")

    with pytest.raises(ConfigurationError, match="A setting is wrong"):
        create_handler(fail)({}, World())
    assert line(capsys)["status"] == 500


def test_a_line_keeps_its_budget(capsys: pytest.CaptureFixture[str]) -> None:
    """An event of each source."""
    world = World()
    handler = create_handler(lambda: open_sources(world))
    for source in SOURCES:
        with suppress(Exception):  # of a source that nothing is bound to
            handler(sample(source), world)
    assert median_bytes(capsys.readouterr().out) <= LINE_BYTES
