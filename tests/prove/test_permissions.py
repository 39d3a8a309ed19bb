"""What AWS must deny to the code of functions, tried by a function."""

import time
from typing import Any

import pytest

from .conftest import Target

DENIED = "AccessDeniedException"


def attempt(target: Target, service: str, operation: str, **arguments: Any) -> str:
    """Have a function try a call of AWS; return the error code, or `allowed`."""
    wish = {"service": service, "operation": operation, "arguments": arguments}
    response = target.api.post("/core/prove/attempt", wish)
    assert response.status == 200, response.text
    return str(response.json())


@pytest.mark.parametrize("table", ["endpoints", "connections", "functions", "configdata", "executions"])
def test_no_table_can_be_read(target: Target, table: str) -> None:
    """Functions read neither the registry nor the ledger."""
    assert attempt(target, "dynamodb", "scan", TableName=target.table(table)) == DENIED


def test_no_secret_can_be_read(target: Target) -> None:
    """Functions don't get the secret of the API keys."""
    secret = target.output("KeyPepper")
    assert attempt(target, "secretsmanager", "get_secret_value", SecretId=secret) == DENIED


def test_no_other_lambda_can_be_invoked(target: Target) -> None:
    """Functions invoke neither a gateway nor the worker."""
    for name in ("HttpGatewayArn", "WorkerArn", "SweeperArn"):
        assert attempt(target, "lambda", "invoke", FunctionName=target.output(name)) == DENIED


@pytest.mark.aws_only("the local engine doesn't tell an alias from its name")
@pytest.mark.proves("events-alias-denied")
def test_the_alias_of_event_sources_is_denied(target: Target) -> None:
    """Functions can't send what only event sources may send, however they name the alias."""
    tasks, alias = target.output("TasksArn"), target.output("TasksEventsArn")
    assert attempt(target, "lambda", "invoke", FunctionName=alias) == DENIED
    assert attempt(target, "lambda", "invoke", FunctionName=tasks, Qualifier="events") == DENIED


@pytest.mark.aws_only("the local engine doesn't look at the conditions of DynamoDB's policies")
@pytest.mark.proves("ledger-conditions")
@pytest.mark.parametrize("assigned", ["params", "due_shard"])
def test_a_function_changes_no_content_of_a_job(target: Target, assigned: str) -> None:
    """`dynamodb:Attributes` denies the attributes that the policy doesn't list."""
    assert update(target, f"SET {assigned} = :v") == DENIED


@pytest.mark.aws_only("the local engine doesn't look at the conditions of DynamoDB's policies")
@pytest.mark.proves("return-values")
@pytest.mark.parametrize(
    "more",
    [
        {"ReturnValues": "ALL_OLD"},
        {"ReturnValuesOnConditionCheckFailure": "ALL_OLD", "ConditionExpression": "attribute_exists(job_id)"},
    ],
    ids=["ReturnValues", "ReturnValuesOnConditionCheckFailure"],
)
def test_a_function_reads_no_job_by_changing_it(target: Target, more: dict[str, str]) -> None:
    """`dynamodb:ReturnValues` denies whatever returns a row."""
    assert update(target, "SET cause = :v", **more) == DENIED


def update(target: Target, expression: str, **more: str) -> str:
    """Have a function try to change a row of the ledger that isn't there."""
    return attempt(
        target,
        "dynamodb",
        "update_item",
        TableName=target.table("executions"),
        Key={"job_id": {"S": f"prove-{time.time_ns()}"}},
        UpdateExpression=expression,
        ExpressionAttributeValues={":v": {"S": "x"}},
        **more,
    )


@pytest.mark.aws_only("the local engine knows no plain HTTP beside TLS")
@pytest.mark.proves("tls-only")
def test_plain_http_is_refused(target: Target) -> None:
    """The bucket's policy denies what doesn't come over TLS, even to its owner."""
    s3 = target.deployment.client("s3", f"http://s3.{target.client('s3').meta.region_name}.amazonaws.com")
    with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
        s3.list_objects_v2(Bucket=target.output("PayloadBucket"))
