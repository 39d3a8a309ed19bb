"""What only the deployment itself can do, since Redis and its clients are reached from inside alone.

A gateway's Lambda does it when an operator invokes it with an event that no client of an API can send.
"""

import json
from typing import Any

import click

from silvaengine_cli.target import Deployment


def operate(
    target: Deployment,
    operation: str,
    *,
    gateway: str = "HttpGatewayArn",
    **request: Any,  # noqa: ANN401 - JSON values
) -> dict[str, Any]:
    """Have a gateway carry out an operation and give its answer.

    Args:
        target: the deployment.
        operation: what the gateway calls it.
        gateway: the stack's output that names the Lambda.
        request: what the operation takes; None counts as absent.

    Raises:
        ClickException: it was refused or failed; the words are the gateway's.
    """
    members = {name: value for name, value in request.items() if value is not None}
    answer = target.client("lambda").invoke(
        FunctionName=target.output(gateway),
        Payload=json.dumps({"silvaengine": {"operation": operation, **members}}),
    )
    result: dict[str, Any] = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise click.ClickException(str(result.get("errorMessage", "the gateway failed")))
    return result


def announce(target: Deployment) -> None:
    """Let every instance see a changed registry at its next request, where Redis tells them.

    If that fails they see it all the same, when Redis's copy of the generation ends.
    """
    if target.has_output("RedisHost"):
        try:
            operate(target, "registry_changed")
        except click.ClickException as error:
            click.echo(f"written, but Redis couldn't be told, so that it is seen later: {error}", err=True)
