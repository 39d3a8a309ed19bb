"""T2: the second worker, with environments of each tenant's own; the engine has but the calls' form."""

import pytest

from .conftest import Deployment
from .http_client import Api
from .registry_rows import API_KEY

TENANTS = ("e2e-isolated-a", "e2e-isolated-b")
KEY = {"x-api-key": API_KEY}


@pytest.fixture(scope="module")
def worker_arn(deployment: Deployment) -> str:
    """The isolated worker, with a function that two tenants may call."""
    arn = f"{deployment.outputs.worker_arn}Isolated"
    deployment.rows.put_function(arn, "number")
    for tenant in TENANTS:
        deployment.rows.put("endpoints", endpoint_id=tenant, special_connection=True)
        entry = {"aws_lambda_arn": arn, "function": "number", "setting": ""}
        deployment.rows.put("connections", endpoint_id=tenant, api_key=API_KEY, functions=[entry])
    return arn


@pytest.mark.parametrize("tenant", TENANTS)
def test_t2_every_call_of_an_isolated_worker_says_whose_it_is(
    tenant: str, worker_arn: str, api: Api, deployment: Deployment
) -> None:
    """A call that waits, a keyed one and a job carry the tenant's id to Lambda; ordinary workers get none."""
    path = f"/core/{tenant}/number?name=x"
    assert api.get(path, KEY).status == 200
    assert api.post(path, {}, {**KEY, "idempotency-key": f"{tenant}-1"}).status == 200
    assert api.post(path, {}, {**KEY, "prefer": "respond-async"}).status == 202
    assert api.get("/core/demo/hello").status == 200
    names = deployment.proxy.tenant_ids
    assert tenant in names[worker_arn.rpartition(":")[2]] <= set(TENANTS)
    assert names[deployment.outputs.worker_arn.rpartition(":")[2]] == {None}
