"""The registry's tables as ``apply`` needs them: exact values, and writes that never overwrite others'.

Unlike ``silvaengine.aws.table_client`` it keeps numbers as decimals: rows are compared and written back.
"""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import batched
from typing import Any

from silvaengine.aws.backoff import Backoff
from silvaengine.aws.botocore import BotocoreApi
from silvaengine.aws.errors import BUSY
from silvaengine.aws.table_client import BATCH_ROWS, Row, TableWriter, UnprocessedError
from silvaengine.errors import ConditionFailedError
from silvaengine.registry.generation import raise_generation
from silvaengine.tables import CONFIG_DATA, Table, is_internal
from silvaengine_cli import AwsClient
from silvaengine_cli.registry.equality import same

BATCHES = Backoff(0.1, 8)
PART_SECONDS = 0.2  # for a page's rows: it is to be there within 0.3 s
LOOKED_AT = 1_000  # rows in which one call of DynamoDB looks for those that are wanted

type Key = tuple[str, ...]


class RegistryTables:
    """Reads and writes rows by boto3's low-level client; reads are consistent, writes are conditional."""

    def __init__(self, dynamodb: AwsClient, prefix: str = "se-") -> None:
        self._dynamodb = dynamodb
        self._prefix = prefix

    def get(self, table: Table, *key: str) -> Row | None:
        """Return one row, or None."""
        return self.read(table, [key]).get(key)

    def read(self, table: Table, keys: Sequence[Key]) -> dict[Key, Row]:
        """Return the rows of those keys that exist; raises UnprocessedError where DynamoDB is too busy."""
        rows: dict[Key, Row] = {}
        for batch in batched(dict.fromkeys(keys), BATCH_ROWS, strict=False):
            rows |= self._read_batch(table, batch)
        return rows

    def _read_batch(self, table: Table, keys: Sequence[Key]) -> dict[Key, Row]:
        name, rows = self._prefix + table.name, dict[Key, Row]()
        encoded = [to_item(dict(zip(table.key_names, key, strict=True))) for key in keys]
        reads = {"Keys": encoded, "ConsistentRead": True}
        pending: Any = {name: reads}

        def read_pending() -> None:
            nonlocal pending
            response = self._dynamodb.batch_get_item(RequestItems=pending)
            for row in map(from_item, response["Responses"].get(name, ())):
                rows[table.key_of(row)] = row
            pending = response.get("UnprocessedKeys")
            if pending:
                raise UnprocessedError(BUSY)

        BATCHES.run(read_pending, UnprocessedError)
        return rows

    def query(self, table: Table, value: str) -> Iterator[Row]:
        """Return the rows of one value of the hash key."""
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._prefix + table.name,
            ConsistentRead=True,
            KeyConditionExpression=f"{table.hash_key} = :value",
            ExpressionAttributeValues=to_item({":value": value}),
        )
        return (from_item(item) for page in pages for item in page["Items"])

    def scan(self, table: Table) -> Iterator[Row]:
        """Return all rows but the framework's own settings."""
        for row in self._scan(table):
            if not (table is CONFIG_DATA and is_internal(row["setting_id"])):
                yield row

    def scan_internal(self) -> Iterator[Row]:
        """Return the framework's own settings: the generation, keys' uses, clear logs."""
        return (row for row in self._scan(CONFIG_DATA) if is_internal(row["setting_id"]))

    def _scan(self, table: Table) -> Iterator[Row]:
        name = self._prefix + table.name
        for page in self._dynamodb.get_paginator("scan").paginate(TableName=name, ConsistentRead=True):
            yield from map(from_item, page["Items"])

    def part(
        self,
        table: Table,
        most: int,
        after: Key | None,
        attributes: Collection[str],
        equal: Mapping[str, str],
        containing: Mapping[str, str],
    ) -> tuple[list[Row], Key | None]:
        """Return rows in the table's own order, and the key after which there may be more, None at its end.

        Each call of DynamoDB reads a megabyte or LOOKED_AT rows at most, and none begins that would end after
        PART_SECONDS if it took as long as the one before: a table with little of what is wanted is soon back.

        Args:
            table: the table.
            most: how many rows come back at most.
            after: the key of the row that the first one follows, None for the beginning.
            attributes: what is wanted of the rows.
            equal: the values that attributes have.
            containing: texts that are in attributes' values.
        """
        conditions = [f"#{name} = :{name}" for name in equal]
        conditions += [f"contains(#{name}, :{name})" for name in containing]
        asked = {f":{name}": value for name, value in {**equal, **containing}.items()}
        filters = {
            "FilterExpression": " AND ".join(conditions),
            "ExpressionAttributeValues": to_item(asked),
        }
        found, begin = list[Row](), after and dict(zip(table.key_names, after, strict=True))
        end = time.monotonic() + PART_SECONDS
        while True:
            begun = time.monotonic()
            page = self._dynamodb.scan(
                TableName=self._prefix + table.name,
                ConsistentRead=True,
                ProjectionExpression=", ".join(f"#{name}" for name in attributes),
                ExpressionAttributeNames={f"#{name}": name for name in {*attributes, *equal, *containing}},
                **({"ExclusiveStartKey": to_item(begin)} if begin else {}),
                **(filters | {"Limit": LOOKED_AT} if asked else {"Limit": most}),
            )
            found += map(from_item, page["Items"])
            begin = from_item(page.get("LastEvaluatedKey", {}))
            now = time.monotonic()
            if len(found) >= most or not begin or now + (now - begun) > end:
                break
        last = found[most - 1] if len(found) > most else begin
        return found[:most], table.key_of(last) if last else None

    def scan_names(self, table: Table) -> Iterator[str]:
        """Return the hash keys of all rows, for those who may read nothing else of them."""
        pages = self._dynamodb.get_paginator("scan").paginate(
            TableName=self._prefix + table.name,
            ConsistentRead=True,
            Select="SPECIFIC_ATTRIBUTES",
            ProjectionExpression=table.hash_key,
        )
        return (from_item(item)[table.hash_key] for page in pages for item in page["Items"])

    def create(self, table: Table, row: Row) -> None:
        """Put a new row; raise ConditionFailedError if it exists."""
        self._write("put_item", table, {}, {table.hash_key}, Item=to_item(row))

    def update(self, table: Table, before: Row, after: Row) -> None:
        """Change the attributes that differ, if neither they nor the revision have changed since.

        Raises:
            ConditionFailedError: the row was changed or deleted meanwhile.
        """
        changes = {
            name: value
            for name, value in after.items()
            if name not in before or not same(before[name], value)
        }
        self._write(
            "update_item",
            table,
            before,
            {table.hash_key, "revision", *changes},
            {f":new_{name}": value for name, value in changes.items()},
            Key=_key(table, before),
            UpdateExpression=f"SET {', '.join(f'#{name} = :new_{name}' for name in changes)}",
        )

    def delete(self, table: Table, row: Row) -> None:
        """Delete a row if its revision hasn't changed; raise ConditionFailedError otherwise."""
        self._write("delete_item", table, row, {table.hash_key, "revision"}, Key=_key(table, row))

    def bump_generation(self) -> None:
        """Raise the generation, from which running instances see that the registry has changed."""
        api = BotocoreApi(self._dynamodb)
        raise_generation(TableWriter(lambda: api, self._prefix))

    def _write(
        self,
        operation: str,
        table: Table,
        before: Row,
        unchanged: Collection[str],
        values: Row | None = None,
        **request: object,
    ) -> None:
        """Carry out a write if some attributes are as in the row of before, absent ones included."""
        values = {f":{name}": before[name] for name in unchanged if name in before} | (values or {})
        condition = " AND ".join(
            f"#{name} = :{name}" if name in before else f"attribute_not_exists(#{name})" for name in unchanged
        )
        if values:  # DynamoDB refuses an empty one
            request["ExpressionAttributeValues"] = to_item(values)
        try:
            getattr(self._dynamodb, operation)(
                TableName=self._prefix + table.name,
                ConditionExpression=condition,
                ExpressionAttributeNames={f"#{name}": name for name in unchanged},
                **request,
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            raise ConditionFailedError("The row was changed meanwhile") from None


def _key(table: Table, row: Row) -> dict[str, Any]:
    return to_item({name: row[name] for name in table.key_names})


def to_item(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as DynamoDB writes it, each value with its type."""
    # lazy: only a command that reads or writes tables needs it
    from boto3.dynamodb.types import TypeSerializer

    return {name: TypeSerializer().serialize(value) for name, value in row.items()}


def from_item(item: Mapping[str, Any]) -> Row:
    """Return the row that DynamoDB writes so; numbers are decimals."""
    # lazy: only a command that reads or writes tables needs it
    from boto3.dynamodb.types import TypeDeserializer

    deserialize = TypeDeserializer().deserialize
    return {name: deserialize(value) for name, value in item.items()}
