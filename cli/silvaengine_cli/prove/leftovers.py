"""What runs have left in an account, found by the names of runs, and its deletion."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from silvaengine_cli import AwsClient
from silvaengine_cli.prove.names import run_of

type Clients = Callable[[str], AwsClient]


@dataclass(frozen=True, slots=True)
class Leftover:
    """A resource that a run has made; the reason is why it can't be deleted, if that is known."""

    kind: str
    name: str
    run: str
    reason: str = ""

    def __str__(self) -> str:
        """Return a line about it."""
        return f"{self.kind} {self.name}{self.reason and f': {self.reason}'}"


@dataclass(frozen=True, slots=True)
class _Kind:
    """Where a service lists resources of a kind, and how it deletes one.

    The query yields names, or pairs of a name and the id that the deletion takes.
    """

    service: str
    listing: str
    query: str
    deletion: str
    argument: str
    listing_options: Mapping[str, Any] = field(default_factory=dict)
    deletion_options: Mapping[str, Any] = field(default_factory=dict)


# In the order of deletion: a stack deletes its own, but no bucket with something in it.
_KINDS: Mapping[str, _Kind] = {
    "stack": _Kind("cloudformation", "describe_stacks", "Stacks[].StackName", "delete_stack", "StackName"),
    "mapping": _Kind(
        "lambda",
        "list_event_source_mappings",
        "EventSourceMappings[].[FunctionArn, UUID]",
        "delete_event_source_mapping",
        "UUID",
    ),
    "function": _Kind(
        "lambda", "list_functions", "Functions[].FunctionName", "delete_function", "FunctionName"
    ),
    "layer": _Kind("lambda", "list_layers", "Layers[].LayerName", "delete_layer_version", "LayerName"),
    "REST API": _Kind("apigateway", "get_rest_apis", "items[].[name, id]", "delete_rest_api", "restApiId"),
    "API": _Kind("apigatewayv2", "get_apis", "Items[].[Name, ApiId]", "delete_api", "ApiId"),
    "bucket": _Kind("s3", "list_buckets", "Buckets[].Name", "delete_bucket", "Bucket"),
    "rule": _Kind("events", "list_rules", "Rules[].Name", "delete_rule", "Name"),
    "topic": _Kind("sns", "list_topics", "Topics[].TopicArn", "delete_topic", "TopicArn"),
    # SQS has pages only for whom it tells their size.
    "queue": _Kind("sqs", "list_queues", "QueueUrls[]", "delete_queue", "QueueUrl", {"MaxResults": 1000}),
    "table": _Kind("dynamodb", "list_tables", "TableNames[]", "delete_table", "TableName"),
    "secret": _Kind(
        "secretsmanager",
        "list_secrets",
        "SecretList[].[Name, ARN]",
        "delete_secret",
        "SecretId",
        {"IncludePlannedDeletion": True},
        {"ForceDeleteWithoutRecovery": True},
    ),
    "composite alarm": _Kind(
        "cloudwatch",
        "describe_alarms",
        "CompositeAlarms[].AlarmName",
        "delete_alarms",
        "AlarmNames",
        {"AlarmTypes": ["CompositeAlarm"]},
    ),
    "alarm": _Kind(
        "cloudwatch", "describe_alarms", "MetricAlarms[].AlarmName", "delete_alarms", "AlarmNames"
    ),
    "log group": _Kind(
        "logs", "describe_log_groups", "logGroups[].logGroupName", "delete_log_group", "logGroupName"
    ),
    "role": _Kind("iam", "list_roles", "Roles[].RoleName", "delete_role", "RoleName"),
}
_WAITERS = {"stack": "stack_delete_complete", "table": "table_not_exists"}
# What is deleted is listed for a while: a queue for a minute.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteQueue.html
_SECONDS = 120.0
_PAUSE = 5.0


def find(client: Clients, wanted: Callable[[str], bool]) -> list[Leftover]:
    """Return all that the wanted runs have left."""
    return [
        Leftover(kind, name, run) for kind in _KINDS for name, _, run in _listed(client, kind) if wanted(run)
    ]


def delete(client: Clients, wanted: Callable[[str], bool]) -> list[Leftover]:
    """Delete all that the wanted runs have left, for two minutes at the least; return what is still there.

    One resource that can't be deleted keeps no other from it.
    """
    deadline = time.monotonic() + _SECONDS
    while True:
        reasons = _delete_once(client, wanted)
        left = find(client, wanted)
        if not left or time.monotonic() > deadline:
            return [replace(each, reason=reasons.get((each.kind, each.name), "")) for each in left]
        time.sleep(_PAUSE)


def _delete_once(client: Clients, wanted: Callable[[str], bool]) -> dict[tuple[str, str], str]:
    """Delete what can be deleted; return why the rest can't, by kind and name."""
    from botocore.exceptions import ClientError, WaiterError

    reasons = {}
    for kind, step in (("bucket", _release), *((kind, _delete) for kind in _KINDS)):
        for name, identifier, run in _listed(client, kind):
            if wanted(run):
                try:
                    step(client(_KINDS[kind].service), kind, name, identifier)
                except (ClientError, WaiterError) as error:
                    reasons[kind, name] = str(error)
    return reasons


def _delete(service: AwsClient, kind: str, name: str, identifier: str) -> None:
    _release(service, kind, name, identifier)
    how = _KINDS[kind]
    if kind == "layer":
        for version in service.list_layer_versions(LayerName=name)["LayerVersions"]:
            service.delete_layer_version(LayerName=name, VersionNumber=version["Version"])
        return
    value = [identifier] if how.argument == "AlarmNames" else identifier
    getattr(service, how.deletion)(**{how.argument: value}, **how.deletion_options)
    if kind in _WAITERS:
        service.get_waiter(_WAITERS[kind]).wait(**{how.argument: identifier})


def _listed(client: Clients, kind: str) -> Iterator[tuple[str, str, str]]:
    """Yield name, id and run of what runs have made of a kind."""
    how = _KINDS[kind]
    pages = client(how.service).get_paginator(how.listing).paginate(**how.listing_options)
    for each in list(pages.search(how.query)):
        name, identifier = each if isinstance(each, list) else (each, each)
        if run := run_of(name or ""):
            yield name, identifier, run


def _empty(s3: AwsClient, bucket: str) -> None:
    """Delete all objects of a bucket, in all their versions."""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        listed = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        objects = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in listed]
        if objects:
            s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})


def _release(service: AwsClient, kind: str, name: str, _: str) -> None:
    """Delete what keeps a resource from its deletion."""
    match kind:
        case "bucket":
            _empty(service, name)
        case "rule":
            targets = [target["Id"] for target in service.list_targets_by_rule(Rule=name)["Targets"]]
            if targets:
                service.remove_targets(Rule=name, Ids=targets)
        case "role":
            for policy in service.list_role_policies(RoleName=name)["PolicyNames"]:
                service.delete_role_policy(RoleName=name, PolicyName=policy)
            for attached in service.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
                service.detach_role_policy(RoleName=name, PolicyArn=attached["PolicyArn"])
