"""What the worker does with a call that the ledger holds."""

import json
from collections.abc import Callable
from typing import Any, override

import pytest

from silvaengine.errors import UnavailableError
from silvaengine.ledger.execution import Execution
from silvaengine.ledger.store import Ledger
from silvaengine.observability.handler import Handler
from silvaengine.protocol.messages import ExecutionRef
from silvaengine_worker.executions import ExecutionRunner

from ...fakes.executions import JOB_ID, accepted_execution
from .documented import each_form

type Handle = Callable[..., Any]
type Accept = Callable[..., dict[str, Any]]


@pytest.fixture
def accept(ledger: Ledger) -> Accept:
    """Write an accepted execution; return the payload's member that tells the worker of it."""

    def write(**changes: Any) -> dict[str, Any]:
        execution = accepted_execution(ledger.now(), endpoint_id="demo", **changes)
        ledger.accept(execution)
        names = ("job_id", "owner", "effect", "fence", "max_attempts", "on_lost")
        told = {name: getattr(execution, name) for name in (*names, "keep_seconds", "backoff_seconds")}
        claimed = execution.state == "running"
        attempt = execution.attempts + (not claimed)
        return {**told, "attempt": attempt, "claimed": claimed}

    return write


def row(ledger: Ledger) -> Execution:
    """Read the execution."""
    found = ledger.get(JOB_ID)
    assert found is not None
    return found


def line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Read the last invocation's line."""
    lines = [json.loads(text) for text in capsys.readouterr().out.splitlines() if '"service"' in text]
    return dict(lines[-1])


def test_a_job_is_claimed_and_settled(handle: Handle, accept: Accept, ledger: Ledger) -> None:
    """Nobody waits: Lambda gets nothing, and the result stands in the ledger, for as long as it is kept."""
    job = accept()
    assert handle("plain:whoami", deadline=None, job=job) is None
    settled = row(ledger)
    assert (settled.state, settled.attempts, settled.is_swept) == ("succeeded", 1, False)
    assert settled.expires_at == pytest.approx(ledger.now() + 100, abs=5)
    assert json.loads(settled.result or "")["value"]["function"] == "whoami"


def test_a_function_sees_its_token(handle: Handle, accept: Accept) -> None:
    """`current_invocation()` has the job, the attempt and what an effect can be made conditional on."""
    response = handle("plain:fencing", job=accept(state="running", attempts=2, fence=4))
    assert response["value"] == {"job_id": JOB_ID, "effect": "e" * 32, "number": 4}


def test_a_repeated_delivery_runs_once(
    handle: Handle, accept: Accept, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second one finds the claim, does nothing, is counted, and is no error."""
    job = accept()
    handle("plain:whoami", deadline=None, job=job)
    assert "duplicate" not in line(capsys)
    assert handle("plain:whoami", deadline=None, job=job) is None
    assert line(capsys)["duplicate"] is True


def test_a_zombies_result_is_refused_and_counted(
    handle: Handle, accept: Accept, ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody else has taken the call over: the late writer changes nothing and is told so."""
    job = accept(state="running", attempts=1)
    ledger.take_over_for_caller(row(ledger), "another", None, 10)
    response = handle("plain:whoami", job=job)
    assert (response["status"], response["error_type"]) == (409, "LateWrite")
    assert line(capsys)["late"] is True
    assert row(ledger).state == "running"


def test_a_cancelled_job_knows_it(
    handle: Handle, accept: Accept, ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    """A function can end early; what comes of it is discarded, and the sweeper doesn't see the job."""
    job = accept(state="running", attempts=1)
    ledger.withdraw(row(ledger))
    handle("plain:look_for_end", job=job)
    seen = line(capsys)
    assert (seen["meters"], seen["late"]) == ({"cancelled": 1}, True)
    assert (row(ledger).state, row(ledger).cause, row(ledger).is_swept) == ("dead", "Withdrawn", False)


def test_a_job_that_is_wanted_goes_on(
    handle: Handle, accept: Accept, ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    """So does a call that the ledger doesn't know."""
    handle("plain:look_for_end", deadline=None, job=accept())
    assert line(capsys)["meters"] == {"cancelled": 0}
    assert row(ledger).state == "succeeded"
    handle("plain:look_for_end")
    assert line(capsys)["meters"] == {"cancelled": 0}


def test_a_failure_is_tried_again_later(handle: Handle, accept: Accept, ledger: Ledger) -> None:
    """With attempts left it goes back, due after a pause, and Lambda sees no error."""
    assert handle("plain:crash", deadline=None, job=accept()) is None
    waiting = row(ledger)
    assert (waiting.state, waiting.cause, waiting.attempts) == ("accepted", "RuntimeError", 1)
    assert waiting.due_at == pytest.approx(ledger.now() + 5, abs=2)
    assert waiting.due_shard == "a"


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"attempts": 2}, "dead"),
        ({"on_lost": "fail"}, "dead"),
        ({"state": "running", "attempts": 1}, "failed"),
    ],
)
def test_the_last_failure_is_an_outcome(
    handle: Handle, accept: Accept, ledger: Ledger, changes: dict[str, Any], state: str
) -> None:
    """After the last attempt a job is dead and yet to be told; a caller who waits has been told already."""
    handle("plain:crash", deadline=4e9 if "state" in changes else None, job=accept(**changes))
    settled = row(ledger)
    assert settled.state == state
    assert settled.is_swept == (state == "dead")
    assert "hunter2" not in str(settled)


