"""Reads that don't ask for consistency."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, override

from silvaengine_cli.strict.calls import Call
from silvaengine_cli.strict.engine import Engine
from silvaengine_cli.strict.http import Response
from silvaengine_cli.strict.rule import Next, Rule
from silvaengine_cli.strict.script import Passing, Script

API = "DynamoDB_20120810"

type Item = Mapping[str, Any]


class EventualReads(Rule):
    """A read without ConsistentRead, or of an index, may return a row as it was before its last write."""

    source = "amazondynamodb/latest/developerguide/HowItWorks.ReadConsistency.html"
    calls = ("DynamoDB.*",)

    def __init__(self, engine: Engine, script: Script) -> None:
        super().__init__(engine, script)
        # A row before its last write: a list of one, or an empty one.
        self._before = Passing[Sequence[Item]](script.stale_reads, script.stale_seconds, script.clock)
        self._keys: dict[str, Sequence[str]] = {}  # the names of tables' key attributes

    @override
    def answer(self, call: Call, proceed: Next) -> Response:
        if call.operation in ("CreateTable", "DeleteTable"):
            self._keys.clear()
        before = [(table, self._key(table, item)) for table, item in _written(call)]
        rows = [self._read(table, key) for table, key in before]
        response = proceed(call)
        if not response.is_success:
            return response
        for (table, key), was in zip(before, rows, strict=True):
            self._before.begin(_id(table, key), was)
        if not self._before or call.json.get("ConsistentRead"):
            return response
        match call.operation:
            case "GetItem":
                return self._stale_item(call.json, response)
            case "BatchGetItem":
                return self._stale_batch(call.json, response)
            case "Query" | "Scan":
                return self._stale_page(call.json, response)
        return response

    def _stale_item(self, request: Item, response: Response) -> Response:
        was = self._before.look(_id(_table(request), request["Key"]))
        if was is None:
            return response
        value = {name: member for name, member in response.json().items() if name != "Item"}
        return response.with_json(value | ({"Item": _projected(was[0], request)} if was else {}))

    def _stale_batch(self, request: Item, response: Response) -> Response:
        value = response.json()
        for table, asked in request["RequestItems"].items():
            if asked.get("ConsistentRead") or "ProjectionExpression" in asked:
                continue
            found = {_id(table, self._key(table, item)): item for item in value["Responses"].get(table, ())}
            for row in (_id(table, key) for key in asked["Keys"]):
                was = self._before.look(row)
                if was is not None:
                    found.pop(row, None)
                if was:
                    found[row] = was[0]
            value["Responses"][table] = list(found.values())
        return response.with_json(value)

    def _stale_page(self, request: Item, response: Response) -> Response:
        """Leave out rows that are new, and show changed ones as they were where no filter has chosen them."""
        value, table = response.json(), _table(request)
        chosen = bool({"ProjectionExpression", "FilterExpression", "IndexName"} & request.keys())
        items: list[Item] = []
        for item in value.get("Items", ()):
            was = self._before.look(_id(table, self._key(table, item)))
            items += [item] if was is None or (was and chosen) else was
        page = {"Items": items, "Count": len(items)} if "Items" in value else {}
        return response.with_json({**value, **page})

    def _read(self, table: str, key: Item) -> Sequence[Item]:
        request = {"TableName": table, "Key": key, "ConsistentRead": True}
        result = self.engine.json_call("dynamodb", f"{API}.GetItem", request)
        return [result["Item"]] if "Item" in result else []

    def _key(self, table: str, item: Item) -> Item:
        if table not in self._keys:
            described = self.engine.json_call("dynamodb", f"{API}.DescribeTable", {"TableName": table})
            schema = described.get("Table", {}).get("KeySchema", ())
            self._keys[table] = [element["AttributeName"] for element in schema]
        return {name: item[name] for name in self._keys[table] if name in item}


def _written(call: Call) -> Iterator[tuple[str, Item]]:
    """Yield table and key, or item, of each row that a call writes; PartiQL's statements are left out."""
    request = call.json
    match call.operation, request:
        case "PutItem", {"TableName": _, "Item": item}:
            yield _table(request), item
        case "UpdateItem" | "DeleteItem", {"TableName": _, "Key": key}:
            yield _table(request), key
        case "BatchWriteItem", {"RequestItems": tables}:
            for table, writes in tables.items():
                for write in (each for kinds in writes for each in kinds.values()):
                    yield table, write.get("Item") or write["Key"]
        case "TransactWriteItems", {"TransactItems": writes}:
            for write in (each for kinds in writes for each in kinds.values()):
                yield _table(write), write.get("Item") or write["Key"]


def _table(request: Item) -> str:
    return str(request["TableName"]).rpartition("/")[2]


def _id(table: str, key: Item) -> str:
    return f"{table} {json.dumps(key, sort_keys=True)}"


def _projected(item: Item, request: Item) -> Item:
    """Return the attributes that a ProjectionExpression names; a path counts by its first name."""
    if "ProjectionExpression" not in request:
        return item
    names = request.get("ExpressionAttributeNames", {})
    wanted = (part.strip().partition(".")[0] for part in request["ProjectionExpression"].split(","))
    return {name: item[name] for name in (names.get(each, each) for each in wanted) if name in item}
