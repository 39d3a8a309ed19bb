"""Consistent reads and conditional writes of DynamoDB rows as plain Python values, and no more.

PynamoDB (``silvaengine_base.models``) costs a cold start ten times as much as this module, and can't read
rows of several tables in one call.
"""

import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from silvaengine.aws.dynamodb import open_dynamodb
from silvaengine.errors import UnavailableError
from silvaengine.tables import Index, Table

type Row = dict[str, Any]
type Key = Mapping[str, str]

_NAME = re.compile("#([A-Za-z0-9_]+)")

BATCH_ROUNDS = 3
BATCH_ROWS = 100  # docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
KEY_BYTES = 1024


class TableReader:
    """Reads rows; every read is strongly consistent.

    An eventual read just after a change would keep the old row under the new generation.

    Args:
        open_client: returns what calls DynamoDB; called at each read.
        prefix: what the tables' names begin with, such as ``se-``.
    """

    def __init__(self, open_client: Callable[[], Any], prefix: str) -> None:
        self._open_client = open_client
        self._prefix = prefix

    def get(self, table: Table, key: Key) -> Row | None:
        """Return one row, or None."""
        if not _possible(key.values()):
            return None
        answer = self._open_client().get_item(
            TableName=table.full_name(self._prefix), Key=_encode_key(key), ConsistentRead=True
        )
        return _decode_row(answer["Item"]) if "Item" in answer else None

    def batch_get(self, wanted: Sequence[tuple[Table, Key]]) -> list[Row | None]:
        """Return up to 100 rows of any tables in one call, in the order asked, None for a missing one.

        Raises:
            UnavailableError: DynamoDB left some unread again and again.
        """
        tables = {table.full_name(self._prefix): table for table, _ in wanted}
        found: dict[tuple[str, ...], Row] = {}
        pending = self._batch_request([(table, key) for table, key in wanted if _possible(key.values())])
        for _ in range(BATCH_ROUNDS):
            if not pending:
                break
            answer = self._open_client().batch_get_item(RequestItems=pending)
            for name, items in answer["Responses"].items():
                rows = map(_decode_row, items)
                found |= {(name, *tables[name].key_of(row)): row for row in rows}
            pending = answer.get("UnprocessedKeys")
        if pending:
            raise UnavailableError("A backend is busy at the moment", detail="BatchGetItem: unprocessed keys")
        return [found.get((table.full_name(self._prefix), *table.key_of(key))) for table, key in wanted]

    def _batch_request(self, wanted: Sequence[tuple[Table, Key]]) -> dict[str, Any]:
        request: dict[str, Any] = {}
        for table, key in wanted:
            reads = request.setdefault(table.full_name(self._prefix), {"Keys": [], "ConsistentRead": True})
            if _encode_key(key) not in reads["Keys"]:
                reads["Keys"].append(_encode_key(key))
        return request

    def query(self, table: Table, hash_value: str) -> list[Row]:
        """Return all rows of one partition, every page of them."""
        return [row for page in self._pages(table, hash_value, {}) for row in page]

    def query_pages(
        self, table: Table, hash_value: str, *, condition: str, values: Row
    ) -> Iterator[list[Row]]:
        """Return the rows of one partition that meet a condition, a page of DynamoDB's at a time.

        Args:
            table: where.
            hash_value: the partition.
            condition: a FilterExpression, written as in ``TableWriter.put``; of no attribute of the key.
            values: its values by name, without the colon.
        """
        return self._pages(table, hash_value, values, condition)

    def _pages(self, table: Table, hash_value: str, values: Row, condition: str = "") -> Iterator[list[Row]]:
        if not _possible([hash_value]):
            return
        request: dict[str, Any] = {
            "TableName": table.full_name(self._prefix),
            "ConsistentRead": True,
            "KeyConditionExpression": "#h = :h",
            "ExpressionAttributeNames": {"#h": table.hash_key}
            | {f"#{name}": name for name in _NAME.findall(condition)},
            "ExpressionAttributeValues": {":h": {"S": hash_value}}
            | {f":{name}": encode(value) for name, value in values.items()},
        }
        if condition:
            request["FilterExpression"] = condition
        answer: dict[str, Any] = {"LastEvaluatedKey": None}
        while "LastEvaluatedKey" in answer:
            answer = self._open_client().query(**request)
            request["ExclusiveStartKey"] = answer.get("LastEvaluatedKey")
            yield [_decode_row(item) for item in answer["Items"]]

    def query_index(
        self, table: Table, index: Index, hash_value: str, *, up_to: int, limit: int
    ) -> list[Row]:
        """Return rows of one partition of an index whose number is at most ``up_to``, the smallest first.

        An index is never consistent: what it gives is to be read again from the table.
        """
        answer = self._open_client().query(
            TableName=table.full_name(self._prefix),
            IndexName=index.name,
            KeyConditionExpression="#h = :h AND #r <= :r",
            ExpressionAttributeNames={"#h": index.hash_key, "#r": index.range_key},
            ExpressionAttributeValues={":h": {"S": hash_value}, ":r": {"N": str(up_to)}},
            Limit=limit,
        )
        return [_decode_row(item) for item in answer["Items"]]


