"""Deploys a run's stack, on AWS or on an engine: a copy of the project with the functions that tests call."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from silvaengine_cli import AwsClient
from silvaengine_cli.deploy import account_environment, run_sam
from silvaengine_cli.deployment import Deployment

TESTS = Path("tests") / "prove"
_LEFT_OUT = shutil.ignore_patterns(
    ".*_cache",
    ".coverage*",
    ".git",
    ".hypothesis",
    ".silvaengine",
    ".aws-sam",
    ".venv",
    ".bootstrap",
    "__pycache__",
    "dist",
)
_TOOLS = (".venv", ".bootstrap")


def copy_project(project: Path, target: Path) -> Path:
    """Copy what is in the repository, and lead to the tools that were set up; return the copy."""
    shutil.copytree(project, target, symlinks=True, ignore=_LEFT_OUT)
    link_tools(project, target)
    return target


def link_tools(project: Path, target: Path) -> None:
    """Let a copy of a project be built with the tools that were set up in the project."""
    for tools in _TOOLS:
        if (project / tools).exists():
            (target / tools).symlink_to(project / tools)


def copy_with_functions(project: Path, target: Path) -> Path:
    """Copy a project, with the functions that the tests call among the worker's; return the copy."""
    functions = copy_project(project, target) / "services" / "worker" / "functions"
    shutil.copytree(project / TESTS / "functions", functions, dirs_exist_ok=True)
    return target


def parameters(name: str, topic_arn: str = "", stream_arn: str = "") -> dict[str, str]:
    """Return the template's parameters for a run, but for an engine's."""
    return {
        "Architecture": os.environ.get("ARCHITECTURE") or "x86_64",  # as packaging reads it
        "TablePrefix": f"{name}-",
        "TablesDeletionPolicy": "Delete",
        "LogRetentionDays": "1",
        "MakeFifoQueue": "true",
        "IsolatedWorker": "true",
        "NewEventBucketName": f"{name}-inbox",
        "EventTopicArn": topic_arn,
        "EventStreamArn": stream_arn,
        "EventRuleSources": name,
        "EventSchedule": "rate(1 minute)",
        "EventSchedules": "minutely=rate(1 minute),never=cron(0 0;12 1 1 ? 2099)",
        # Short, so that a message fails five times within minutes: a queue hides messages for as long as its
        # function may run, at the least.
        # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
        "WorkerTimeout": "15",
        "TasksTimeout": "45",
        "EventQueueVisibilityTimeout": "45",
    }


def make_sources(deployment: Deployment, name: str) -> dict[str, str]:
    """Make what has to be there before the stack; return the run's parameters with it.

    These are a topic, a table with a stream, and the bucket for sam's artefacts.
    """
    topic = deployment.client("sns").create_topic(Name=f"{name}-news")["TopicArn"]
    tables = deployment.client("dynamodb")
    orders = tables.create_table(
        TableName=f"{name}-orders",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )["TableDescription"]
    tables.get_waiter("table_exists").wait(TableName=f"{name}-orders", WaiterConfig={"Delay": 2})
    _make_bucket(deployment.client("s3"), f"{name}-artefacts")
    values = parameters(name, topic, orders["LatestStreamArn"])
    has_role = "cloudwatchRoleArn" in deployment.client("apigateway").get_account()
    return values | ({"AccessLogs": "true"} if has_role else {})


def _make_bucket(s3: AwsClient, name: str) -> None:
    region = s3.meta.region_name
    # us-east-1 is said by saying nothing: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=name, **where)


def build(project: Path) -> None:
    """Run `sam build` on the copy; raise DeployError if it fails."""
    run_sam(["build"], project, {})


def deploy(
    project: Path,
    deployment: Deployment,
    name: str,
    values: Mapping[str, str],
    tags: Mapping[str, str],
    *options: str,
) -> None:
    """Run `sam deploy` with these parameters, tags and further options; raise DeployError if it fails."""
    url = deployment.endpoint_url
    if url:
        # The engine lets a queue hide messages for less time, and what fails comes again sooner.
        local = {"LocalEndpoint": url, "AwsEndpointUrl": url, "EventQueueVisibilityTimeout": "10"}
        values = {**values, **local}
    run_sam(
        [
            "deploy",
            *options,
            *("--stack-name", name, "--s3-bucket", f"{name}-artefacts", "--no-fail-on-empty-changeset"),
            *("--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"),
            *("--tags", *(f"{key}={value}" for key, value in tags.items())),
            *("--parameter-overrides", *(f'{key}="{value}"' for key, value in values.items() if value)),
        ],
        project,
        account_environment(deployment),
    )
