"""A tenant's rows on the tables: what is its own, what others share, what is refused; a file and back."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from silvaengine.registry.packages import POINTER_ITEM, release_item
from silvaengine.tables import (
    CONFIG_DATA,
    CONNECTIONS,
    ENDPOINTS,
    FUNCTIONS,
    HOOKS,
    PACKAGES,
    TABLES,
    USAGE,
    Table,
    is_internal,
)
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.engine import REGION
from silvaengine_cli.main import cli
from silvaengine_cli.registry.rows import Row
from silvaengine_cli.registry.tables import RegistryTables
from silvaengine_cli.tenants.deletion import TenantDeletion
from silvaengine_cli.tenants.file import read_tenant, write_tenant
from silvaengine_cli.tenants.pins import Pins
from silvaengine_cli.tenants.rows import all_rows, read_tenant_rows
from silvaengine_tasks.usage.rows import DELETED, item_key, progress_key, tenant_digest

WORKER = "arn:aws:lambda:us-east-1:123456789012:function:worker"
STACK = "arn:aws:lambda:us-east-1:123456789012:function:stack"
OPTIONS = ["--table-prefix", "se-", "--region", REGION]

type Run = Callable[..., Result]


def key(endpoint: str, api_key: str, *settings: str, **more: Any) -> Row:
    """Return a key row whose entries have these settings."""
    entries = [{"aws_lambda_arn": WORKER, "function": "hello", "setting": setting} for setting in settings]
    return {"endpoint_id": endpoint, "api_key": api_key, "functions": entries, **more}


def setting(setting_id: str, value: Any = 1, variable: str = "x") -> Row:
    """Return a row of settings."""
    return {"setting_id": setting_id, "variable": variable, "value": value}


def target(endpoint: str) -> Row:
    """Return an event source's target."""
    return {"endpoint_id": endpoint, "funct": "hello"}


def used(endpoint_id: str) -> Row:
    """Return a row of usage."""
    owner = {"endpoint_id": endpoint_id, "hour": 500_000, "function": "f"}
    return {"month": "2027-01", "item": item_key(endpoint_id, 500_000, "f", "stack"), **owner, "calls": 3}


ROWS: list[tuple[Table, Row]] = [
    (
        FUNCTIONS,
        {"aws_lambda_arn": WORKER, "function": "hello", "area": "core", "config": {"setting": "hello"}},
    ),
    (ENDPOINTS, {"endpoint_id": "acme", "special_connection": True}),
    (CONNECTIONS, key("acme", "#####", "acme-own", "both", "hello")),
    (CONNECTIONS, key("acme", "raw-secret", label="shop")),
    (
        CONNECTIONS,
        key("acme", "sek_1", key_hashes=[{"hash": "h1", "created_at": 0, "expires_at": 90 * 86_400}]),
    ),
    (CONNECTIONS, key("1", "sek_2", endpoints=["acme"], key_hashes=[{"hash": "h2", "created_at": 0}])),
    (CONNECTIONS, key("1", "sek_3", endpoints=["acme", "shop"])),
    (HOOKS, {"api_id": "acme", "module_name": "audit", "function_name": "f"}),
    (CONFIG_DATA, setting("acme-own")),
    (CONFIG_DATA, setting("beta_core_acme", {"a": b"\x00\xff", "b": {"c"}})),
    (CONFIG_DATA, setting("prod_old_area_acme")),
    (CONFIG_DATA, setting("silvaengine_events", [target("acme")], "queue:acme")),
    (CONFIG_DATA, setting("silvaengine_events", [target("acme"), target("acme2")], "queue:both")),
    (CONFIG_DATA, setting("silvaengine:keys", 1, "acme:sek_1")),
    (CONFIG_DATA, setting("silvaengine:cache:method", 1, "acme")),
    (USAGE, used("acme")),
]
# Of others, whose ids begin or end alike; of the operator.
OTHERS: list[tuple[Table, Row]] = [
    (ENDPOINTS, {"endpoint_id": "acme2", "special_connection": True}),
    (ENDPOINTS, {"endpoint_id": "x_acme", "special_connection": True}),
    (ENDPOINTS, {"endpoint_id": "shop", "special_connection": False}),
    (CONNECTIONS, key("acme2", "#####", "both", "acme2-own")),
    (CONNECTIONS, key("1", "sek_4", endpoints=["acme2"])),
    (HOOKS, {"api_id": "acme2", "module_name": "audit", "function_name": "f"}),
    (CONFIG_DATA, setting("hello")),
    (CONFIG_DATA, setting("both")),
    (CONFIG_DATA, setting("acme2-own")),
    (CONFIG_DATA, setting("beta_core_acme2")),
    (CONFIG_DATA, setting("beta_core_x_acme")),
    (CONFIG_DATA, setting("silvaengine:keys", 1, "acme2:sek_1")),
    (CONFIG_DATA, setting("silvaengine:keys", 1, "acme:x:sek_1")),
    (CONFIG_DATA, setting("silvaengine:cache:method", 1, "acme2")),
    (USAGE, used("acme2")),
    (USAGE, {**progress_key("acme"), "hour": 500_000}),
]


