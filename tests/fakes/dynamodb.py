"""DynamoDB in memory: conditional writes of single rows, consistent reads, and reads that lag behind.

It does what the framework calls, for the expressions that the framework writes; the contract suite runs the
same cases against it, moto and the local engine.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from boto3.dynamodb.types import TypeSerializer

from silvaengine.errors import ConditionFailedError
from silvaengine.tables import TABLES, Table

type Item = dict[str, dict[str, Any]]
type Values = Mapping[str, dict[str, Any]]
type Test = Callable[[Item, Values], bool]

VERSIONS = 8
PAGE = 3  # rows; DynamoDB's pages have up to 1 MB


class MemoryDynamoDB:
    """Tables that live as long as this object.

    Args:
        clock: seconds.
        lag: returns how many seconds the next read that isn't consistent is behind; an index always is.
        prefix: what the tables' names begin with.
    """

    def __init__(
        self,
        clock: Callable[[], float] = lambda: 0.0,
        lag: Callable[[], float] = lambda: 0.0,
        prefix: str = "se-",
    ) -> None:
        self._clock = clock
        self._lag = lag
        self._prefix = prefix
        self._keys = {prefix + table.name: table.key_names for table in TABLES}
        self._rows: dict[str, dict[tuple[str, ...], list[tuple[float, Item]]]] = {
            name: {} for name in self._keys
        }
        # By table and attribute, for those that are asked by: which rows have had which value.
        self._partitions: dict[tuple[str, str], dict[str, dict[tuple[str, ...], None]]] = {}

    def items(self, table: str) -> Iterator[Item]:
        """Return the table's rows as they are now."""
        return (item for versions in self._rows[table].values() if (item := versions[-1][1]))

    def stored(self, table: str, *key: str) -> Item:
        """Return a row as it is now, without a request; empty if there is none."""
        return self._now(table, key)

    def put(self, table: Table, **row: object) -> None:
        """Write a row of plain values, as another program would."""
        serialize = TypeSerializer().serialize
        item: Any = {name: serialize(value) for name, value in row.items()}
        self.put_item(TableName=self._prefix + table.name, Item=item)

    def call(
        self, operation: str, request: Mapping[str, Any], resource: str, *, repeatable: bool = False
    ) -> dict[str, Any]:
        """Do an operation, as ``silvaengine.aws.json_api.JsonApi`` does."""
        method = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation).lower()
        response: dict[str, Any] = getattr(self, method)(**request)
        return response

    def put_item(
        self,
        *,
        TableName: str,  # noqa: N803 - botocore's names, here and below
        Item: Item,  # noqa: N803
        ConditionExpression: str = "",  # noqa: N803
        ExpressionAttributeNames: Mapping[str, str] | None = None,  # noqa: N803
        ExpressionAttributeValues: Values | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        """Write a row."""
        key = self._key(TableName, Item)
        before = self._now(TableName, key)
        self._check(ConditionExpression, before, ExpressionAttributeNames, ExpressionAttributeValues)
        self._write(TableName, key, dict(Item))
        return {}

    def update_item(
        self,
        *,
        TableName: str,  # noqa: N803
        Key: Item,  # noqa: N803
        UpdateExpression: str,  # noqa: N803
        ReturnValues: str = "NONE",  # noqa: N803
        ConditionExpression: str = "",  # noqa: N803
        ExpressionAttributeNames: Mapping[str, str] | None = None,  # noqa: N803
        ExpressionAttributeValues: Values | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        """Change a row, or make it."""
        if ReturnValues != "NONE":
            raise NotImplementedError(ReturnValues)
        key = self._key(TableName, Key)
        before = self._now(TableName, key)
        self._check(ConditionExpression, before, ExpressionAttributeNames, ExpressionAttributeValues)
        after = {**before, **Key}
        if added := re.fullmatch(r"ADD #(\w+) (:\w+)", UpdateExpression):
            (name, place), so_far = added.groups(), int(before.get(added[1], {"N": "0"})["N"])
            after[name] = {"N": str(so_far + int((ExpressionAttributeValues or {})[place]["N"]))}
            self._write(TableName, key, after)
            return {}
        sets, removes = _change(UpdateExpression)
        for name, value in sets:
            after[name] = (ExpressionAttributeValues or {})[value]
        for name in removes:
            after.pop(name, None)
        self._write(TableName, key, after)
        return {}

    def delete_item(
        self,
        *,
        TableName: str,  # noqa: N803
        Key: Item,  # noqa: N803
        ConditionExpression: str = "",  # noqa: N803
        ExpressionAttributeNames: Mapping[str, str] | None = None,  # noqa: N803
        ExpressionAttributeValues: Values | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        """Delete a row."""
        key = self._key(TableName, Key)
        before = self._now(TableName, key)
        self._check(ConditionExpression, before, ExpressionAttributeNames, ExpressionAttributeValues)
        if before:
            self._write(TableName, key, {})
        return {}

    def transact_write_items(self, *, TransactItems: Sequence[Mapping[str, Any]]) -> dict[str, Any]:  # noqa: N803
        """Make all writes, or none if a condition doesn't hold."""
        writes = [(kind, request) for item in TransactItems for kind, request in item.items()]
        for _, request in writes:
            table, condition = request["TableName"], request.get("ConditionExpression", "")
            before = self._now(table, self._key(table, request.get("Key") or request["Item"]))
            names = {} if "UpdateExpression" in request else request.get("ExpressionAttributeNames")
            self._check(condition, before, names, request.get("ExpressionAttributeValues"))
        for kind, request in writes:
            if kind != "ConditionCheck":
                self.call(f"{kind}Item", request, "")
        return {}

    def get_item(self, *, TableName: str, Key: Item, ConsistentRead: bool = False) -> dict[str, Any]:  # noqa: N803
        """Read a row."""
        item = self._read(TableName, self._key(TableName, Key), ConsistentRead)
        return {"Item": item} if item else {}

    def batch_get_item(self, *, RequestItems: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N803
        """Read rows of any tables."""
        found = {}
        for table, request in RequestItems.items():
            consistent = request.get("ConsistentRead", False)
            read = (self._read(table, self._key(table, key), consistent) for key in request["Keys"])
            found[table] = [item for item in read if item]
        return {"Responses": found}

    def query(
        self,
        *,
        TableName: str,  # noqa: N803
        KeyConditionExpression: str,  # noqa: N803
        ExpressionAttributeNames: Mapping[str, str],  # noqa: N803
        ExpressionAttributeValues: Values,  # noqa: N803
        IndexName: str = "",  # noqa: N803
        Limit: int = 0,  # noqa: N803
        ConsistentRead: bool = False,  # noqa: N803
        FilterExpression: str = "",  # noqa: N803
        ExclusiveStartKey: Item | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        """Read one partition: of an index, or a page of a table's by its filter, if any."""
        if not IndexName:
            if KeyConditionExpression != "#h = :h" or not ConsistentRead:
                raise NotImplementedError(KeyConditionExpression)
            names, values = dict(ExpressionAttributeNames), dict(ExpressionAttributeValues)
            hash_name, partition = names.pop("#h"), values.pop(":h")
            self._check("", {}, names, values)
            meets = _condition(FilterExpression) if FilterExpression else lambda *_: True
            return self._page(TableName, hash_name, partition, meets, values, ExclusiveStartKey)
        hash_name, partition = ExpressionAttributeNames["#h"], ExpressionAttributeValues[":h"]
        rows = self._partition(TableName, hash_name, partition["S"])
        if KeyConditionExpression == "#h = :h":
            whole = (self._as_of(versions, consistent=False) for versions in rows)
            return {"Items": [item for item in whole if item.get(hash_name) == partition][:Limit]}
        if KeyConditionExpression != "#h = :h AND #r <= :r":
            raise NotImplementedError(KeyConditionExpression)
        range_name, up_to = ExpressionAttributeNames["#r"], float(ExpressionAttributeValues[":r"]["N"])
        found = []
        for versions in rows:
            item = self._as_of(versions, consistent=False)
            if item.get(hash_name) == partition and range_name in item:
                found.append((float(item[range_name]["N"]), item))
        key_names = (*self._keys[TableName], hash_name, range_name)
        keys = [{name: item[name] for name in key_names} for number, item in found if number <= up_to]
        keys.sort(key=self._place)
        if ExclusiveStartKey:
            keys = [key for key in keys if self._place(key) > self._place(ExclusiveStartKey)]
        return {"Items": keys[:Limit], **({"LastEvaluatedKey": keys[Limit - 1]} if keys[Limit:] else {})}

    def _partition(self, table: str, name: str, value: str) -> Iterator[list[tuple[float, Item]]]:
        """Return the versions of each row that has or had this value."""
        rows = self._rows[table]
        if (table, name) not in self._partitions:
            self._partitions[table, name] = defaultdict(dict)
            for key, versions in rows.items():
                for _, item in versions:
                    self._note_partition(table, key, item)
        return (rows[key] for key in self._partitions[table, name][value])

    def _note_partition(self, table: str, key: tuple[str, ...], item: Item) -> None:
        for (indexed, name), partitions in self._partitions.items():
            if indexed == table and name in item:
                partitions[item[name]["S"]][key] = None

    @staticmethod
    def _place(key: Item) -> tuple[float, str]:
        """Return an entry's place in its partition of the index."""
        return float(key["due_at"]["N"]), key["job_id"]["S"]

    def _page(
        self,
        table: str,
        hash_name: str,
        partition: Any,
        meets: Test,
        values: Values,
        after: Item | None,
    ) -> dict[str, Any]:
        """Return the next few rows of a partition, those that meet the condition."""
        keys = sorted(key for key, versions in self._rows[table].items() if versions[-1][1])
        start = self._key(table, after) if after else ()
        rest = [key for key in keys if key > start and self._now(table, key)[hash_name] == partition]
        rows = [self._now(table, key) for key in rest[:PAGE]]
        response: dict[str, Any] = {"Items": [row for row in rows if meets(row, values)]}
        if rest[PAGE:]:
            response["LastEvaluatedKey"] = {name: rows[-1][name] for name in self._keys[table]}
        return response

    def _key(self, table: str, item: Item) -> tuple[str, ...]:
        return tuple(item[name]["S"] for name in self._keys[table])

    def _now(self, table: str, key: tuple[str, ...]) -> Item:
        versions = self._rows[table].get(key)
        return versions[-1][1] if versions else {}

    def _read(self, table: str, key: tuple[str, ...], consistent: bool) -> Item:
        versions = self._rows[table].get(key)
        return self._as_of(versions, consistent=consistent) if versions else {}

    def _as_of(self, versions: list[tuple[float, Item]], *, consistent: bool) -> Item:
        if consistent:
            return versions[-1][1]
        moment = self._clock() - self._lag()
        return next((item for time, item in reversed(versions) if time <= moment), {})

    def _write(self, table: str, key: tuple[str, ...], item: Item) -> None:
        versions = self._rows[table].setdefault(key, [])
        versions.append((self._clock(), item))
        del versions[:-VERSIONS]
        self._note_partition(table, key, item)

    def _check(
        self, condition: str, item: Item, names: Mapping[str, str] | None, values: Values | None
    ) -> None:
        if any(f"#{name}" != place for place, name in (names or {}).items()):
            raise NotImplementedError(names)
        if condition and not _condition(condition)(item, values or {}):
            raise ConditionFailedError("The conditional request failed")


@cache
def _condition(text: str) -> Test:
    """Compile what is joined by OR, each part joined by AND."""
    parts = [[_term(term) for term in part.split(" AND ")] for part in text.split(" OR ")]
    return lambda item, values: any(all(term(item, values) for term in part) for part in parts)


def _term(text: str) -> Test:
    if found := re.fullmatch(r"attribute_not_exists\(#(\w+)\)", text):
        name = found[1]
        return lambda item, _: name not in item
    if found := re.fullmatch(r"attribute_exists\(#(\w+)\)", text):
        name = found[1]
        return lambda item, _: name in item
    found = re.fullmatch(r"#(\w+) (=|<=|>) (:\w+)", text)
    if not found:
        raise NotImplementedError(text)
    name, operator, place = found.groups()
    if operator == "=":
        return lambda item, values: name in item and item[name] == values[place]
    if operator == ">":
        return lambda item, values: name in item and float(item[name]["N"]) > float(values[place]["N"])
    return lambda item, values: name in item and float(item[name]["N"]) <= float(values[place]["N"])


@cache
def _change(text: str) -> tuple[list[tuple[str, str]], list[str]]:
    """Compile a SET and a REMOVE clause."""
    found = re.fullmatch(r"(?:SET ([^A-Z]+?))?\s*(?:REMOVE ([^A-Z]+))?", text)
    if not found:
        raise NotImplementedError(text)
    sets = [tuple(part.split(" = ")) for part in (found[1] or "").split(", ") if part]
    removes = [part.removeprefix("#") for part in (found[2] or "").split(", ") if part]
    return [(name.removeprefix("#"), place) for name, place in sets], removes
