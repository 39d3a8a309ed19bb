"""What an account's quotas leave: packages take roles and stacks, releases code storage, calls executions."""

from collections.abc import Callable, Iterator, Mapping

from silvaengine_cli import AwsClient

# docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
_STACKS = 2000
_NEARLY = 0.9
# Lambda keeps so many executions for the functions that reserve none.
# docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
_UNRESERVED = 100
# The tasks function brings a batch of ten messages to workers side by side, and is an execution itself.
_BATCH = 11
_ADVICE = {
    "IAM roles": "ask for more (Service Quotas, IAM)",
    "stacks": "ask for more (Service Quotas, CloudFormation), or `silvaengine packages delete`",
    "bytes of Lambda's code storage": "`silvaengine releases prune`, or ask for more (Service Quotas)",
}


def find_full_quotas(client: Callable[[str], AwsClient], reserved: int = 0) -> Iterator[str]:
    """Yield a line, with what to do, for each quota of which nine tenths are used, and for few executions.

    Args:
        client: opens a client of a service, by its name.
        reserved: the executions that functions which aren't there yet reserve.
    """
    yield from _concurrency(client("lambda").get_account_settings()["AccountLimit"], reserved)
    for what, (used, quota) in _quotas(client).items():
        if used > _NEARLY * quota:
            yield f"quotas: {used:,} of {quota:,} {what} are used: {_ADVICE[what]}"


def _quotas(client: Callable[[str], AwsClient]) -> dict[str, tuple[int, int]]:
    roles = client("iam").get_account_summary()["SummaryMap"]
    lambdas = client("lambda").get_account_settings()
    used, limit = (lambdas[name]["TotalCodeSize"] for name in ("AccountUsage", "AccountLimit"))
    pages = client("cloudformation").get_paginator("describe_stacks").paginate()
    return {
        "IAM roles": (roles["Roles"], roles["RolesQuota"]),
        "stacks": (sum(len(page["Stacks"]) for page in pages), _STACKS),
        "bytes of Lambda's code storage": (used, limit),
    }


def _concurrency(limits: Mapping[str, int], reserved: int) -> Iterator[str]:
    free = limits["UnreservedConcurrentExecutions"]
    if reserved and free - reserved < _UNRESERVED:
        yield f"concurrency: of {free} executions, {reserved} can't be reserved: {_UNRESERVED} must stay free"
    elif free - reserved < _BATCH:
        yield (
            f"concurrency: a batch of ten messages takes {_BATCH} executions, the account has {free}, and "
            "what is throttled waits for EventQueueVisibilityTimeout: ask for more (Service Quotas, Lambda)"
        )
