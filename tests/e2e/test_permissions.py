"""IAM as the engine enforces it: what each Lambda's role may and may not do."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from .conftest import Deployment, with_role
from .http_client import Api
from .registry_rows import API_KEY

TABLES = (
    *("endpoints", "connections", "functions", "hooks", "wss-connections", "configdata", "packages"),
    "usage",
)


def assumed(deployment: Deployment, function_arn: str, service: str) -> Any:
    """Return a client that has the role of a Lambda."""
    role = deployment.engine.client("lambda").get_function_configuration(FunctionName=function_arn)["Role"]
    return with_role(deployment.engine, role, service)


@pytest.mark.parametrize("table", TABLES)
def test_a_function_can_not_read_the_registry(api: Api, deployment: Deployment, table: str) -> None:
    """The worker's role, which functions share, opens no table of the registry."""
    name = deployment.outputs.table_prefix + table
    response = api.get(f"/core/e2e/read_table?table={name}", {"x-api-key": API_KEY})
    assert response.json() == "AccessDeniedException"


@pytest.mark.parametrize("table", [name for name in TABLES if name != "configdata"])
def test_the_gateway_can_not_write(deployment: Deployment, table: str) -> None:
    """The HTTP gateway reads the registry and changes nothing in it.

    In configdata it writes the rows about clears alone, by a condition that the engine doesn't look at
    (test_engine_probes.py); tests/rules reads it off the template.
    """
    tables = assumed(deployment, deployment.outputs.http_gateway_arn, "dynamodb")
    with pytest.raises(ClientError, match="AccessDenied"):
        tables.put_item(TableName=deployment.outputs.table_prefix + table, Item={"endpoint_id": {"S": "x"}})


def test_the_gateway_invokes_the_worker_alone(deployment: Deployment) -> None:
    """The HTTP gateway may invoke the worker and no other Lambda."""
    functions = assumed(deployment, deployment.outputs.http_gateway_arn, "lambda")
    functions.invoke(FunctionName=deployment.outputs.worker_arn, InvocationType="DryRun")
    with pytest.raises(ClientError, match="AccessDenied"):
        functions.invoke(FunctionName=deployment.outputs.tasks_arn, InvocationType="DryRun")
