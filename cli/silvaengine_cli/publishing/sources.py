"""The events of a package's own resources: what brings them to tasks, and the registry's bindings for them.

All go to the alias of tasks that event sources invoke, with the settings of the platform's own sources: never
to the package's Lambda, whose newest code serves nobody.
"""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from hashlib import sha256
from types import MappingProxyType
from typing import Any

from silvaengine_cli.publishing.model import EventSpec
from silvaengine_cli.publishing.package import Package
from silvaengine_cli.publishing.platform import Platform
from silvaengine_cli.registry.bindings import Row, binding_rows
from silvaengine_cli.registry.model import RegistrySpec

type Template = dict[str, Any]

SOURCE_TYPES = MappingProxyType(
    {
        "queue": "AWS::SQS::Queue",
        "bucket": "AWS::S3::Bucket",
        "table": "AWS::DynamoDB::Table",
        "topic": "AWS::SNS::Topic",
    }
)


def own_sources(package: Package) -> Iterator[tuple[str, str]]:
    """Yield kind and logical id, or expression, of the sources that the package's stack makes, each once."""
    seen = dict.fromkeys(event.source for each in package.spec.functions.values() for event in each.events)
    for kind, name in seen:
        if name in package.spec.resources or (kind == "schedule" and is_expression(name)):
            yield kind, name


def is_expression(schedule: str) -> bool:
    """Return whether a schedule is written out, and not the name of one that exists."""
    return schedule.endswith(")")


def add_sources(resources: Template, package: Package, platform: Platform) -> None:
    """Add what brings the events of the package's own resources to tasks."""
    for kind, name in own_sources(package):
        if kind == "schedule":
            _add_schedule(resources, name, _rule_name(package, platform, name), platform)
        else:
            _ADDITIONS[kind](resources, name, platform)


def binding_rows_of(package: Package, platform: Platform, physical_ids: Mapping[str, str]) -> list[Row]:
    """Return the rows of the registry that say which functions a source calls, by the sources' own names.

    ``physical_ids`` are those of the stack's resources by their logical ids.
    """
    functions = {}
    for name, function in package.spec.functions.items():
        events = tuple(_named(each, package, platform, physical_ids) for each in function.events)
        functions[name] = function.model_copy(update={"events": events})
    return list(binding_rows(RegistrySpec.model_construct(functions=functions)))


def _named(
    event: EventSpec, package: Package, platform: Platform, physical_ids: Mapping[str, str]
) -> EventSpec:
    kind, name = event.source
    if kind == "schedule" and is_expression(name):
        return event.model_copy(update={kind: _rule_name(package, platform, name)})
    if name not in package.spec.resources:
        return event
    # A queue's is its URL, a topic's its ARN, those of others their names.
    return event.model_copy(update={kind: physical_ids[name].rpartition("/")[2].rpartition(":")[2]})


def _add_queue(resources: Template, name: str, platform: Platform) -> None:
    queue = _properties(resources, name)
    is_fifo = queue.get("FifoQueue") is True
    queue.setdefault("VisibilityTimeout", platform.queue_visibility)
    if not is_fifo:  # the dead of a FIFO queue need a FIFO queue
        dead = {"deadLetterTargetArn": platform.dead_letters, "maxReceiveCount": platform.queue_receives}
        queue.setdefault("RedrivePolicy", dead)
    resources[f"Package{name}Mapping"] = _mapping(
        platform,
        EventSourceArn=_arn(name),
        BatchSize=1 if is_fifo else 10,
        ScalingConfig={"MaximumConcurrency": 10},
    )


def _add_table(resources: Template, name: str, platform: Platform) -> None:
    stream = {"StreamViewType": "NEW_AND_OLD_IMAGES"}
    _properties(resources, name).setdefault("StreamSpecification", stream)
    resources[f"Package{name}Mapping"] = _mapping(
        platform,
        EventSourceArn={"Fn::GetAtt": [name, "StreamArn"]},
        StartingPosition="TRIM_HORIZON",
        BatchSize=100,
        BisectBatchOnFunctionError=True,
        MaximumRetryAttempts=10,
        MaximumRecordAgeInSeconds=43_200,
        DestinationConfig={"OnFailure": {"Destination": platform.dead_letters}},
    )


def _mapping(platform: Platform, **settings: object) -> Template:
    properties = {
        "FunctionName": platform.tasks_events,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        **settings,
    }
    return {"Type": "AWS::Lambda::EventSourceMapping", "Properties": properties}


def _add_bucket(resources: Template, name: str, platform: Platform) -> None:
    notifications = _properties(resources, name).setdefault("NotificationConfiguration", {})
    created = {"Event": "s3:ObjectCreated:*", "Function": platform.tasks_events}
    notifications["LambdaConfigurations"] = [*notifications.get("LambdaConfigurations", ()), created]


def _add_topic(resources: Template, name: str, platform: Platform) -> None:
    properties = {
        "TopicArn": {"Ref": name},
        "Protocol": "lambda",
        "Endpoint": platform.tasks_events,
        "RedrivePolicy": {"deadLetterTargetArn": platform.dead_letters},
    }
    resources[f"Package{name}Subscription"] = {"Type": "AWS::SNS::Subscription", "Properties": properties}


def _add_schedule(resources: Template, expression: str, name: str, platform: Platform) -> None:
    target = {
        "Id": "tasks",
        "Arn": platform.tasks_events,
        "DeadLetterConfig": {"Arn": platform.dead_letters},
    }
    properties = {"Name": name, "ScheduleExpression": expression, "Targets": [target]}
    resources[f"PackageSchedule{name.rpartition('-')[2]}"] = {
        "Type": "AWS::Events::Rule",
        "Properties": properties,
    }


def _rule_name(package: Package, platform: Platform, expression: str) -> str:
    """Return the name by which the rule's events say that it sent them."""
    return f"{platform.function_name(package.name)}-{sha256(expression.encode()).hexdigest()[:8]}"


def _properties(resources: Template, name: str) -> Template:
    """Return a resource's properties, which are a copy of the package's."""
    resources[name]["Properties"] = properties = deepcopy(resources[name]["Properties"])
    return properties  # type: ignore[no-any-return]


def _arn(name: str) -> Template:
    return {"Fn::GetAtt": [name, "Arn"]}


_ADDITIONS: MappingProxyType[str, Callable[[Template, str, Platform], None]] = MappingProxyType(
    {
        "queue": _add_queue,
        "bucket": _add_bucket,
        "table": _add_table,
        "topic": _add_topic,
    }
)
