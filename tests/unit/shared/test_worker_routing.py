"""Which Lambda is invoked, and for whom."""

import json
from hashlib import sha256

import pytest

from silvaengine.aws.http import Response
from silvaengine.aws.lambda_invoker import LambdaInvoker
from silvaengine.aws.worker_routing import tenant_id, worker_for
from silvaengine.settings import Settings

LAMBDAS = "arn:aws:lambda:us-east-1:123456789012:function"
OWN, ISOLATED = f"{LAMBDAS}:se-Worker", f"{LAMBDAS}:se-WorkerIsolated"


def payload(endpoint_id: str) -> str:
    """Return a tenant's payload."""
    return json.dumps({"invocation": {"endpoint_id": endpoint_id}, "params": "{}"})


class FakeLambda:
    """Records the headers."""

    def __init__(self) -> None:
        self.headers: list[dict[str, str]] = []

    def post(self, path: str, headers: dict[str, str], body: bytes, seconds: float) -> Response:
        self.headers.append(headers)
        return Response(200, b"HTTP/1.1 200 OK", b"null")


@pytest.mark.parametrize("event", [True, False])
def test_an_isolated_worker_gets_the_tenants_id(event: bool) -> None:
    """Lambda gets the tenant's id with each call of that worker, and of no other, which would refuse it."""
    client = FakeLambda()
    invoker = LambdaInvoker(lambda: client, isolated=frozenset({ISOLATED}))
    for arn in (ISOLATED, OWN):
        invoker.invoke(arn, payload("acme"), event=event)
    assert [headers.get("x-amz-tenant-id") for headers in client.headers] == ["acme", None]


def test_without_an_isolated_worker_no_tenant_id_is_sent() -> None:
    """Lambda would refuse it."""
    client = FakeLambda()
    LambdaInvoker(lambda: client, isolated=frozenset({None})).invoke(OWN, "{}")
    assert "x-amz-tenant-id" not in client.headers[0]


@pytest.mark.parametrize("endpoint_id", ["acme", "a b@c=d-e/f:g.h_i+j", "x" * 256])
def test_a_tenants_own_id_is_taken_where_lambda_takes_it(endpoint_id: str) -> None:
    """An operator finds the tenant's name in Lambda's metrics."""
    assert tenant_id(payload(endpoint_id)) == endpoint_id


@pytest.mark.parametrize("endpoint_id", ["дом", "a*b", "x" * 257, "a\n", ""])
def test_another_id_is_sent_as_a_digest(endpoint_id: str) -> None:
    """No two tenants share environments, whatever they are called."""
    assert tenant_id(payload(endpoint_id)) == f"sha256:{sha256(endpoint_id.encode()).hexdigest()}"


def test_the_isolated_worker_may_be_named() -> None:
    """It is one of the stack's own, like the worker."""
    settings = Settings(worker_arn=OWN, isolated_worker_arn=ISOLATED)
    assert worker_for(ISOLATED, settings) == ISOLATED
