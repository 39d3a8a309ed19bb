"""Operations that only a gateway can carry out, since Redis and clients are reached from inside alone.

An operator invokes the gateway's Lambda with an event that no client of an API can send.
"""

import json
from typing import Any

import click

from silvaengine.protocol.json_codec import Json
from silvaengine_cli.deployment import Deployment


def operate(
    deployment: Deployment, operation: str, *, gateway: str = "HttpGatewayArn", **members: Json
) -> dict[str, Any]:
    """Have a gateway, named by an output of the stack, carry out an operation; return its response.

    A member that is None counts as absent.

    Raises:
        ClickException: it was refused or failed; the message is the gateway's.
    """
    request = {name: value for name, value in members.items() if value is not None}
    payload = json.dumps({"silvaengine": {"operation": operation, **request}})
    succeeded, result = deployment.invoke(deployment.output(gateway), payload)
    if not succeeded:
        raise click.ClickException(str(result.get("errorMessage", "the gateway failed")))
    return dict(result)


def announce_rows(deployment: Deployment) -> None:
    """Raise the generation after rows were written, and announce it."""
    deployment.tables().bump_generation()
    announce(deployment)


def announce(deployment: Deployment) -> None:
    """Make all instances see a changed registry at their next request, where there is Redis.

    If that fails, they see it when Redis's copy of the generation expires.
    """
    from botocore.exceptions import ClientError  # lazy: it is slow to import

    if deployment.has_output("RedisHost"):
        try:
            operate(deployment, "registry_changed")
        except (click.ClickException, ClientError) as error:
            click.echo(f"written, but Redis was not updated: instances see it later: {error}", err=True)
