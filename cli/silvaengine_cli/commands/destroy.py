"""``destroy``: take a stack away again."""

from typing import Any

import click

from silvaengine_cli.output import json_option, print_json
from silvaengine_cli.target import Deployment, target_options


@click.command()
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@json_option
@target_options
def destroy(target: Deployment, yes: bool, as_json: bool) -> None:
    """Delete the stack.

    Functions, APIs and logs go, and so do the tables, unless their policy retains them.

    \b
    Examples:
      silvaengine destroy --stack silvaengine-test
      silvaengine destroy --local --yes
    """
    tables = target.output("TablePrefix")
    if not yes:
        click.confirm(
            f"Delete stack {target.stack!r} with the tables {tables}* that it doesn't retain?",
            abort=True,
            err=True,
        )
    client = target.client("cloudformation")
    stack_id = client.describe_stacks(StackName=target.stack)["Stacks"][0]["StackId"]
    client.delete_stack(StackName=stack_id)
    retained = _after_deletion(client, stack_id, is_local=target.is_local)
    if as_json:
        print_json({"stack": target.stack, "deleted": True, "retained": retained})
        return
    click.echo(f"stack {target.stack} is deleted")
    for name in retained:
        click.echo(f"  retained: {name}")


def _after_deletion(client: Any, stack_id: str, *, is_local: bool) -> list[str]:  # noqa: ANN401 - a boto3 client
    """Wait until the stack is gone, or with it the engine of `silvaengine dev`; return what was retained."""
    from botocore.exceptions import EndpointConnectionError  # slow; see Target.client

    try:
        client.get_waiter("stack_delete_complete").wait(
            StackName=stack_id, WaiterConfig={"Delay": 3, "MaxAttempts": 400}
        )
        return _retained(client, stack_id)
    except EndpointConnectionError:
        if not is_local:
            raise
        return []


def _retained(client: Any, stack_id: str) -> list[str]:  # noqa: ANN401 - a boto3 client
    pages = client.get_paginator("list_stack_resources").paginate(StackName=stack_id)
    resources = (resource for page in pages for resource in page["StackResourceSummaries"])
    return [it["PhysicalResourceId"] for it in resources if it["ResourceStatus"] == "DELETE_SKIPPED"]
