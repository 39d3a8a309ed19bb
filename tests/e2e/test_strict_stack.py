"""A stack behind the double: what AWS refuses for a moment costs no request, and no effect comes twice."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from silvaengine_cli.engine import local_engine
from silvaengine_cli.strict import Double, Fault, Script, failed, throttled

from .conftest import Deployment, deployed, wait_for_status
from .registry_rows import API_KEY
from .test_announcements import eventually

pytestmark = pytest.mark.nightly  # a stack of its own; test_double has the rules

KEY = {"x-api-key": API_KEY}
EFFECT = "/core/e2e/effect"


@pytest.fixture(scope="module")
def double() -> Double:
    """A double whose states pass after one call."""
    return Double(Script(calls=1, throttle_every=0))


@pytest.fixture(scope="module")
def stack(
    double: Double, engine_program: Path, project: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """The stack on an engine behind the double, once its new roles may do what they are to do."""
    state = tmp_path_factory.mktemp("strict") / "state"
    with local_engine(engine_program, state, double=double) as engine, deployed(project, engine) as stack:
        eventually(lambda: stack.api.get("/core/demo/hello").status, lambda status: status == 200)
        yield stack


@pytest.fixture
def effects(tmp_path: Path) -> Path:
    """The file that holds one line for each effect."""
    path = tmp_path / "effects"
    path.touch()
    return path


def test_a_worker_that_rested_is_called_again(double: Double, stack: Deployment) -> None:
    """An Inactive worker, which then is Pending, serves the first request all the same."""
    double.make_inactive(stack.outputs.worker_arn.rpartition(":")[2])
    assert stack.api.get("/core/demo/hello").status == 200


def test_a_throttled_worker_is_called_again(double: Double, stack: Deployment, effects: Path) -> None:
    """Two refusals cost a request nothing; with a third the client is told to come again, and nothing ran."""
    body = {"path": str(effects), "call": "1"}
    double.strike(Fault("Lambda.Invoke", throttled, times=2))
    assert stack.api.post(EFFECT, body, KEY).status == 200
    double.strike(Fault("Lambda.Invoke", throttled, times=3))
    refused = stack.api.post(EFFECT, body, KEY)
    assert (refused.status, int(refused.headers["retry-after"]) >= 1) == (503, True)
    assert len(effects.read_text().splitlines()) == 1


@pytest.mark.parametrize("after", [False, True], ids=["before it ran", "after it ran"])
def test_a_keyed_call_runs_at_most_once(
    double: Double, stack: Deployment, effects: Path, after: bool
) -> None:
    """When Lambda itself fails the function may have run: it isn't called again, by no repetition either."""
    body, headers = {"path": str(effects), "call": "1"}, {**KEY, "idempotency-key": f"strict-{after}"}
    double.strike(Fault("Lambda.Invoke", failed, after=after))
    assert stack.api.post(EFFECT, body, headers).status >= 500
    again = stack.api.post(EFFECT, body, headers)
    assert len(effects.read_text().splitlines()) == after
    assert (again.status == 200) is after


def test_a_job_outlives_throttles(double: Double, stack: Deployment, effects: Path) -> None:
    """A throttled acceptance, a throttled start and a throttled claim cost a job nothing."""
    body = {"path": str(effects), "call": "1"}
    double.strike(
        Fault("DynamoDB.PutItem", throttled),
        Fault("Lambda.Invoke", throttled),
        Fault("DynamoDB.UpdateItem", throttled),
    )
    accepted = stack.api.post("/core/e2e/effect_later", body, KEY)
    assert accepted.status == 202
    wait_for_status(stack.api, accepted.json()["job_id"], {"succeeded"})
    assert len(effects.read_text().splitlines()) == 1
