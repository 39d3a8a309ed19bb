"""What a deployment's tables, queues and alarms say now."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import batched
from typing import Any

from silvaengine.aws.table_client import Row
from silvaengine.settings import PACKAGE_MARK
from silvaengine.tables import EXECUTIONS, WSS_CONNECTIONS, Table
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.publishing.coverage import with_outcomes
from silvaengine_cli.publishing.releases import read_pointers

PAGES = 10
"""Of one megabyte each, that are read of a table whose rows are counted."""
QUEUES = {
    "dead jobs": "DeadLetterQueueUrl",
    "dead events": "EventDeadLetterQueueUrl",
    "dead FIFO events": "FifoDeadLetterQueueUrl",
    "waiting events": "EventQueueUrl",
    "waiting FIFO events": "FifoQueueUrl",
}
ALARM = "AWS::CloudWatch::Alarm"
COMPOSITE_ALARM = "AWS::CloudWatch::CompositeAlarm"
ALARM_NAMES = 100  # docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html


@dataclass(frozen=True, slots=True)
class State:
    """Packages' pointers, counts of rows and messages, and the alarms that ring with why they do."""

    packages: list[Row]
    sockets: Mapping[str, int]
    ledger: Mapping[str, int]
    counts_all: bool
    """Whether all rows were counted."""
    queues: Mapping[str, int]
    alarms: Mapping[str, str]


def read_state(deployment: Deployment) -> State:
    """Return how a deployment stands; reads at most ten megabytes of each of two tables."""
    tables = deployment.tables()
    pointers = read_pointers(deployment.client("dynamodb"), deployment.table_prefix)
    sockets, has_all_sockets = _count(deployment, WSS_CONNECTIONS, "status")
    ledger, has_all_jobs = _count(deployment, EXECUTIONS, "state")
    return State(
        [with_outcomes(pointer, tables) for pointer in pointers],
        sockets,
        ledger,
        has_all_sockets and has_all_jobs,
        read_queues(deployment),
        dict(_ringing(deployment)),
    )


def _count(deployment: Deployment, table: Table, attribute: str) -> tuple[Mapping[str, int], bool]:
    """Return how many rows have each value of an attribute, and whether these are all."""
    pages = (
        deployment.client("dynamodb")
        .get_paginator("scan")
        .paginate(
            TableName=deployment.table_prefix + table.name,
            ProjectionExpression="#attribute",
            ExpressionAttributeNames={"#attribute": attribute},
        )
    )
    counts, page = Counter[str](), dict[str, Any]()
    for _, page in zip(range(PAGES), pages, strict=False):
        counts.update(item[attribute]["S"] for item in page["Items"] if "S" in item.get(attribute, {}))
    return dict(sorted(counts.items())), "LastEvaluatedKey" not in page


def read_queues(deployment: Deployment) -> Mapping[str, int]:
    """Return about how many messages each of the deployment's queues has."""
    sqs, found = deployment.client("sqs"), {}
    for name, output in QUEUES.items():
        if deployment.has_output(output):
            asked = sqs.get_queue_attributes(
                QueueUrl=deployment.output(output), AttributeNames=["ApproximateNumberOfMessages"]
            )
            found[name] = int(asked["Attributes"]["ApproximateNumberOfMessages"])
    return found


def _ringing(deployment: Deployment) -> Iterator[tuple[str, str]]:
    """Yield the alarms of the stack and of its packages that ring, and what each means."""
    cloudwatch = deployment.client("cloudwatch")
    own = deployment.resources(ALARM, COMPOSITE_ALARM).values()
    choices: list[dict[str, Any]] = [{"AlarmNamePrefix": deployment.stack + PACKAGE_MARK}]
    choices += [{"AlarmNames": [*some]} for some in batched(own, ALARM_NAMES, strict=False)]
    for choice in choices:
        asked = cloudwatch.get_paginator("describe_alarms").paginate(
            AlarmTypes=["MetricAlarm", "CompositeAlarm"], **choice
        )
        for page in asked:
            for alarm in (*page.get("CompositeAlarms", ()), *page.get("MetricAlarms", ())):
                if alarm["StateValue"] == "ALARM":
                    yield alarm["AlarmName"], alarm.get("AlarmDescription", "")
