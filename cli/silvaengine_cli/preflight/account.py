"""What an account has, or lacks, that a stack on paper would meet when it is made there."""

from collections.abc import Callable, Iterator
from typing import Any

from silvaengine_cli import AwsClient
from silvaengine_cli.preflight.quotas import find_full_quotas
from silvaengine_cli.preflight.stack import Stack

# In this state a stack can only be deleted, and what it retains is there already.
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
_FAILED = "ROLLBACK_COMPLETE"
_INSTEAD = {
    "KeyPepper": "deploy with KeyPepperSecret={name}, which keeps the API keys of these tables",
    "LedgerSecret": "deploy with LedgerKeySecret={name}, which keeps the executions of these tables",
    "ExecutionsTable": "deploy with CreateExecutionsTable=false",
    "EventBucket": "deploy with EventBucketName={name} instead of NewEventBucketName",
}


def find_in_account(stack: Stack, client: Callable[[str], AwsClient]) -> Iterator[str]:
    """Yield a line, with what to do, for all that would fail or starve the stack in a client's account."""
    status = _status(client("cloudformation"), stack.name)
    if status == _FAILED:
        yield f"stack {stack.name}: its first deployment failed ({status}): delete it, and deploy again"
    if status in {None, _FAILED, "REVIEW_IN_PROGRESS"}:
        yield from _taken_names(stack, client)
    yield from find_full_quotas(client, _reserved(stack))
    logs_access = stack.parameters["AccessLogs"] == "true"
    if logs_access and "cloudwatchRoleArn" not in client("apigateway").get_account():
        yield "AccessLogs: API Gateway has no CloudWatch role in this Region's settings (docs/deploy.md)"


def _status(cloudformation: AwsClient, name: str) -> str | None:
    try:
        (description,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except cloudformation.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":
            raise
        return None
    return str(description["StackStatus"])


def _taken_names(stack: Stack, client: Callable[[str], AwsClient]) -> Iterator[str]:
    """Yield what an earlier stack of this name, or somebody else, left: what is retained blocks a new one."""
    finders = {
        "AWS::SecretsManager::Secret": _secret,
        "AWS::DynamoDB::Table": _table,
        "AWS::S3::Bucket": _bucket,
        "AWS::Logs::LogGroup": _log_group,
        "AWS::Lambda::Function": _function,
    }
    for kind, find in finders.items():
        for logical_id in stack.of_type(kind):
            if (name := stack.own_name(logical_id)) and (found := find(client, name)):
                instead = _INSTEAD.get(logical_id, "deploy with CreateTables=false" if find is _table else "")
                advice = instead.format(name=name) or "delete it, or deploy under another name"
                yield f"{logical_id}: {found}: {advice}"


def _secret(client: Callable[[str], AwsClient], name: str) -> str:
    found = _described(client("secretsmanager"), "describe_secret", SecretId=name)
    if found and "DeletedDate" in found:
        return f"the secret {name} is to be deleted; `aws secretsmanager restore-secret` it first, and then"
    return f"there is a secret {name}" if found else ""


def _table(client: Callable[[str], AwsClient], name: str) -> str:
    found = _described(client("dynamodb"), "describe_table", TableName=name)
    return f"there is a table {name}" if found else ""


def _function(client: Callable[[str], AwsClient], name: str) -> str:
    found = _described(client("lambda"), "get_function_configuration", FunctionName=name)
    return f"there is a function {name}" if found else ""


def _described(service: AwsClient, operation: str, **which: str) -> dict[str, Any] | None:
    """Return what a service says of a resource, None if there is no such one."""
    try:
        found: dict[str, Any] = getattr(service, operation)(**which)
    except service.exceptions.ResourceNotFoundException:
        return None
    return found


def _bucket(client: Callable[[str], AwsClient], name: str) -> str:
    s3 = client("s3")
    try:
        s3.head_bucket(Bucket=name)
    except s3.exceptions.ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return ""
        return f"there is a bucket {name}, which isn't this account's"
    return f"there is a bucket {name}"


def _log_group(client: Callable[[str], AwsClient], name: str) -> str:
    groups = client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return f"there is a log group {name}" if name in (group["logGroupName"] for group in groups) else ""


def _reserved(stack: Stack) -> int:
    functions = stack.of_type("AWS::Lambda::Function").values()
    return sum(int(each["Properties"].get("ReservedConcurrentExecutions", 0)) for each in functions)
