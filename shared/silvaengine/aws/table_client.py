"""Consistent reads and conditional writes of DynamoDB rows as plain Python values.

docs.aws.amazon.com/amazondynamodb/latest/APIReference. PynamoDB (``silvaengine_base.models``) costs a cold
start ten times as much as this module, and can't read rows of several tables in one call.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Literal, Protocol

from silvaengine.aws.attribute_values import decode_row, encode_row
from silvaengine.aws.backoff import ATTEMPTS, Backoff
from silvaengine.aws.client import open_client
from silvaengine.aws.errors import BUSY, BusyError
from silvaengine.aws.json_api import READ_SECONDS, JsonApi, Members
from silvaengine.named_tuple import NamedTuple
from silvaengine.settings import Settings
from silvaengine.tables import Index, Table

type Row = dict[str, Any]
type Key = Mapping[str, str]

API_TARGET = "DynamoDB_20120810"
BATCHES = Backoff(0.1)
BATCH_ROWS = 100  # docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
KEY_BYTES = 1024

_NAME = re.compile("#([A-Za-z0-9_]+)")


class UnprocessedError(BusyError):
    """DynamoDB left keys of a batch unread."""


class DynamoDbApi(Protocol):
    """DynamoDB's operations, called by name; see ``JsonApi.call``."""

    def call(self, operation: str, request: Members, resource: str, *, repeatable: bool = False) -> Members:
        """Call an operation and return its response's members."""


class _Tables:
    """The account's tables, whose names begin with ``prefix``; ``open_api`` is called for each request."""

    def __init__(self, open_api: Callable[[], DynamoDbApi], prefix: str) -> None:
        self._open_api = open_api
        self._prefix = prefix


class TableReader(_Tables):
    """Strongly consistent reads of rows; see ``_Tables``.

    An eventually consistent read just after a change would keep the old row under the new generation.
    """

    def get(self, table: Table, key: Key) -> Row | None:
        """Return one row, or None."""
        if not _is_possible(key.values()):
            return None
        name = self._prefix + table.name
        request = {"TableName": name, "Key": _encode_key(key), "ConsistentRead": True}
        response = self._open_api().call("GetItem", request, name, repeatable=True)
        return decode_row(response["Item"]) if "Item" in response else None

    def batch_get(self, keys: Sequence[tuple[Table, Key]]) -> list[Row | None]:
        """Return up to 100 rows of any tables by one call, in the order of ``keys``, None for a missing one.

        Raises:
            UnprocessedError: DynamoDB left some of them unread each time.
        """
        tables = {self._prefix + table.name: table for table, _ in keys}
        rows: dict[tuple[str, ...], Row] = {}
        pending = self._batch_request([(table, key) for table, key in keys if _is_possible(key.values())])

        def read_pending() -> None:
            nonlocal pending
            response = self._open_api().call("BatchGetItem", {"RequestItems": pending}, "", repeatable=True)
            for name, items in response["Responses"].items():
                rows.update({(name, *tables[name].key_of(row)): row for row in map(decode_row, items)})
            pending = response.get("UnprocessedKeys")
            if pending:
                raise UnprocessedError(BUSY, detail="BatchGetItem: unprocessed keys")

        if pending:
            BATCHES.run(read_pending, UnprocessedError)
        return [rows.get((self._prefix + table.name, *table.key_of(key))) for table, key in keys]

    def _batch_request(self, keys: Sequence[tuple[Table, Key]]) -> Members | None:
        request: Members = {}
        for table, key in keys:
            reads = request.setdefault(self._prefix + table.name, {"Keys": [], "ConsistentRead": True})
            if _encode_key(key) not in reads["Keys"]:
                reads["Keys"].append(_encode_key(key))
        return request

    def query(self, table: Table, hash_value: str) -> list[Row]:
        """Return all rows of one partition, over all its pages."""
        return [row for page in self.query_pages(table, hash_value) for row in page]

    def query_pages(
        self, table: Table, hash_value: str, *, condition: str = "", values: Row | None = None
    ) -> Iterator[list[Row]]:
        """Yield the rows of one partition, one of DynamoDB's pages at a time.

        ``condition`` is a FilterExpression without attributes of the key; see ``TableWriter`` for its form.
        """
        if not _is_possible([hash_value]):
            return
        name = self._prefix + table.name
        request: Members = {
            "TableName": name,
            "ConsistentRead": True,
            "KeyConditionExpression": "#h = :h",
            "ExpressionAttributeNames": {"#h": table.hash_key, **_names(condition)},
            "ExpressionAttributeValues": {":h": {"S": hash_value}, **_values(values or {})},
        }
        if condition:
            request["FilterExpression"] = condition
        response: Members = {"LastEvaluatedKey": None}
        while "LastEvaluatedKey" in response:
            response = self._open_api().call("Query", request, name, repeatable=True)
            request["ExclusiveStartKey"] = response.get("LastEvaluatedKey")
            yield [decode_row(item) for item in response["Items"]]

    def find(self, table: Table, index: str, attribute: str, value: str) -> Row | None:
        """Return one row by an attribute that isn't its key, through an index with all attributes, or None.

        An index is never consistent: a row that was just written may be missing, a deleted one be there.
        """
        name = self._prefix + table.name
        request = {
            "TableName": name,
            "IndexName": index,
            "KeyConditionExpression": "#h = :h",
            "ExpressionAttributeNames": {"#h": attribute},
            "ExpressionAttributeValues": {":h": {"S": value}},
            "Limit": 1,
        }
        items = self._open_api().call("Query", request, name, repeatable=True)["Items"]
        return decode_row(items[0]) if items else None

    def query_index(
        self,
        table: Table,
        index: Index,
        hash_value: str,
        *,
        up_to: int,
        limit: int,
        start: Members | None = None,
    ) -> tuple[list[Row], Members | None]:
        """Return rows of one partition of an index with numbers up to ``up_to``, the smallest first.

        An index is never consistent: read its rows again from the table. The second value is the ``start`` of
        the next page, None after the last one.
        """
        name = self._prefix + table.name
        request = {
            "TableName": name,
            "IndexName": index.name,
            "KeyConditionExpression": "#h = :h AND #r <= :r",
            "ExpressionAttributeNames": {"#h": index.hash_key, "#r": index.range_key},
            "ExpressionAttributeValues": {":h": {"S": hash_value}, ":r": {"N": str(up_to)}},
            "Limit": limit,
        }
        if start:
            request["ExclusiveStartKey"] = start
        response = self._open_api().call("Query", request, name, repeatable=True)
        return [decode_row(item) for item in response["Items"]], response.get("LastEvaluatedKey")


