"""What an account's quotas leave: each package takes a role and a stack, each release of it code storage."""

from collections.abc import Callable, Iterator

from silvaengine_cli import AwsClient

# docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
_STACKS = 2000
_NEARLY = 0.9
_ADVICE = {
    "IAM roles": "ask for more (Service Quotas, IAM)",
    "stacks": "ask for more (Service Quotas, CloudFormation), or `silvaengine packages delete`",
    "bytes of Lambda's code storage": "`silvaengine releases prune`, or ask for more (Service Quotas)",
}


def find_full_quotas(client: Callable[[str], AwsClient]) -> Iterator[str]:
    """Yield a line, with what to do, for each quota of which nine tenths are used."""
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
