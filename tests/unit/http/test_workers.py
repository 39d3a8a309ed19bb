"""Rows that name a former worker's ARN."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from silvaengine.settings import Settings
from silvaengine_http.app import create_handler

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
    serve(world, arn, event_of())
    assert world.invoker.sent[0].arn == invoked


@pytest.mark.parametrize("name", ["unknown", "xnamed_worker", "old_worker_2"])
def test_an_unknown_worker_is_a_bad_gateway(
    name: str, world: Any, event_of: Callable[..., dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither mapped nor listed: 502 without a word of the ARN, which the log names; nothing is invoked."""
    answer = serve(world, f"{LAMBDAS}:{name}", event_of())
    assert answer["statusCode"] == 502
    assert "arn:" not in json.dumps(answer)
    assert not world.invoker.sent


def test_the_log_names_an_unknown_worker(
    world: Any, event_of: Callable[..., dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    """The operator reads which ARN it is and which parameters would take it."""
    serve(world, f"{LAMBDAS}:unknown", event_of())
    assert f"{LAMBDAS}:unknown is neither in WorkerArnMap nor in OtherWorkerArns" in caplog.text


def serve(world: Any, arn: str, event: dict[str, Any]) -> dict[str, Any]:
    """Send an event to a gateway that knows its workers; the function's row names this ARN."""
    world.add("greet", aws_lambda_arn=arn)
    settings = Settings(
        worker_arn=OWN,
        mapped_workers=(f"{LAMBDAS}:old_worker", "named_worker"),
        other_workers=(f"{LAMBDAS}:acme-*",),
    )
    answer: dict[str, Any] = create_handler(settings, world.registry, world.invoker, world.notifier)(
        event, None
    )
    return answer
