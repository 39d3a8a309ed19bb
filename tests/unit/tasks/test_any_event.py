"""Whatever becomes of an event: its source's own form of answer, or one of our errors; and bounded work."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silvaengine.errors import SilvaEngineError
from silvaengine.settings import Settings
from silvaengine_cli.events import SOURCES, sample
from silvaengine_tasks.app import create_sources
from silvaengine_tasks.events import create_handler
from silvaengine_tasks.sources.sqs import SqsSource

from .world import TASKS, World

type Path = tuple[str | int, ...]

MANY = 12  # records of an event, at the most


def nested(depth: int) -> Any:
    """Return nested lists."""
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
HUGE = st.sampled_from(["x" * 300_000, "9" * 5000, "\ud800", "\x00", "../..", "%zz"])
NESTED = st.integers(1, 200).map(nested)
VALUES = (
    SCALARS
    | HUGE
    | NESTED
    | st.fixed_dictionaries({"a": NESTED})
    | st.lists(SCALARS, max_size=3)
    | st.dictionaries(st.text(max_size=5), SCALARS)
)


def paths(value: Any, at: Path = ()) -> Iterator[Path]:
    """Yield the path of each member of an event."""
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for name, member in members:
        yield (*at, name)
        yield from paths(member, (*at, name))


@st.composite
def mutated(draw: st.DrawFn, source: str) -> Any:
    """Return a source's event in which some members are gone, replaced, or of another source."""
    event: Any = sample(source)
    if "Records" in event:
        event["Records"] = [copy.deepcopy(event["Records"][0]) for _ in range(draw(st.integers(0, MANY)))]
        if draw(st.booleans()):
            other = draw(st.sampled_from(["sqs", "s3", "sns", "dynamodb"]))
            event["Records"].append(sample(other)["Records"][0])
    for _ in range(draw(st.integers(0, 3))):
        ways = list(paths(event))
        if ways:
            _mutate(draw, event, draw(st.sampled_from(ways)))
    return draw(st.sampled_from([event, event, event, [event], None])) if draw(st.booleans()) else event


def _mutate(draw: st.DrawFn, event: Any, way: Path) -> None:
    *before, last = way
    for step in before:
        event = event[step]
    if draw(st.booleans()) and isinstance(event, dict):
        del event[last]
    else:
        event[last] = draw(VALUES)


def served(world: World, event: Any) -> Any:
    """Return the response for Lambda; only a SilvaEngineError may be raised."""
    queues = SqsSource(world.functions, world.bindings, world)
    settings = Settings(stream_endpoint_id="demo", worker_arn="arn")
    sources = create_sources(world.functions, world.bindings, queues, settings)
    return create_handler(lambda: sources)(event, world)


@pytest.mark.parametrize("source", SOURCES)
def test_a_sample_is_served(source: str) -> None:
    """The events that the next test mutates are valid: each calls one function."""
    world = World()
    if source in ("rule", "schedule"):
        world.bind(f"{source}:stack", "f")
    response = served(world, sample(source))
    assert len(world.called) == 1
    assert not (isinstance(response, dict) and response.get("batchItemFailures"))


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("name", [TASKS, f"{TASKS}:$LATEST", TASKS.replace("tasks", "events")])
def test_by_its_name_the_lambda_takes_direct_invokes_only(source: str, name: str) -> None:
    """Functions may invoke the name: one that forges another tenant's schedule is refused, and told why."""
    world = World()
    world.invoked_function_arn = name
    world.bind("rule:stack", "f")
    world.bind("schedule:stack", "f")
    if source == "direct":
        served(world, sample(source))
        assert len(world.called) == 1
        return
    with pytest.raises(SilvaEngineError, match="alias 'events'"):
        served(world, sample(source))
    assert world.called == []


@pytest.mark.parametrize("source", SOURCES)
@given(data=st.data())
def test_any_event_is_answered_or_refused_in_its_sources_form(source: str, data: st.DataObject) -> None:
    """Only SilvaEngineError is raised; failed ids are the event's; there are no more calls than records."""
    event = data.draw(mutated(source))
    world = World()
    records = event.get("Records") if isinstance(event, dict) else None
    count = len(records) if isinstance(records, list) else 1
    try:
        response = served(world, event)
    except SilvaEngineError:
        return
    finally:
        assert len(world.called) <= max(1, count)
    check(response, records)


def check(response: Any, records: Any) -> None:
    """Compare a response with the form of the source that the event was taken for."""
    first = records[0] if isinstance(records, list) and records else {}
    named = first.get("eventSource") or first.get("EventSource") if isinstance(first, dict) else None
    if named == "aws:sqs":
        failed = [each["itemIdentifier"] for each in response["batchItemFailures"]]
        assert set(failed) <= {record["messageId"] for record in records}
    elif named == "aws:dynamodb":
        numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
        failed = [each["itemIdentifier"] for each in response["batchItemFailures"]]
        assert len(failed) <= 1
        assert set(failed) <= set(numbers)
    elif named in ("aws:s3", "aws:sns"):
        assert response is None
