"""The log groups of a deployment's Lambdas, found by their names."""

from collections.abc import Mapping

from silvaengine.settings import PACKAGE_MARK
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.packages import PACKAGES_FOLDER
from silvaengine_tasks.usage.log_events import SERVICES, WORKER

RUN_FUNCTIONS = ("Worker", "packages/")
"""How the names of Lambdas begin that run functions."""
PREFIX = "/aws/lambda/"
"""docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html"""


def log_groups(deployment: Deployment) -> Mapping[str, str]:
    """Return the names of the log groups of a stack and of its packages, by Lambda.

    A Lambda is named as in the template, a package's ``packages/shop``. All versions and aliases of a Lambda
    write to one group. Those that run functions come first: they are the cause of what others say.
    """
    stack = PREFIX + deployment.stack
    pages = (
        deployment.client("logs")
        .get_paginator("describe_log_groups")
        .paginate(logGroupNamePrefix=f"{stack}-")
    )
    names = (group["logGroupName"] for page in pages for group in page["logGroups"])
    groups = {_lambda_name(name.removeprefix(stack)): name for name in names}
    in_order = sorted(groups, key=lambda name: (not name.startswith(RUN_FUNCTIONS), name))
    return {name: groups[name] for name in in_order if name}


def service_of(name: str) -> str:
    """Return the one service whose lines a Lambda writes; empty for one that writes none."""
    return WORKER if name.startswith(RUN_FUNCTIONS) else SERVICES.get(name, "")


def _lambda_name(rest: str) -> str:
    """Return a Lambda's name for what its group's has after the stack's; empty for one of another stack."""
    if rest.startswith(PACKAGE_MARK):
        return str(PACKAGES_FOLDER / rest.removeprefix(PACKAGE_MARK))
    name = rest.removeprefix("-")
    return name if name.isalnum() else ""  # as CloudFormation's logical ids
