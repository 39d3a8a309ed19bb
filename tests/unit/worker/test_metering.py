"""What a function meters is in the line of its call and of no other."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from contextvars import copy_context
from threading import Thread
from typing import Any

import pytest
from tests.fakes.calls import running_call

from silvaengine.context import METER_LIMIT, METERS, CurrentInvocation
from silvaengine.observability.handler import Handler
from silvaengine_base import meter
from silvaengine_tasks.usage.counting import read_line

from .test_log_line import JOB

type Meters = dict[str, float]


@pytest.fixture
def running() -> Callable[[Meters], AbstractContextManager[None]]:
    """Begin calls that have no more than a tenant."""
    return lambda meters: running_call(CurrentInvocation("r", "acme", "core", "f", None, 1, {}, None), meters)  # type: ignore[arg-type]


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Read the lines of invocations."""
    written = map(json.loads, capsys.readouterr().out.splitlines())
    return [line for line in written if "total_ms" in line]


@pytest.mark.parametrize(
    ("function", "meters"),
    [
        ("metered:think", {"tokens": 512, "images": 2}),
        ("metered:fail", {"tokens": 7}),
        ("plain:whoami", None),
    ],
)
def test_a_line_has_what_the_call_metered(
    handler: Handler,
    payload: Callable[..., Any],
    lambda_context: Any,
    capsys: pytest.CaptureFixture[str],
    function: str,
    meters: Meters | None,
) -> None:
    """A failed call's too; whoever meters nothing has none."""
    for _ in range(2):
        with suppress(Exception):
            handler(payload(function), lambda_context())
    assert [line.get("meters") for line in lines(capsys)] == [meters, meters]


@pytest.mark.parametrize(
    ("function", "members", "counted"),
    [
        ("plain:whoami", {}, {"calls": 1, "errors": 0, "jobs": 0}),
        ("plain:refuse", {}, {"calls": 1, "errors": 1, "jobs": 0}),
        ("plain:whoami", {"job": JOB}, {}),  # a duplicate: nobody accepted this job
    ],
)
def test_usage_is_counted_from_the_workers_own_lines(
    handler: Handler,
    payload: Callable[..., Any],
    lambda_context: Any,
    capsys: pytest.CaptureFixture[str],
    function: str,
    members: Any,
    counted: dict[str, int],
) -> None:
    """What one writes the other reads: a call, one that fails, and a delivery for which nothing ran."""
    with suppress(Exception):
        handler(payload(function, **members), lambda_context())
    (text,) = (each for each in capsys.readouterr().out.splitlines() if "total_ms" in each)
    line = read_line(text, "worker")
    assert line
    names = {"calls", "errors", "jobs"} & line.amounts.keys()
    assert {name: line.amounts[name] for name in names} == counted
    assert line.owner.endpoint_id == "demo"


def test_threads_with_the_calls_context_count(
    running: Callable[[Meters], AbstractContextManager[None]],
) -> None:
    """Nothing of many threads is lost."""
    meters: Meters = {}
    with running(meters), ThreadPoolExecutor(8) as pool:
        for _ in range(1000):
            pool.submit(copy_context().run, meter, "rows", 2)
    assert meters == {"rows": 2000}


def test_a_thread_that_outlives_its_call_counts_for_nobody_else(
    running: Callable[[Meters], AbstractContextManager[None]],
) -> None:
    """It has its own call's context, whose line is written already."""
    first: Meters = {}
    second: Meters = {}
    with running(first):
        late = Thread(target=copy_context().run, args=(meter, "rows"))
    with running(second):
        late.start()
        late.join()
    assert second == {}


@pytest.mark.parametrize(
    ("name", "amount", "message"),
    [
        ("", 1, "name: expected 1 to 64 letters"),
        ("x" * 65, 1, "name: expected 1 to 64 letters"),
        ("2tokens", 1, "no digit first, found '2tokens'"),
        ("input-tokens", 1, "name: expected"),
        ("jetons_é", 1, "name: expected"),
        (None, 1, "name: expected"),
        ("tokens", -1, "amount: expected a number from 0 to 2\\*\\*53, found -1"),
        ("tokens", float("nan"), "amount: expected"),
        ("tokens", float("inf"), "amount: expected"),
        ("tokens", "512", "amount: expected a number from 0 to 2\\*\\*53, found '512'"),
        ("tokens", True, "amount: expected"),
        ("full", 1, "amount: expected a sum in the call"),
        ("one_more", 1, "name: expected at most 16 in a call, found 'one_more'"),
    ],
)
def test_bad_input_is_refused_by_name(
    running: Callable[[Meters], AbstractContextManager[None]], name: Any, amount: Any, message: str
) -> None:
    """The message says which argument it is and what was expected; nothing is counted."""
    meters: Meters = {"full": METER_LIMIT, **{f"m{number}": 1 for number in range(METERS - 1)}}
    before = dict(meters)
    with running(meters), pytest.raises(ValueError, match=message):
        meter(name, amount)
    assert meters == before


def test_nobody_meters_outside_of_a_call() -> None:
    """As with current_invocation, there has to be a call."""
    with pytest.raises(LookupError, match=r"meter\(\) works only while"):
        meter("tokens")
