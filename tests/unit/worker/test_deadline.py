"""A function runs to its end or to its deadline, whatever kind it is and whatever it swallows."""

import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from silvaengine.errors import DeadlineError
from silvaengine.protocol.messages import WorkerCall
from silvaengine_worker.loader import Loader
from silvaengine_worker.process_state import DeadlinePassed, run_with_deadline
from silvaengine_worker.worker import END_EARLY_SECONDS, Worker

type Run = Callable[..., Any]


@pytest.fixture
def run(call: Callable[..., WorkerCall]) -> Run:
    """Call a function that may take ``seconds``, and return its bare result."""
    worker = Worker(Loader(["sample_functions"]))

    def in_time(function: str, *, seconds: float = 30.0, **members: Any) -> Any:
        deadline = time.time() + END_EARLY_SECONDS + seconds
        return worker.run(call(function, deadline=deadline, **members)).value

    return in_time


@pytest.mark.parametrize(
    ("function", "result"),
    [
        ("plain:wait", "waited for demo"),
        ("plain:count", [0, 1, 2]),
        ("plain:stream", [1, 2]),
        ("plain:nothing", None),
        ("classes:Service.still", "a"),
        ("classes:Service.name", "Service"),
        ("classes:Bare.tell", "bare"),
    ],
)
def test_every_kind_of_function_works(run: Run, function: str, result: Any) -> None:
    """Plain, coroutine, generator, static, class and instance functions all answer."""
    members = {"params": {"a": "a"}} if function.endswith("still") else {}
    assert run(function, **members) == result


@pytest.mark.parametrize("function", ["plain:stubborn", "plain:sleep_on", "plain:deaf"])
def test_a_deadline_ends_the_function(run: Run, function: str) -> None:
    """``except Exception``, a waiting event loop and one bare ``except`` don't stop the alarm."""
    started = time.monotonic()
    with pytest.raises(DeadlineError) as ended:
        run(function, seconds=0.05)
    assert ended.value.status == 504
    assert time.monotonic() - started < 3


def test_a_call_that_comes_too_late_is_not_started(run: Run) -> None:
    """Past the deadline no caller waits, so nothing is done."""
    with pytest.raises(DeadlineError, match="didn't finish in time"):
        run("plain:crash", seconds=-1.0)


def test_the_alarm_is_over_with_the_function() -> None:
    """An earlier handler and timer are restored, and no alarm comes late."""
    before = signal.getsignal(signal.SIGALRM)
    standing = signal.setitimer(signal.ITIMER_REAL, 500)
    try:
        assert run_with_deadline(0.05, lambda: "quick") == "quick"
        time.sleep(0.1)
        assert signal.getsignal(signal.SIGALRM) is before
        assert 400 < signal.getitimer(signal.ITIMER_REAL)[0] <= 500
    finally:
        signal.setitimer(signal.ITIMER_REAL, *standing)


def test_an_alarm_while_the_function_is_left_still_counts() -> None:
    """An alarm in the last moment raises DeadlineError like any other, never another exception."""

    def last_moment() -> None:
        raise DeadlinePassed

    with pytest.raises(DeadlineError):
        run_with_deadline(5, last_moment)


def test_outside_of_the_main_thread_there_is_no_alarm() -> None:
    """Only the main thread gets signals; a function elsewhere runs unlimited instead of failing."""
    results: list[str] = []
    thread = threading.Thread(target=lambda: results.append(run_with_deadline(5, lambda: "ran")))
    thread.start()
    thread.join()
    assert results == ["ran"]