class TableWriter:
    """Writes single rows, each on a condition or not at all.

    Args:
        open_client: returns what calls DynamoDB; called at each write.
        prefix: what the tables' names begin with, such as ``se-``.
    """

    def __init__(self, open_client: Callable[[], Any], prefix: str) -> None:
        self._open_client = open_client
        self._prefix = prefix

    def put(self, table: Table, row: Row, *, condition: str = "", values: Row | None = None) -> None:
        """Write a whole row.

        Args:
            table: where to.
            row: the attributes by name.
            condition: a ConditionExpression, empty for none; an attribute stands in it as ``#name``, a value
                as ``:name``.
            values: the values of ``condition`` by name, without the colon.

        Raises:
            ConditionFailedError: the row stays as it was.
            UnavailableError: DynamoDB can't answer; the row may have been written.
        """
        self._write("put_item", table, {"Item": _encode_row(row)}, condition, values)

    def update(
        self,
        table: Table,
        key: Key,
        change: str,
        *,
        condition: str = "",
        values: Row | None = None,
        returns: str = "NONE",
    ) -> Row:
        """Change a row, made if it isn't there and the condition allows it; return what ``returns`` asks for.

        Args:
            table: where.
            key: the primary key.
            change: an UpdateExpression; attributes and values stand in it as in ``condition``.
            condition: see ``put``.
            values: the values of both by name, without the colon.
            returns: ``NONE``, ``ALL_NEW``, ``UPDATED_NEW``, ``ALL_OLD`` or ``UPDATED_OLD``.

        Raises:
            ConditionFailedError: the row stays as it was.
            UnavailableError: DynamoDB can't answer; the row may have been changed.
        """
        request = {"Key": _encode_key(key), "UpdateExpression": change, "ReturnValues": returns}
        answer = self._write("update_item", table, request, condition, values)
        return _decode_row(answer.get("Attributes", {}))

    def delete(self, table: Table, key: Key, *, condition: str = "", values: Row | None = None) -> None:
        """Delete a row, if there is one; raises what ``put`` raises."""
        self._write("delete_item", table, {"Key": _encode_key(key)}, condition, values)

    def _write(
        self, operation: str, table: Table, request: Row, condition: str, values: Row | None
    ) -> dict[str, Any]:
        if condition:
            request["ConditionExpression"] = condition
        if names := _NAME.findall(condition + request.get("UpdateExpression", "")):
            request["ExpressionAttributeNames"] = {f"#{name}": name for name in names}
        if values:
            request["ExpressionAttributeValues"] = {
                f":{name}": encode(value) for name, value in values.items()
            }
        answer: dict[str, Any] = getattr(self._open_client(), operation)(
            TableName=table.full_name(self._prefix), **request
        )
        return answer


def open_table_reader(region: str, prefix: str) -> TableReader:
    """Return the reader of the account's tables."""
    return TableReader(lambda: open_dynamodb(region), prefix)


def open_table_writer(region: str, prefix: str) -> TableWriter:
    """Return the writer of the account's tables."""
    return TableWriter(lambda: open_dynamodb(region), prefix)


def _possible(values: Iterable[str]) -> bool:
    """Return whether a row can have this key; DynamoDB refuses a request for one that none can have.

    A sort key has 1 to 1,024 bytes of UTF-8; we hold partition keys to the same:
    docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html. No lone surrogate is UTF-8.
    """
    sizes = (len(value.encode(errors="replace")) if value.isprintable() else 0 for value in values)
    return all(0 < size <= KEY_BYTES for size in sizes)


def _encode_key(key: Key) -> dict[str, dict[str, str]]:
    return {name: {"S": value} for name, value in key.items()}


def _encode_row(row: Row) -> dict[str, Any]:
    return {name: encode(value) for name, value in row.items()}


def encode(value: Any) -> dict[str, Any]:  # noqa: ANN401 - a DynamoDB attribute is any JSON value
    """Turn a plain value into an attribute value; the counterpart of ``decode``.

    Raises:
        TypeError: the value is of a type that DynamoDB and JSON don't share.
    """
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case int() | float() | Decimal():
            return {"N": str(value)}
        case bytes():
            return {"B": value}
        case Mapping():
            return {"M": {name: encode(member) for name, member in value.items()}}
        case list() | tuple():
            return {"L": [encode(member) for member in value]}
        case _:
            raise TypeError(f"{type(value).__name__} has no form in a table")


def _decode_row(item: Mapping[str, Mapping[str, Any]]) -> Row:
    return {name: decode(value) for name, value in item.items()}


def decode(value: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a DynamoDB attribute is any JSON value
    """Turn an attribute value into plain Python: whole numbers to int, others to float, sets to lists."""
    kind, content = next(iter(value.items()))
    match kind:
        case "M":
            return _decode_row(content)
        case "L":
            return [decode(member) for member in content]
        case "N":
            return _number(content)
        case "NS":
            return [_number(member) for member in content]
        case "NULL":
            return None
        case "B":
            return b64decode(content)
        case "BS":
            return [b64decode(member) for member in content]
        case _:
            return content


def _number(text: str) -> int | float:
    number = Decimal(text)
    return int(number) if number == number.to_integral_value() else float(number)
