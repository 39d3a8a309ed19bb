"""Lambda and DynamoDB that refuse work for the moment: 503 with a time to come again, nothing half done."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from .conftest import Deployment, wait_for_status
from .http_client import Api, Response
from .registry_rows import API_KEY

KEY = {"x-api-key": API_KEY}
ASYNC = {**KEY, "prefer": "respond-async"}

type NoRoom = Callable[[], AbstractContextManager[None]]


@pytest.fixture
def no_room(deployment: Deployment) -> NoRoom:
    """Leave the worker without concurrency for a block."""
    functions, name = deployment.engine.client("lambda"), deployment.outputs.worker_arn

    @contextmanager
    def block() -> Iterator[None]:
        functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
        try:
            yield
        finally:
            functions.delete_function_concurrency(FunctionName=name)

    return block


@pytest.fixture
def effects(tmp_path: Path) -> Path:
    """The file that holds one line for each effect."""
    return tmp_path / "effects"


def happened(effects: Path) -> int:
    """Count the effects."""
    return len(effects.read_text().splitlines()) if effects.exists() else 0


def keyed() -> Mapping[str, str]:
    """Return headers with an idempotency key."""
    return {**KEY, "idempotency-key": uuid4().hex}


def assert_come_again(response: Response) -> None:
    """Check that the client is told to come again, and when."""
    assert response.status == 503
    assert int(response.headers["retry-after"]) >= 1


def held(deployment: Deployment) -> int:
    """Count what the ledger holds; a row whose time is over counts as gone."""
    table = f"{deployment.outputs.table_prefix}executions"
    rows = deployment.engine.client("dynamodb").scan(TableName=table, ConsistentRead=True)["Items"]
    return sum("expires_at" not in row or float(row["expires_at"]["N"]) > time.time() for row in rows)


@pytest.mark.parametrize("headers", [KEY, keyed()], ids=["plain", "keyed"])
def test_a_worker_without_room(
    headers: Mapping[str, str], deployment: Deployment, api: Api, no_room: NoRoom, effects: Path
) -> None:
    """Nothing ran and nothing stands in the ledger; the same request succeeds when there is room."""
    body, before = {"path": str(effects), "call": "1"}, held(deployment)
    with no_room():
        assert_come_again(api.post("/core/e2e/effect", body, headers))
        assert (happened(effects), held(deployment)) == (0, before)
    assert api.post("/core/e2e/effect", body, headers).status == 200
    assert happened(effects) == 1


def test_an_accepted_job_waits_for_room(
    deployment: Deployment, api: Api, no_room: NoRoom, effects: Path
) -> None:
    """Lambda takes a job's event and drops it when its minute is over; the sweeper starts the job later."""
    with no_room():
        accepted = api.post("/core/e2e/effect", {"path": str(effects), "call": "1"}, ASYNC)
        assert (accepted.status, happened(effects)) == (202, 0)
    job_id = accepted.json()["job_id"]
    let_time_pass(deployment, job_id)
    deployment.sweep()
    wait_for_status(api, job_id, {"succeeded"})
    assert happened(effects) == 1


@pytest.mark.parametrize("headers", [ASYNC, keyed()], ids=["job", "keyed"])
def test_a_ledger_without_capacity(
    headers: Mapping[str, str], deployment: Deployment, api: Api, effects: Path
) -> None:
    """What can't be written down isn't begun, and it is tried a few times at the most."""
    body = {"path": str(effects), "call": "1"}
    with deployment.proxy.throttling("DynamoDB.PutItem"), deployment.proxy.recorded() as calls:
        assert_come_again(api.post("/core/e2e/effect", body, headers))
    assert "Lambda.Invoke" not in calls
    assert 1 < calls.count("DynamoDB.PutItem") <= 4
    assert happened(effects) == 0


def let_time_pass(deployment: Deployment, job_id: str) -> None:
    """Put a job's next turn into the past, as if the sweeper's time had come."""
    deployment.engine.client("dynamodb").update_item(
        TableName=f"{deployment.outputs.table_prefix}executions",
        Key={"job_id": {"S": job_id}},
        UpdateExpression="SET due_at = :past",
        ExpressionAttributeValues={":past": {"N": "1"}},
    )
