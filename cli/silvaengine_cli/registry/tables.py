"""The registry's tables as ``apply`` needs them: exact values, and writes that never overwrite others'.

Unlike ``silvaengine.aws.table_client`` it keeps numbers as decimals: rows are compared and written back.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import batched
from typing import Any

from silvaengine.errors import ConditionFailedError
from silvaengine.tables import CONFIG_DATA, GENERATION_KEY, Table, is_internal
from silvaengine_cli import AwsClient
from silvaengine_cli.registry.merge import same
from silvaengine_cli.registry.rows import Row

BATCH_KEYS = 100  # docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html

type Key = tuple[str, ...]


class RegistryTables:
    """Reads and writes rows; every read is consistent, every write is conditional.

    Args:
        dynamodb: boto3's low-level DynamoDB client.
        prefix: the prefix of the tables' names.
    """

    def __init__(self, dynamodb: AwsClient, prefix: str = "se-") -> None:
        self._dynamodb = dynamodb
        self._prefix = prefix

    def read(self, table: Table, keys: Sequence[Key]) -> dict[Key, Row]:
        """Return the rows of those keys that exist."""
        rows: dict[Key, Row] = {}
        for batch in batched(dict.fromkeys(keys), BATCH_KEYS, strict=False):
            pending: Any = {
                self._name(table): {
                    "Keys": [_encode_key(table, key) for key in batch],
                    "ConsistentRead": True,
                }
            }
            while pending:
                response = self._dynamodb.batch_get_item(RequestItems=pending)
                for item in response["Responses"].get(self._name(table), ()):
                    row = _decode(item)
                    rows[table.key_of(row)] = row
                pending = response.get("UnprocessedKeys")
        return rows

    def scan(self, table: Table) -> Iterator[Row]:
        """Return all rows but the registry's generation."""
        pages = self._dynamodb.get_paginator("scan").paginate(
            TableName=self._name(table), ConsistentRead=True
        )
        for page in pages:
            for item in page["Items"]:
                row = _decode(item)
                if not (table is CONFIG_DATA and is_internal(row["setting_id"])):
                    yield row

    def create(self, table: Table, row: Row) -> None:
        """Put a new row; raise ConditionFailedError if it exists."""
        self._write(
            self._dynamodb.put_item,
            TableName=self._name(table),
            Item=_encode(row),
            ConditionExpression="attribute_not_exists(#h)",
            ExpressionAttributeNames={"#h": table.hash_key},
        )

    def update(self, table: Table, before: Row, after: Row) -> None:
        """Change the attributes that differ, if neither they nor the revision have changed since.

        Raises:
            ConditionFailedError: the row was changed or deleted meanwhile.
        """
        names = [name for name in after if name not in before or not same(before[name], after[name])]
        update = Expression()
        update.set(after, names)
        update.require_unchanged(before, {table.hash_key, "revision", *names})
        self._write(
            self._dynamodb.update_item,
            TableName=self._name(table),
            Key=_encode_key(table, table.key_of(before)),
            **update.parameters(),
        )

    def delete(self, table: Table, row: Row) -> None:
        """Delete a row if its revision hasn't changed; raise ConditionFailedError otherwise."""
        condition = Expression()
        condition.require_unchanged(row, {table.hash_key, "revision"})
        self._write(
            self._dynamodb.delete_item,
            TableName=self._name(table),
            Key=_encode_key(table, table.key_of(row)),
            **condition.parameters(),
        )

    def bump_generation(self) -> None:
        """Raise the generation, from which running instances see that the registry has changed."""
        self._dynamodb.update_item(
            TableName=self._name(CONFIG_DATA),
            Key=_encode(GENERATION_KEY),
            UpdateExpression="ADD #v :one",
            ExpressionAttributeNames={"#v": "value"},
            ExpressionAttributeValues={":one": {"N": "1"}},
        )

    def _name(self, table: Table) -> str:
        return table.full_name(self._prefix)

    def _write(self, operation: Callable[..., object], **parameters: object) -> None:
        try:
            operation(**parameters)
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            raise ConditionFailedError("The row was changed meanwhile") from None


class Expression:
    """An update and its condition, with placeholders, since many names are reserved words."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._values: dict[str, Any] = {}
        self._sets: list[str] = []
        self._conditions: list[str] = []

    def set(self, row: Row, names: Sequence[str]) -> None:
        """Set these attributes to the row's values."""
        self._sets += [f"{self._name(name)} = {self._value(row[name])}" for name in names]

    def require_unchanged(self, row: Row, names: Collection[str]) -> None:
        """Require that these attributes have the row's values, absent ones that they are absent."""
        for name in sorted(names):
            place = self._name(name)
            self._conditions.append(
                f"{place} = {self._value(row[name])}" if name in row else f"attribute_not_exists({place})"
            )

    def parameters(self) -> dict[str, Any]:
        """Return the parameters for boto3."""
        update = {"UpdateExpression": f"SET {', '.join(self._sets)}"} if self._sets else {}
        return update | {
            "ConditionExpression": " AND ".join(self._conditions),
            "ExpressionAttributeNames": self._names,
            "ExpressionAttributeValues": self._values,
        }

    def _name(self, name: str) -> str:
        places = {attribute: place for place, attribute in self._names.items()}
        place = places.get(name, f"#n{len(self._names)}")
        self._names[place] = name
        return place

    def _value(self, value: object) -> str:
        place = f":v{len(self._values)}"
        self._values[place] = _encode_value(value)
        return place


def _encode(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _encode_value(value) for name, value in row.items()}


def _encode_key(table: Table, key: Key) -> dict[str, Any]:
    return {name: {"S": value} for name, value in zip(table.key_names, key, strict=True)}


def _encode_value(value: object) -> dict[str, Any]:
    # lazy: only a command that reads or writes tables needs it
    from boto3.dynamodb.types import TypeSerializer

    return dict(TypeSerializer().serialize(value))


def _decode(item: Mapping[str, Any]) -> Row:
    # lazy: only a command that reads or writes tables needs it
    from boto3.dynamodb.types import TypeDeserializer

    return {name: TypeDeserializer().deserialize(value) for name, value in item.items()}