@pytest.fixture
def tables(dynamodb: Any) -> RegistryTables:
    """The rows of a tenant and of others."""
    tables = RegistryTables(dynamodb)
    for table, row in (*ROWS, *OTHERS):
        tables.create(table, row)
    return tables


@pytest.fixture
def run(tables: RegistryTables) -> Run:
    """Run `tenant` on the tables."""
    return lambda *arguments: CliRunner().invoke(cli, ["tenant", *arguments, *OPTIONS])


def contents(tables: RegistryTables) -> dict[Any, Row]:
    """Return all rows of all tables but the generation."""
    return {
        (table.name, *table.key_of(row)): row
        for table in TABLES
        for row in tables._scan(table)
        if row.get("setting_id") != "silvaengine"
    }


class OfTables(TenantDeletion):
    """A deletion without a stack: what is not in the registry's tables isn't there."""

    def __init__(self, tables: RegistryTables) -> None:
        self._tables, self._endpoint_id = tables, "acme"
        self._connections = self._jobs = Nothing()  # type: ignore[assignment]
        self._pins = Pins(Deployment(table_prefix="se-", worker_arn=f"{STACK}-Worker", region=REGION), "acme")

    def delete(self, stop_after: int = 99) -> None:
        """Carry out the first steps."""
        for number, step in enumerate(self._steps()):
            if step.name != "keys in Redis" and number < stop_after:
                step.delete(step.find())


class Nothing:
    """Has nothing."""

    def ids(self, _: str) -> list[str]:
        """Return none."""
        return []

    def delete(self, *_: object) -> None:
        """Delete none."""


def test_a_tenants_rows_go_and_no_others(tables: RegistryTables) -> None:
    """Nothing that names the tenant is left; rows of others are as they were, shared ones without it."""
    OfTables(tables).delete()
    left = contents(tables)
    assert left.pop(("usage", DELETED, tenant_digest("acme")))["at"] > 0
    assert left.pop(("connections", "1", "sek_3"))["endpoints"] == ["shop"]
    assert left.pop(("configdata", "silvaengine_events", "queue:both"))["value"] == [target("acme2")]
    assert left == {(table.name, *table.key_of(row)): row for table, row in (ROWS[0], *OTHERS)}


@pytest.mark.parametrize("steps", range(11))
def test_a_deletion_that_broke_off_is_finished(tables: RegistryTables, steps: int) -> None:
    """After any step a second run finds what is left, also settings that only its key rows name."""
    OfTables(tables).delete(steps)
    if steps:
        assert tables.get(ENDPOINTS, "acme") is None, "no key opens anything from the first step on"
    OfTables(tables).delete()
    assert list(all_rows(read_tenant_rows(tables, "acme"))) == []
    assert tables.get(CONFIG_DATA, "acme-own", "x") is None


def test_a_tenants_pins_go(tables: RegistryTables) -> None:
    """What is pinned for others stays, and so does the release that serves all."""
    arn = f"{STACK}-pkg-shop"
    for number in (1, 2):
        tables.create(PACKAGES, {"function_arn": arn, "item": release_item(number)})
    pointer = {"package": "shop", "release": 2, "pins": {"acme": 1, "acme2": 1}, "revision": 7}
    tables.create(PACKAGES, {"function_arn": arn, "item": POINTER_ITEM, **pointer})
    OfTables(tables).delete()
    after = tables.get(PACKAGES, arn, POINTER_ITEM) or {}
    assert (after["release"], after["pins"], after["revision"]) == (2, {"acme2": 1}, 8)


