"""Routes in the tables: what ``apply`` and ``keys`` write, and what a gateway's look-up reads."""

from collections.abc import Callable
from typing import Any

import pytest

from silvaengine.aws.botocore import BotocoreApi
from silvaengine.aws.table_client import TableReader
from silvaengine.registry.registry import Registry
from silvaengine.registry.routes import RouteMatch
from silvaengine.tables import CONNECTIONS, DEFAULT_API_KEY, FUNCTIONS
from silvaengine_cli.api_keys import function_entries
from silvaengine_cli.registry.export import export
from silvaengine_cli.registry.file import parse
from silvaengine_cli.registry.tables import RegistryTables

WORKER = "arn:aws:lambda:us-east-1:123456789012:function:worker"
REGISTRY = """\
endpoints: {demo: }
functions:
  hello: {module: demo, area: core}
  one: {module: demo, area: core, route: 'GET /things/{thing}'}
connections:
  - functions: [hello, one]
"""

type Apply = Callable[..., tuple[str, ...]]


def routes(tables: RegistryTables, api_key: str = DEFAULT_API_KEY) -> dict[str, str | None]:
    """Return the routes in a common key row's entries."""
    row = tables.read(CONNECTIONS, [("1", api_key)])["1", api_key]
    return {entry["function"]: entry.get("route") for entry in row["functions"]}


def test_a_route_is_in_the_functions_row_and_the_key_rows(apply: Apply, tables: RegistryTables) -> None:
    """An entry without one has no such member; applied again, nothing changes; an export says the same."""
    apply(REGISTRY)
    config = tables.read(FUNCTIONS, [(WORKER, "one")])[WORKER, "one"]["config"]
    assert (config["route"], config["methods"]) == ("GET /things/{thing}", ["GET"])
    assert routes(tables) == {"hello": None, "one": "GET /things/{thing}"}
    assert apply(REGISTRY) == ()
    exported = export(tables, WORKER).text
    assert parse(exported.encode()).spec == parse(REGISTRY.encode()).spec
    assert apply(exported) == ()


def test_a_route_that_changes_or_goes(apply: Apply, tables: RegistryTables) -> None:
    """A key row follows, one that isn't in the file too; a foreign one doesn't become apply's for that."""
    apply(REGISTRY)
    entries = function_entries(tables, ["one", "hello"], WORKER)
    assert [entry.get("route") for entry in entries] == ["GET /things/{thing}", None]
    tables.create(CONNECTIONS, {"endpoint_id": "1", "api_key": "foreign", "functions": entries})
    changed = REGISTRY.replace("/things/", "/parts/")
    assert apply(changed) == (
        "update functions worker / one", "update connections 1 / #####", "update connections 1 / fo…"
    )  # fmt: skip
    assert routes(tables)["one"] == routes(tables, "foreign")["one"] == "GET /parts/{thing}"
    without = changed.replace(", route: 'GET /parts/{thing}'", "")
    apply(without, prune=True)
    assert routes(tables) == routes(tables, "foreign") == {"one": None, "hello": None}
    assert "route" not in tables.read(FUNCTIONS, [(WORKER, "one")])[WORKER, "one"]["config"]


def test_a_gateway_finds_routes_without_reading_functions_rows(
    apply: Apply, dynamodb: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are compiled once, and again when the registry has changed."""
    apply(REGISTRY)
    api = BotocoreApi(dynamodb)
    registry = Registry(TableReader(lambda: api, "se-"), {}, stage="beta", refresh=0.0)
    key_access = registry.key_access("demo", DEFAULT_API_KEY, "core")
    monkeypatch.setattr(api, "call", None)  # from here on a read would fail
    table = registry.routes(key_access)
    assert table
    assert table.find("GET", "things/17") == RouteMatch("one", {"thing": "17"})
    assert registry.routes(key_access) is table


def test_of_two_entries_with_one_route_the_first_counts(
    apply: Apply, tables: RegistryTables, dynamodb: Any
) -> None:
    """Only another tool can have written them."""
    apply(REGISTRY)
    entries = [
        {"aws_lambda_arn": WORKER, "function": name, "route": "GET /a/{b}"} for name in ("one", "hello")
    ]
    tables.create(CONNECTIONS, {"endpoint_id": "1", "api_key": "foreign", "functions": entries})
    api = BotocoreApi(dynamodb)
    registry = Registry(TableReader(lambda: api, "se-"), {}, stage="beta")
    table = registry.routes(registry.key_access("demo", "foreign", "core"))
    assert table
    assert table.find("GET", "a/1") == RouteMatch("one", {"b": "1"})


def test_a_key_without_routes_has_no_table(apply: Apply, dynamodb: Any) -> None:
    """Nothing is loaded for it."""
    apply(REGISTRY.replace(", route: 'GET /things/{thing}'", ""))
    api = BotocoreApi(dynamodb)
    registry = Registry(TableReader(lambda: api, "se-"), {}, stage="beta")
    assert registry.routes(registry.key_access("demo", DEFAULT_API_KEY, "core")) is None
