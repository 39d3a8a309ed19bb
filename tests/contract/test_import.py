"""``silvaengine import`` on tables in the contract's form."""

from typing import Any

import pytest

from silvaengine.tables import CONNECTIONS, ENDPOINTS, FUNCTIONS
from silvaengine_cli.packages.importing import make_import, make_remap
from silvaengine_cli.packages.metadata import functions_of
from silvaengine_cli.registry.apply import carry_out
from silvaengine_cli.registry.tables import RegistryTables

LAMBDAS = "arn:aws:lambda:us-east-1:123456789012:function"
WORKER, OLD = f"{LAMBDAS}:worker", f"{LAMBDAS}:old"
METADATA: list[Any] = [{"class": "Shop", "functions": {"order": {}, "ping": {}}}]


@pytest.fixture
def tables(dynamodb: Any) -> RegistryTables:
    """The registry of a predecessor: two keys of the common key row, one of acme's, no revisions."""
    tables = RegistryTables(dynamodb)
    mine = {"aws_lambda_arn": OLD, "function": "ping", "setting": "own"}
    tables.create(
        CONNECTIONS,
        {"endpoint_id": "1", "api_key": "#####", "functions": [mine], "whitelist": ["10.0.0.0/8"]},
    )
    tables.create(CONNECTIONS, {"endpoint_id": "1", "api_key": "k", "functions": []})
    tables.create(CONNECTIONS, {"endpoint_id": "acme", "api_key": "k", "functions": []})
    return tables


def connection(tables: RegistryTables, endpoint: str, key: str) -> dict[str, Any]:
    """Return a connection's row."""
    return tables.read(CONNECTIONS, [(endpoint, key)])[endpoint, key]


def test_import_joins_every_connection_of_the_endpoint(tables: RegistryTables) -> None:
    """Existing entries and whitelists stay, and other endpoints are unchanged."""
    functions = functions_of("shop", "core", METADATA)
    plan = make_import(functions, "1", tables, WORKER)
    assert tuple(map(str, plan.notes)) == (
        "setting 'shop' has no rows: its functions answer 500 until it has",
    )
    carry_out(plan, tables)
    first, second = connection(tables, "1", "#####"), connection(tables, "1", "k")
    assert first["whitelist"] == ["10.0.0.0/8"]
    assert first["functions"] == [
        {"aws_lambda_arn": OLD, "function": "ping", "setting": "own"},
        {"aws_lambda_arn": WORKER, "function": "order", "setting": ""},
    ]
    assert [entry["function"] for entry in second["functions"]] == ["order", "ping"]
    assert connection(tables, "acme", "k")["functions"] == []
    config = tables.read(FUNCTIONS, [(WORKER, "order")])[WORKER, "order"]["config"]
    assert (config["module_name"], config["class_name"], config["setting"]) == ("shop", "Shop", "shop")
    assert not make_import(functions, "1", tables, WORKER)


def test_import_leaves_what_a_registry_file_says_of_executions(tables: RegistryTables) -> None:
    """A deploy() can't say how often a job is tried, so that importing it again changes nothing."""
    functions = functions_of("shop", "core", METADATA)
    carry_out(make_import(functions, "1", tables, WORKER), tables)
    before = tables.read(FUNCTIONS, [(WORKER, "order")])[WORKER, "order"]
    config = {**before["config"], "max_attempts": 1, "broadcasts": True}
    tables.update(FUNCTIONS, before, {**before, "config": config})
    assert not make_import(functions, "1", tables, WORKER)


def test_an_endpoint_without_a_connection_gets_one(tables: RegistryTables) -> None:
    """An import makes the connection that calls without a key need."""
    carry_out(make_import(functions_of("shop", "core", METADATA), "globex", tables, WORKER), tables)
    assert len(connection(tables, "globex", "#####")["functions"]) == 2


@pytest.mark.parametrize(
    ("row", "note"),
    [
        (None, "'globex' has no row: until"),
        ({}, "'globex' uses the common key row: until"),
        ({"special_connection": True}, ""),
    ],
)
def test_key_rows_that_no_request_uses_are_named(
    tables: RegistryTables, row: dict[str, Any] | None, note: str
) -> None:
    """Only an endpoint with `special_connection` is served by key rows of its own."""
    if row is not None:
        tables.create(ENDPOINTS, {"endpoint_id": "globex", **row})
    plan = make_import(functions_of("shop", "core", METADATA), "globex", tables, WORKER)
    assert [str(each) for each in plan.notes if "globex" in str(each)] == (
        [f"endpoint {note} it has `connection: own`, these functions are missing there"] if note else []
    )


@pytest.mark.parametrize("old", [OLD, "old"])
def test_remap_points_rows_to_the_new_worker(tables: RegistryTables, old: str) -> None:
    """Rows name the new worker; the old one's function rows stay for the way back, settings too."""
    tables.create(FUNCTIONS, {"aws_lambda_arn": OLD, "function": "ping", "area": "core", "config": {}})
    carry_out(make_remap(old, tables, WORKER), tables)
    row = connection(tables, "1", "#####")
    assert row["functions"] == [{"aws_lambda_arn": WORKER, "function": "ping", "setting": "own"}]
    assert row["whitelist"] == ["10.0.0.0/8"]
    assert set(tables.read(FUNCTIONS, [(WORKER, "ping"), (OLD, "ping")])) == {(WORKER, "ping"), (OLD, "ping")}
    assert not make_remap(old, tables, WORKER)


def test_an_import_that_has_nothing_to_do_says_why(tables: RegistryTables) -> None:
    """No file is named, and a worker that is misspelt isn't passed over."""
    functions = functions_of("shop", "core", METADATA)
    carry_out(make_import(functions, "1", tables, WORKER), tables)
    (again, _) = make_import(functions, "1", tables, WORKER).notes
    assert str(again) == "endpoint '1' has these functions already"
    (unknown,) = make_remap("olt", tables, WORKER).notes
    assert str(unknown) == "no key row names 'olt' instead of this stack's worker"
