"""A file's tests find the shared stack as it was, whatever those before them have left."""

import pytest

from silvaengine.tables import ADOPTABLE

from .baseline import Baseline
from .conftest import Deployment
from .registry_rows import ENDPOINT


def test_what_is_left_is_taken_back(deployment: Deployment) -> None:
    """Rows that were added, changed and deleted, and messages."""
    engine, prefix = deployment.engine, deployment.outputs.table_prefix
    tables, baseline = engine.client("dynamodb"), Baseline(engine, prefix)

    def rows() -> list[object]:
        scanned = (tables.scan(TableName=prefix + table.name)["Items"] for table in ADOPTABLE[:4])
        return [sorted(map(str, items)) for items in scanned]

    before = rows()
    deployment.rows.put("connections", endpoint_id="1", api_key="everywhere", functions=[])
    deployment.rows.put("endpoints", endpoint_id=ENDPOINT, special_connection=False)
    worker = {"aws_lambda_arn": {"S": deployment.outputs.worker_arn}, "function": {"S": "hello"}}
    tables.delete_item(TableName=f"{prefix}functions", Key=worker)
    engine.client("sqs").send_message(QueueUrl=deployment.dead_letter_queue, MessageBody="{}")
    assert rows() != before
    baseline.restore()
    assert rows() == before
    assert deployment.dead_letters() == []


def test_a_setting_that_is_left_changed_is_named(deployment: Deployment) -> None:
    """The test that changes it knows best how to restore it."""
    functions, worker = deployment.engine.client("lambda"), deployment.outputs.worker_arn
    baseline = Baseline(deployment.engine, deployment.outputs.table_prefix)
    functions.put_function_concurrency(FunctionName=worker, ReservedConcurrentExecutions=5)
    try:
        with pytest.raises(AssertionError, match=r"^left changed: Worker$"):
            baseline.restore()
    finally:
        functions.delete_function_concurrency(FunctionName=worker)
