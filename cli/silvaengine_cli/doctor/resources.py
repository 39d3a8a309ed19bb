"""The stack, its tables, and what brings events."""

from collections.abc import Iterator

from silvaengine.tables import DUE_INDEX, EXECUTIONS, TABLES, WSS_CONNECTIONS, WSS_CONNECTIONS_INDEX
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.status.state import read_queues

INDEXES = {EXECUTIONS: DUE_INDEX.name, WSS_CONNECTIONS: WSS_CONNECTIONS_INDEX}
REMEDIES = {
    "dead jobs": "`silvaengine dlq list` says why, `dlq redrive` retries them",
    "dead events": "`silvaengine events dead` says why, `events replay --dlq` sends them again",
    "dead FIFO events": "`silvaengine events dead` says why, `events replay --dlq` sends them again",
}
CHANGING = ("Creating", "Enabling", "Updating")


def check_stack(deployment: Deployment) -> Iterator[str]:
    """Yield a stack's status unless its last change was carried out."""
    status = deployment.stack_status
    if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"):
        yield (
            f"stack {deployment.stack} is {status}: wait while that is in progress; else read its "
            "events, and deploy it again"
        )


def check_tables(deployment: Deployment) -> Iterator[str]:
    """Yield the tables that are missing, aren't ready, or have other keys or indexes."""
    dynamodb = deployment.client("dynamodb")
    for table in TABLES:
        name = deployment.table_prefix + table.name
        try:
            found = dynamodb.describe_table(TableName=name)["Table"]
        except dynamodb.exceptions.ResourceNotFoundException:
            yield f"table {name} is missing: deploy the stack again, or see TablePrefix"
            continue
        keys = [each["AttributeName"] for each in found["KeySchema"]]
        indexes = {each["IndexName"] for each in found.get("GlobalSecondaryIndexes", ())}
        if found["TableStatus"] not in ("ACTIVE", "UPDATING"):
            yield f"table {name} is {found['TableStatus']}: wait, or restore it (docs/deploy.md)"
        elif tuple(keys) != tuple(table.key_names):
            yield (
                f"table {name} has the keys {', '.join(keys)} instead of {', '.join(table.key_names)}: "
                "another TablePrefix may be meant"
            )
        elif table in INDEXES and INDEXES[table] not in indexes:
            yield f"table {name} has no index {INDEXES[table]}: deploy the stack again"


def check_queues(deployment: Deployment) -> Iterator[str]:
    """Yield the sources that bring no events, and the queues in which dead ones lie."""
    functions = deployment.client("lambda")
    for name, uuid in deployment.resources("AWS::Lambda::EventSourceMapping").items():
        mapping = functions.get_event_source_mapping(UUID=uuid)
        problem = str(mapping.get("LastProcessingResult", ""))
        if mapping["State"] not in ("Enabled", *CHANGING):
            command = f"aws lambda update-event-source-mapping --enabled --uuid {uuid}"
            yield f"event source {name} is {mapping['State']}, so that its events wait: `{command}`"
        elif problem.startswith("PROBLEM"):
            yield f"event source {name} can't be read: {problem}: see the rights of the tasks function"
    for name, count in read_queues(deployment).items():
        if count and name in REMEDIES:
            yield f"{count} {name}: {REMEDIES[name]}"


def check_rules(deployment: Deployment) -> Iterator[str]:
    """Yield the rules that bring no events: without the sweeper's, jobs are neither retried nor given up."""
    events = deployment.client("events")
    for logical_id, name in deployment.resources("AWS::Events::Rule").items():
        rule = name.rpartition("|")[2]  # that of another bus begins with it
        bus = {"EventBusName": name.rpartition("|")[0]} if "|" in name else {}
        state = events.describe_rule(Name=rule, **bus)["State"]
        if not state.startswith("ENABLED"):
            yield f"rule {logical_id} is {state}, nothing comes: `aws events enable-rule --name {rule}`"