class Write(NamedTuple):
    """One write of a transaction, or a check of a row that it doesn't change; see ``TableWriter``.

    ``request`` has the members ``Item``, or ``Key`` and perhaps ``UpdateExpression``.
    """

    kind: Literal["Put", "Update", "Delete", "ConditionCheck"]
    table: Table
    request: Members
    condition: str = ""
    values: Row | None = None


class TableWriter(_Tables):
    """Writes of rows, each with or without a condition; see ``_Tables``.

    A condition and a change are DynamoDB's expressions, with attributes as ``#name`` and values as ``:name``;
    ``values`` has the latter by name, without the colon. Each write raises:

        ConditionFailedError: the condition didn't hold; the row is unchanged.
        UnavailableError: DynamoDB throttles or can't be reached; the row may have been written.
    """

    def put(self, table: Table, row: Row, *, condition: str = "", values: Row | None = None) -> None:
        """Write a whole row."""
        self._write("PutItem", table, {"Item": encode_row(row)}, condition, values)

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
        """Change a row by an UpdateExpression, or create it where the condition allows that.

        Return what ``returns`` says: ``NONE``, ``ALL_NEW``, ``UPDATED_NEW``, ``ALL_OLD`` or ``UPDATED_OLD``.
        """
        request = {"Key": _encode_key(key), "UpdateExpression": change, "ReturnValues": returns}
        response = self._write("UpdateItem", table, request, condition, values)
        return decode_row(response.get("Attributes", {}))

    def delete(self, table: Table, key: Key, *, condition: str = "", values: Row | None = None) -> None:
        """Delete a row if there is one."""
        self._write("DeleteItem", table, {"Key": _encode_key(key)}, condition, values)

    def transact(self, writes: Iterable[Write]) -> None:
        """Make up to 100 writes of different rows, or none: one condition that doesn't hold refuses all."""
        items = [
            {write.kind: self._request(write.table, write.request, write.condition, write.values)}
            for write in writes
        ]
        self._open_api().call("TransactWriteItems", {"TransactItems": items}, "")

    def _write(
        self, operation: str, table: Table, request: Members, condition: str, values: Row | None
    ) -> Members:
        request = self._request(table, request, condition, values)
        return self._open_api().call(operation, request, request["TableName"])

    def _request(self, table: Table, request: Members, condition: str, values: Row | None) -> Members:
        request = {**request, "TableName": self._prefix + table.name}
        if condition:
            request["ConditionExpression"] = condition
        if names := _names(condition + request.get("UpdateExpression", "")):
            request["ExpressionAttributeNames"] = names
        if values:
            request["ExpressionAttributeValues"] = _values(values)
        return request


@cache
def open_dynamodb(region: str, *, read_seconds: float = READ_SECONDS, attempts: int = ATTEMPTS) -> JsonApi:
    """Return the region's DynamoDB API with these limits; see ``JsonApi``."""
    client = open_client("dynamodb", region)
    return JsonApi(client, API_TARGET, "1.0", read_seconds=read_seconds, attempts=attempts)


def open_table_reader(settings: Settings) -> TableReader:
    """Return the reader of the account's tables."""
    return TableReader(lambda: open_dynamodb(settings.region), settings.table_prefix)


def open_table_writer(settings: Settings) -> TableWriter:
    """Return the writer of the account's tables."""
    return TableWriter(lambda: open_dynamodb(settings.region), settings.table_prefix)


def _is_possible(values: Iterable[str]) -> bool:
    """Return whether a row can have this key; DynamoDB refuses requests with impossible ones.

    A sort key has 1 to 1,024 bytes of UTF-8, and partition keys are held to the same:
    docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html. A lone surrogate isn't UTF-8.
    """
    sizes = (len(value.encode(errors="replace")) if value.isprintable() else 0 for value in values)
    return all(0 < size <= KEY_BYTES for size in sizes)


def _encode_key(key: Key) -> dict[str, dict[str, str]]:
    return {name: {"S": value} for name, value in key.items()}


def _names(expression: str) -> dict[str, str]:
    return {f"#{name}": name for name in _NAME.findall(expression)}


def _values(values: Row) -> Members:
    return encode_row({f":{name}": value for name, value in values.items()})
