"""The shared stack as its tests find it, so that it is the same before each file's."""

from collections.abc import Mapping
from itertools import batched, chain
from typing import Any

from silvaengine.tables import TABLES, Table
from silvaengine_cli.deploy import LOCAL_STACK
from silvaengine_cli.engine import LocalEngine
from silvaengine_cli.registry.tables import RegistryTables, to_item

QUEUE, RULE = "AWS::SQS::Queue", "AWS::Events::Rule"
FUNCTION, MAPPING = "AWS::Lambda::Function", "AWS::Lambda::EventSourceMapping"
BATCH_WRITES = 25  # DynamoDB takes no more


class Baseline:
    """Rows and settings of the stack.

    Rows and messages a file may leave as it likes: ``restore`` takes them back. What Lambdas, rules and
    queues are set to is for the test to restore that has changed it.
    """

    def __init__(self, engine: LocalEngine, prefix: str) -> None:
        self._engine, self._prefix = engine, prefix
        self._tables = RegistryTables(engine.client("dynamodb"), prefix)
        stacks = engine.client("cloudformation").get_paginator("list_stack_resources")
        pages = stacks.paginate(StackName=LOCAL_STACK)
        self._resources = [*chain.from_iterable(page["StackResourceSummaries"] for page in pages)]
        self._rows = {table: self._read(table) for table in TABLES}
        self._settings = self._read_settings()

    def restore(self) -> None:
        """Put rows back, announce that, and empty the queues.

        Raises:
            AssertionError: a setting isn't what it was; the message has the resources' logical ids.
        """
        for table in TABLES:
            self._put_back(table)
        self._tables.bump_generation()
        for url in self._ids(QUEUE).values():
            self._engine.client("sqs").purge_queue(QueueUrl=url)
        before, self._settings = self._settings, self._read_settings()  # the next file isn't to blame
        changed = [name for name, value in self._settings.items() if value != before[name]]
        assert changed == [], f"left changed: {', '.join(changed)}"

    def _read_settings(self) -> Mapping[str, object]:
        """Return what Lambdas, their sources, rules and queues are set to, by their logical ids."""
        functions, events, sqs = (self._engine.client(name) for name in ("lambda", "events", "sqs"))
        found: dict[str, object] = {}
        for name, function in self._ids(FUNCTION).items():
            configured = functions.get_function_configuration(FunctionName=function)
            reserved = functions.get_function_concurrency(FunctionName=function)
            found[name] = [
                *(configured.get(each) for each in ("Timeout", "MemorySize", "Environment")),
                reserved.get("ReservedConcurrentExecutions"),
            ]
        for name, mapping in self._ids(MAPPING).items():
            mapped = functions.get_event_source_mapping(UUID=mapping)
            found[name] = [mapped.get(each) for each in ("State", "BatchSize", "ScalingConfig")]
        for name, rule in self._ids(RULE).items():
            found[name] = events.describe_rule(Name=rule)["State"]
        for name, url in self._ids(QUEUE).items():
            asked = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])
            found[name] = asked["Attributes"]
        return found

    def _ids(self, kind: str) -> Mapping[str, str]:
        """Return the physical ids of the stack's resources of a kind, by their logical ids."""
        return {
            each["LogicalResourceId"]: each["PhysicalResourceId"]
            for each in self._resources
            if each["ResourceType"] == kind
        }

    def _read(self, table: Table) -> Mapping[tuple[str, ...], Mapping[str, Any]]:
        """Return rows by key, without the framework's own: a generation must never go back."""
        return {table.key_of(row): row for row in self._tables.scan(table)}

    def _put_back(self, table: Table) -> None:
        before, after = self._rows[table], self._read(table)
        changes = [
            {"DeleteRequest": {"Key": to_item({name: row[name] for name in table.key_names})}}
            for key, row in after.items()
            if key not in before
        ] + [{"PutRequest": {"Item": to_item(row)}} for key, row in before.items() if after.get(key) != row]
        for some in batched(changes, BATCH_WRITES, strict=False):
            self._engine.client("dynamodb").batch_write_item(
                RequestItems={self._prefix + table.name: list(some)}
            )
