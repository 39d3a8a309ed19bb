"""The registry's tables as ``apply`` needs them: exact values, and writes that never go over someone else's.

Unlike ``silvaengine.aws.table_client`` it keeps numbers as decimals: what was read is compared and written
again.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import batched
from typing import Any

from silvaengine.tables import CONFIG_DATA, GENERATION_KEY, Table, is_internal
from silvaengine_cli.registry.merge import same
from silvaengine_cli.registry.rows import Row

BATCH_KEYS = 100  # docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html

type Key = tuple[str, ...]


class ConditionFailedError(Exception):
    """The row isn't what it was when it was read."""


class RegistryTables:
    """Reads and writes rows; every read is consistent, every write is conditional.

    Args:
        dynamodb: boto3's low-level DynamoDB client.
        prefix: what the tables' names begin with.
    """

    def __init__(self, dynamodb: Any, prefix: str = "se-") -> None:  # noqa: ANN401 - boto3 has no types of its own
        self._dynamodb = dynamodb
        self._prefix = prefix

    def read(self, table: Table, keys: Sequence[Key]) -> dict[Key, Row]:
        """Return the rows of these keys that are there."""
        found: dict[Key, Row] = {}
        for batch in batched(dict.fromkeys(keys), BATCH_KEYS, strict=False):
            pending: Any = {
                self._name(table): {
                    "Keys": [_encode_key(table, key) for key in batch],
                    "ConsistentRead": True,
                }
            }
            while pending:
                answer = self._dynamodb.batch_get_item(RequestItems=pending)
                for item in answer["Responses"].get(self._name(table), ()):
                    row = _decode(item)
                    found[table.key_of(row)] = row
                pending = answer.get("UnprocessedKeys")
        return found

    def scan(self, table: Table) -> Iterator[Row]:
        """Return all rows, but for the registry's own note of its generation."""
        pages = self._dynamodb.get_paginator("scan").paginate(
            TableName=self._name(table), ConsistentRead=True
        )
        for page in pages:
            for item in page["Items"]:
                row = _decode(item)
                if not (table is CONFIG_DATA and is_internal(row["setting_id"])):
                    yield row

    def create(self, table: Table, row: Row) -> None:
        """Put a row that isn't there yet; raises ConditionFailedError when it is."""
        self._conditional(
            self._dynamodb.put_item,
            TableName=self._name(table),
            Item=_encode(row),
            ConditionExpression="attribute_not_exists(#h)",
            ExpressionAttributeNames={"#h": table.hash_key},
        )

    def update(self, table: Table, before: Row, after: Row) -> None:
        """Change the attributes that differ, if they and the revision still are what they were.

        Raises:
            ConditionFailedError: someone else changed or deleted the row.
        """
        names = [name for name in after if name not in before or not same(before[name], after[name])]
        update = Expression()
        update.sets(after, names)
        update.unchanged(before, {table.hash_key, "revision", *names})
        self._conditional(
            self._dynamodb.update_item,
            TableName=self._name(table),
            Key=_encode_key(table, table.key_of(before)),
            **update.parameters(),
        )

    def delete(self, table: Table, row: Row) -> None:
        """Delete a row, if its revision is what it was; raises ConditionFailedError otherwise."""
        condition = Expression()
        condition.unchanged(row, {table.hash_key, "revision"})
        self._conditional(
            self._dynamodb.delete_item,
            TableName=self._name(table),
            Key=_encode_key(table, table.key_of(row)),
            **condition.parameters(),
        )

    def bump_generation(self) -> None:
        """Tell every running instance that the registry has changed."""
        self._dynamodb.update_item(
            TableName=self._name(CONFIG_DATA),
            Key=_encode(GENERATION_KEY),
            UpdateExpression="ADD #v :one",
            ExpressionAttributeNames={"#v": "value"},
            ExpressionAttributeValues={":one": {"N": "1"}},
        )

    def _name(self, table: Table) -> str:
        return table.full_name(self._prefix)

    def _conditional(self, operation: Any, **parameters: Any) -> None:  # noqa: ANN401 - boto3 again
        try:
            operation(**parameters)
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            raise ConditionFailedError from None


class Expression:
    """An update and its condition, with placeholders for names and values: many names are reserved words."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._values: dict[str, Any] = {}
        self._sets: list[str] = []
        self._conditions: list[str] = []

    def sets(self, row: Row, names: Sequence[str]) -> None:
        """Set these attributes to the row's values."""
        self._sets += [f"{self._name(name)} = {self._value(row[name])}" for name in names]

    def unchanged(self, row: Row, names: set[str]) -> None:
        """Demand that these attributes are what they are in the row, absent ones absent."""
        for name in sorted(names):
            place = self._name(name)
            wanted = (
                f"{place} = {self._value(row[name])}" if name in row else f"attribute_not_exists({place})"
            )
            self._conditions.append(wanted)

    def parameters(self) -> dict[str, Any]:
        """Return what boto3 takes."""
        update = {"UpdateExpression": f"SET {', '.join(self._sets)}"} if self._sets else {}
        return update | {
            "ConditionExpression": " AND ".join(self._conditions),
            "ExpressionAttributeNames": self._names,
            "ExpressionAttributeValues": self._values,
        }

    def _name(self, name: str) -> str:
        known = {attribute: place for place, attribute in self._names.items()}
        place = known.get(name, f"#n{len(self._names)}")
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


def _encode_value(value: object) -> Any:  # noqa: ANN401 - boto3 again
    from boto3.dynamodb.types import TypeSerializer  # slow, and `--help` and `validate` need none

    return TypeSerializer().serialize(value)


def _decode(item: Mapping[str, Any]) -> Row:
    from boto3.dynamodb.types import TypeDeserializer

    return {name: TypeDeserializer().deserialize(value) for name, value in item.items()}
