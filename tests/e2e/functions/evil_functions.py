"""A tenant's function that looks for everything that isn't its own; it answers what it found."""

import gc
import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from botocore.session import Session

from silvaengine_base import current_invocation

_session = Session()


def environment() -> list[str]:
    """Name what the environment holds."""
    return sorted(os.environ)  # noqa: TID251 - what any function can do


def leave_text(text: str) -> None:
    """Leave a text where the next call may find it."""
    Path("/tmp/evil").write_text(text)  # noqa: S108 - the point of it
    vars(sys.modules[__name__])["left"] = text
    os.environ["EVIL"] = text  # noqa: TID251 - likewise


def find(text: str) -> Mapping[str, bool]:
    """Look for a text that another tenant's call had or left."""
    current = current_invocation()
    return {
        "file": Path("/tmp/evil").exists() and text in Path("/tmp/evil").read_text(),  # noqa: S108 - see above
        "module": text in str(vars(sys.modules[__name__]).get("left")),
        "environment": text in os.environ.get("EVIL", ""),  # noqa: TID251 - likewise
        "settings": text in str(current.settings),
        "context": text in str(current),
        "objects": any(type(one) is dict and one.get("greeting") == text for one in gc.get_objects()),
    }


def reach(prefix: str, lambdas: Mapping[str, str], job: str, bucket: str) -> Mapping[str, str]:
    """Try each AWS call with the role that functions share; answer how each one ended.

    Args:
        prefix: of the tables.
        lambdas: their names.
        job: the id of another tenant's job.
        bucket: of large contents.
    """
    dynamodb, invoke = _client("dynamodb"), _client("lambda").invoke
    key = {"TableName": f"{prefix}executions", "Key": {"job_id": {"S": job}}}
    change = {
        "UpdateExpression": "SET #owner = :o",
        "ExpressionAttributeNames": {"#owner": "owner"},
        "ExpressionAttributeValues": {":o": {"S": "guessed"}},
    }
    guessed = {**key, **change, "ConditionExpression": "#owner = :o"}
    attempts: dict[str, Callable[[], Any]] = {
        "scan the ledger": lambda: dynamodb.scan(TableName=f"{prefix}executions"),
        "read a job": lambda: dynamodb.get_item(**key),
        "delete a job": lambda: dynamodb.delete_item(**key),
        "read a job by changing it": lambda: dynamodb.update_item(**guessed, ReturnValues="ALL_OLD"),
        "read a job by failing to change it": lambda: dynamodb.update_item(
            **guessed, ReturnValuesOnConditionCheckFailure="ALL_OLD"
        ),
        "take a job without its token": lambda: dynamodb.update_item(**guessed),
        "change what a job is about": lambda: dynamodb.update_item(
            **key,
            UpdateExpression="SET content = :o",
            ExpressionAttributeValues={":o": {"S": "{}"}},
        ),
        "read a secret": lambda: _client("secretsmanager").get_secret_value(SecretId=lambdas["secret"]),
        "read a parameter": lambda: _client("ssm").get_parameter(Name="/silvaengine/beta/e2e"),
        "read another's large content": lambda: _client("s3").get_object(Bucket=bucket, Key="calls/x"),
        "list large contents": lambda: _client("s3").list_objects_v2(Bucket=bucket),
        "invoke the gateway": lambda: invoke(FunctionName=lambdas["gateway"], Payload=b"{}"),
        "invoke a worker": lambda: invoke(FunctionName=lambdas["worker"], Payload=b"{}"),
        "invoke tasks": lambda: invoke(FunctionName=lambdas["tasks"], InvocationType="DryRun"),
        "assume the gateway's role": lambda: _client("sts").assume_role(
            RoleArn=lambdas["role"], RoleSessionName="evil"
        ),
        "list functions": lambda: _client("lambda").list_functions(),
        "list queues": lambda: _client("sqs").list_queues(),
        **{
            f"read {table}": partial(dynamodb.scan, TableName=f"{prefix}{table}")
            for table in ("endpoints", "connections", "functions", "hooks", "wss-connections", "configdata")
        },
    }
    return {name: _outcome(attempt) for name, attempt in attempts.items()}


def _client(service: str) -> Any:
    return _session.create_client(service, "us-east-1")


def _outcome(attempt: Callable[[], Any]) -> str:
    try:
        attempt()
    except ClientError as error:
        if "Item" in error.response:
            return "told"
        code: str = error.response["Error"]["Code"]
        return "denied" if "AccessDenied" in code or code == "403" else code
    return "done"