def test_settings_that_only_its_packages_name_are_its_own(tables: RegistryTables) -> None:
    """As those that its functions' entries name; its file has the packages of its key rows."""
    packages = [{"package": "shop", "setting": "acme-shop"}]
    tables.create(CONNECTIONS, key("acme", "sek_5", packages=packages))
    tables.create(CONFIG_DATA, setting("acme-shop"))
    text = write_tenant("acme", read_tenant_rows(tables, "acme"))
    rows = read_tenant(text, "acme.json").rows
    assert [row["packages"] for _, row in rows if row.get("api_key") == "sek_5"] == [packages]
    OfTables(tables).delete()
    assert tables.get(CONFIG_DATA, "acme-shop", "x") is None


def test_settings_that_may_be_anothers_are_refused(tables: RegistryTables, run: Run) -> None:
    """Where areas and endpoints with underscores make an id ambiguous nothing is written."""
    before = contents(tables)
    tables.create(FUNCTIONS, {"aws_lambda_arn": WORKER, "function": "sell", "area": "core_x", "config": {}})
    result = run("export", "acme")
    assert result.exit_code == 1
    assert "beta_core_x_acme (acme or x_acme)" in result.output
    assert contents(tables).items() >= before.items()


@pytest.mark.parametrize("name", ["0", "1"])
def test_rows_for_all_are_no_tenant(run: Run, name: str) -> None:
    """The common key rows and the root can't be exported or deleted as one."""
    assert "is no tenant" in run("export", name).output


def test_a_tenant_is_restored_from_its_file(tables: RegistryTables, run: Run, tmp_path: Path) -> None:
    """Deleted and restored it has its rows, whose keys have ids, rights and lifetimes, and no secret."""
    before, path = contents(tables), tmp_path / "acme.json"
    exported = run("export", "acme", "-o", str(path))
    assert exported.exit_code == 0, exported.output
    assert path.stat().st_mode & 0o777 == 0o600
    text = path.read_text()
    assert not any(secret in text for secret in ("raw-secret", "h1", "h2"))
    OfTables(tables).delete()
    restored = run("restore", str(path))
    assert restored.exit_code == 0, restored.output
    assert "keys rotate sek_1 --endpoint acme --expires 90\n" in restored.output
    after = contents(tables)
    (raw,) = (row for row in after.values() if row.get("label") == "shop")
    assert raw["api_key"].startswith("sek_")
    assert f"keys rotate {raw['api_key']} --endpoint acme\n" in restored.output
    expected = {name: row for name, row in before.items() if not is_internal(str(row.get("setting_id")))}
    for row in expected.values():
        row.pop("key_hashes", None)
    expected["connections", "acme", raw["api_key"]] = expected.pop(("connections", "acme", "raw-secret"))
    expected["connections", "acme", raw["api_key"]] |= {
        "api_key": raw["api_key"],
        "grants": ["invoke", "jobs"],  # which a key that is its own secret has without a word
    }
    # What others share is as it was, with the tenant's part at the end.
    expected["connections", "1", "sek_3"]["endpoints"] = ["shop", "acme"]
    expected["configdata", "silvaengine_events", "queue:both"]["value"] = [target("acme2"), target("acme")]
    assert {name: row for name, row in after.items() if name in expected} == expected
    assert ("usage", DELETED, tenant_digest("acme")) not in after, "its last hours are counted again"


def test_a_restoration_changes_nothing_that_is_there(
    tables: RegistryTables, run: Run, tmp_path: Path
) -> None:
    """A second one writes no row, and says what it kept."""
    path = tmp_path / "acme.json"
    assert run("export", "acme", "-o", str(path)).exit_code == 0
    row = tables.get(CONFIG_DATA, "acme-own", "x")
    assert row
    tables.update(CONFIG_DATA, row, {**row, "value": 2})
    before = contents(tables)
    done = json.loads(run("restore", str(path), "--json").output)
    written = [name for name in done["written"] if "sek_" not in name]
    assert written == []
    assert "configdata acme-own / x" in done["kept"]
    assert contents(tables).items() >= before.items()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"version": 2, "tenant": "acme", "rows": [], "lifetimes": {}}']
)
def test_another_file_is_refused(run: Run, tmp_path: Path, text: str) -> None:
    """It says which command's files it takes."""
    (tmp_path / "other.json").write_text(text)
    result = run("restore", str(tmp_path / "other.json"))
    assert result.exit_code == 1
    assert "isn't a file of `silvaengine tenant export`" in result.output
