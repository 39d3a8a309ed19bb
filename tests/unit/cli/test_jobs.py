"""What an operator's commands do with a job that somebody else changes at the same time."""

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from silvaengine.aws.attribute_values import encode
from silvaengine.protocol.messages import WorkerResponse
from silvaengine_cli.jobs import Jobs, error_of

if TYPE_CHECKING:
    from silvaengine_cli.deployment import Deployment

from ...fakes.executions import accepted_execution

ROW = accepted_execution(1_700_000_000, job_id="3f2a", state="dead", attempts=3).to_row()


class ConflictError(Exception):
    """What boto3 raises where a condition fails."""


class ChangedTable:
    """A table whose row is another by the time it is written."""

    exceptions = SimpleNamespace(ConditionalCheckFailedException=ConflictError)

    def get_item(self, **_: Any) -> dict[str, Any]:
        return {"Item": {name: encode(value) for name, value in ROW.items()}}

    def update_item(self, **_: Any) -> None:
        raise ConflictError

    def delete_item(self, **_: Any) -> None:
        raise ConflictError


@pytest.fixture
def jobs() -> Jobs:
    """The jobs of a deployment with such a table."""
    deployment = SimpleNamespace(client=lambda _service: ChangedTable(), table_prefix="se-")
    return Jobs(cast("Deployment", deployment))


def test_a_job_that_changes_meanwhile_is_left(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator is told so, instead of reading AWS's error."""
    execution = jobs.ledger.get("3f2a")
    assert execution is not None
    assert jobs.retry("3f2a") == "was changed meanwhile"
    assert not jobs.purge(execution)
    monkeypatch.setitem(ROW, "state", "running")
    assert jobs.cancel("3f2a") == "was changed meanwhile"


def test_a_job_that_its_caller_cancelled_stays_so(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its caller was told that it never runs, or that what comes of it is discarded."""
    monkeypatch.setitem(ROW, "cause", "Withdrawn")
    assert jobs.retry("3f2a") == "was cancelled by its caller"


def test_a_refusal_is_told_with_its_details() -> None:
    """As the caller of the job reads it."""
    details = [{"in": "body", "path": "/n", "message": "Expected `int`", "value_type": "string"}]
    refusal = WorkerResponse("error", "It can't", 422, "InvalidArgumentsError", details)
    execution = accepted_execution(1_700_000_000, state="failed", result=json.dumps(refusal.encode()))
    assert error_of(execution) == f"InvalidArgumentsError: It can't {json.dumps(details)}"
