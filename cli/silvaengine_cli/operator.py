"""What only the deployment itself can do, since Redis is reached from inside its network alone.

The HTTP gateway's Lambda does it when an operator invokes it with an event that no client of an API can send.
"""

import json
from typing import Any

import click

from silvaengine_cli.target import Target


def operate(target: Target, operation: str, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON values
    """Have the gateway carry out an operation and give its answer.

    Raises:
        ClickException: it was refused or failed; the words are the gateway's.
    """
    members = {name: value for name, value in request.items() if value is not None}
    answer = target.client("lambda").invoke(
        FunctionName=target.output("HttpGatewayArn"),
        Payload=json.dumps({"silvaengine": {"operation": operation, **members}}),
    )
    result: dict[str, Any] = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise click.ClickException(str(result.get("errorMessage", "the gateway failed")))
    return result


def announce(target: Target) -> None:
    """Let every instance see a changed registry at its next request, where Redis tells them.

    If that fails they see it all the same, when Redis's copy of the generation ends.
    """
    if target.has_output("RedisHost"):
        try:
            operate(target, "registry_changed")
        except click.ClickException as error:
            click.echo(f"written, but Redis couldn't be told, so that it is seen later: {error}", err=True)
