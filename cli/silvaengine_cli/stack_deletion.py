"""Deleting stacks, and what stays of them."""

from silvaengine.settings import PACKAGE_MARK
from silvaengine_cli import AwsClient
from silvaengine_cli.deployment import Deployment


def find_stack(cloudformation: AwsClient, name: str) -> str | None:
    """Return a stack's id, None if there is none of the name."""
    try:
        return str(cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackId"])
    except cloudformation.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":
            raise
        return None


def package_stacks(cloudformation: AwsClient, stack: str) -> list[str]:
    """Return the names of the packages that have a stack on a deployment."""
    pages = cloudformation.get_paginator("describe_stacks").paginate()
    prefix = stack + PACKAGE_MARK
    names = (each["StackName"] for page in pages for each in page["Stacks"])
    return sorted(name.removeprefix(prefix) for name in names if name.startswith(prefix))


def delete_stack(deployment: Deployment, stack_id: str) -> list[str]:
    """Delete a stack, and wait until it is gone, or the engine that it was on; return what it retained."""
    from botocore.exceptions import EndpointConnectionError  # lazy: only what deletes needs it

    cloudformation = deployment.client("cloudformation")
    cloudformation.delete_stack(StackName=stack_id)
    try:
        cloudformation.get_waiter("stack_delete_complete").wait(
            StackName=stack_id, WaiterConfig={"Delay": 1 if deployment.is_local else 3, "MaxAttempts": 400}
        )
        return _retained(cloudformation, stack_id)
    except EndpointConnectionError:  # `silvaengine dev` has ended meanwhile
        if not deployment.is_local:
            raise
        return []


def _retained(cloudformation: AwsClient, stack_id: str) -> list[str]:
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack_id)
    events = (event for page in pages for event in page["StackEvents"])
    kept = (each["PhysicalResourceId"] for each in events if each["ResourceStatus"] == "DELETE_SKIPPED")
    return sorted(set(kept))