def test_a_functions_own_refusal_is_final(handle: Handle, accept: Accept, ledger: Ledger) -> None:
    """A 4xx of the function would be the same the next time."""
    handle("plain:refuse", deadline=None, job=accept())
    assert row(ledger).state == "failed"


def test_parameters_that_a_typed_function_cant_take_are_final(
    handle: Handle, accept: Accept, ledger: Ledger
) -> None:
    """They would be the same the next time; the row has what is wrong, and no value."""
    handle("typed:totals", typed=True, params={"a": "hunter2"}, deadline=None, job=accept())
    settled = row(ledger)
    assert (settled.state, settled.attempts) == ("failed", 1)
    (detail,) = json.loads(settled.result or "")["details"]
    assert detail == {"in": "body", "path": "/a", "message": "Expected `int`", "value_type": "string"}


def test_a_job_isnt_notified_by_the_worker(handle: Handle, accept: Accept, notices: list[Any]) -> None:
    """Each failed attempt is logged; the one notice is the sweeper's, when nothing is left to try."""
    handle("plain:crash", deadline=None, job=accept())
    assert notices == []


def test_a_ledger_that_cant_be_written_is_a_failure(
    handler: Handler, jobs: ExecutionRunner, accept: Accept, payload: Any
) -> None:
    """Whether the function ran nobody knows: the caller gets 503, and no result."""
    job = accept(state="running", attempts=1)

    class Broken(Ledger):
        @override
        def settle(self, *_: Any) -> None:
            raise UnavailableError("busy")

    jobs._ledger.__class__ = Broken
    response: Any = handler(payload("plain:whoami", job=job), None)
    assert response["status"] == 503
    assert "may have taken effect" in response["value"]


def test_the_pause_doubles_and_ends(jobs: ExecutionRunner) -> None:
    """Backoff: half of it at least, an hour at the most."""
    given = {"job_id": "", "owner": "", "effect": "", "fence": 1, "max_attempts": 20, "on_lost": "retry"}
    pauses = [
        jobs._backoff(ExecutionRef(**given, attempt=attempt, keep_seconds=1, backoff_seconds=10))  # type: ignore[arg-type]
        for attempt in (1, 2, 3, 20)
    ]
    assert pauses == [5, 10, 20, 1800]


@each_form
def test_each_documented_value_is_a_jobs_result(
    handle: Handle, accept: Accept, ledger: Ledger, expression: str, form: Any
) -> None:
    """In the form that the documentation's table says."""
    handle("forms:make", params={"expression": expression}, deadline=None, job=accept())
    assert json.loads(row(ledger).result or "")["value"] == form
