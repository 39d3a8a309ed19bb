"""``destroy``: delete a stack."""

import click

from silvaengine_cli import AwsClient
from silvaengine_cli.deployment import Deployment, operator_options
from silvaengine_cli.output import print_result


@click.command()
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@operator_options
def destroy(deployment: Deployment, yes: bool, as_json: bool) -> None:
    """Delete the stack, and those of its packages.

    Functions, APIs and logs go, and so do tables and other data, unless their policy retains them.

    \b
    Examples:
      silvaengine destroy --stack silvaengine-test
      silvaengine destroy --local --yes
    """
    tables = deployment.output("TablePrefix")
    client = deployment.client("cloudformation")
    packages = _package_stacks(client, deployment.stack)
    if not yes:
        also = f" and its packages {', '.join(packages)}" if packages else ""
        click.confirm(
            f"Delete stack {deployment.stack!r}{also} with the tables {tables}* that it doesn't retain?",
            abort=True,
            err=True,
        )
    own = client.describe_stacks(StackName=deployment.stack)["Stacks"][0]["StackId"]
    retained = []
    for stack_id in (*packages.values(), own):  # the packages' need a role of the platform's
        client.delete_stack(StackName=stack_id)
        retained += _wait_for_deletion(client, stack_id, is_local=deployment.is_local)
    text = "\n  retained: ".join([f"stack {deployment.stack} is deleted", *retained])
    print_result({"stack": deployment.stack, "deleted": True, "retained": retained}, text, as_json=as_json)


def _package_stacks(client: AwsClient, stack: str) -> dict[str, str]:
    """Return the ids of the packages' stacks, by the packages' names."""
    pages = client.get_paginator("describe_stacks").paginate()
    ids = {each["StackName"]: each["StackId"] for page in pages for each in page["Stacks"]}
    prefix = f"{stack}-pkg-"
    return {name.removeprefix(prefix): ids[name] for name in sorted(ids) if name.startswith(prefix)}


def _wait_for_deletion(client: AwsClient, stack_id: str, *, is_local: bool) -> list[str]:
    """Wait until the stack is gone, or the engine that `silvaengine dev` ran; return what was retained."""
    from botocore.exceptions import EndpointConnectionError  # lazy: only `destroy` needs it

    try:
        client.get_waiter("stack_delete_complete").wait(
            StackName=stack_id, WaiterConfig={"Delay": 3, "MaxAttempts": 400}
        )
        return _retained(client, stack_id)
    except EndpointConnectionError:
        if not is_local:
            raise
        return []


def _retained(client: AwsClient, stack_id: str) -> list[str]:
    pages = client.get_paginator("list_stack_resources").paginate(StackName=stack_id)
    resources = (resource for page in pages for resource in page["StackResourceSummaries"])
    return [it["PhysicalResourceId"] for it in resources if it["ResourceStatus"] == "DELETE_SKIPPED"]
