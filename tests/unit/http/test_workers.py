"""Rows that name a former worker's ARN."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import unquote

import pytest

from silvaengine.aws.http import Response
from silvaengine.aws.lambda_invoker import LambdaInvoker
from silvaengine.aws.worker_routing import worker_for
from silvaengine.ledger.digests import Digests
from silvaengine.ledger.dispatch import Dispatcher
from silvaengine.protocol.messages import WorkerResponse
from silvaengine.settings import Settings
from silvaengine_http.executions import Executions

LAMBDAS = "arn:aws:lambda:us-east-1:123456789012:function"
OWN = f"{LAMBDAS}:new-Worker"


@pytest.mark.parametrize(
    ("arn", "invoked"),
    [
        (OWN, OWN),
        (f"{LAMBDAS}:old_worker", OWN),
        (f"{LAMBDAS}:named_worker", OWN),
        (f"{LAMBDAS}:acme-worker", f"{LAMBDAS}:acme-worker"),
    ],
)
def test_a_former_worker_means_this_stacks(
    arn: str, invoked: str, world: Any, event_of: Callable[..., dict[str, Any]]
) -> None:
    """By ARN or by name a mapped worker's calls go to the stack's; a listed one is invoked itself."""
    response, arns = serve(world, arn, event_of())
    assert response["statusCode"] == 200
    assert arns == [invoked]


@pytest.mark.parametrize("name", ["new-Worker", "old_worker", "acme-worker"])
def test_rows_name_a_worker_without_its_alias(
    name: str, world: Any, event_of: Callable[..., dict[str, Any]]
) -> None:
    """The alias is the deployment's, so that code moves and rows stay; another worker has none of it."""
    _, arns = serve(world, f"{LAMBDAS}:{name}", event_of(), alias="live")
    assert arns == [f"{LAMBDAS}:acme-worker" if name == "acme-worker" else f"{OWN}:live"]


@pytest.mark.parametrize("wish", ["wait=5", "respond-async"])
@pytest.mark.parametrize("name", ["unknown", "xnamed_worker", "old_worker_2"])
def test_an_unknown_worker_is_a_bad_gateway(
    name: str, wish: str, world: Any, event_of: Callable[..., dict[str, Any]]
) -> None:
    """Neither mapped nor listed: 502 without a word of the ARN, which the log names; nothing is invoked."""
    response, arns = serve(world, f"{LAMBDAS}:{name}", event_of(headers={"Prefer": wish}))
    assert response["statusCode"] == 502
    assert "arn:" not in json.dumps(response)
    assert not arns


def test_the_log_names_an_unknown_worker(
    world: Any, event_of: Callable[..., dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    """The operator reads which ARN it is and which parameters would take it."""
    serve(world, f"{LAMBDAS}:unknown", event_of())
    assert f"{LAMBDAS}:unknown is neither in WorkerArnMap nor in OtherWorkerArns" in caplog.text


class FakeLambda:
    """Answers every Invoke, and remembers the paths."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    def post(self, path: str, headers: dict[str, str], body: bytes, seconds: float) -> Response:
        self.paths.append(unquote(path))
        return Response(200, b"HTTP/1.1 200 OK", json.dumps(WorkerResponse("text", "{}").encode()).encode())


def serve(
    world: Any, arn: str, event: dict[str, Any], alias: str | None = None
) -> tuple[dict[str, Any], list[str]]:
    """Send an event to a gateway that knows its workers; return the response and the invoked Lambdas."""
    world.add("greet", aws_lambda_arn=arn)
    settings = Settings(
        worker_arn=OWN,
        worker_alias=alias,
        mapped_workers=(f"{LAMBDAS}:old_worker", "named_worker"),
        other_workers=(f"{LAMBDAS}:acme-*",),
    )
    client = FakeLambda()
    invoker = LambdaInvoker(
        lambda: client, worker_for=partial(worker_for, settings=settings), clock=lambda: world.now
    )
    executions = Executions(
        world.ledger, Dispatcher(invoker, world.payloads), world.payloads, Digests(lambda: b"secret"), 300.0
    )
    response = world.handler_of(settings, invoker, executions)(event, None)
    return response, [path.split("/")[3] for path in client.paths]
