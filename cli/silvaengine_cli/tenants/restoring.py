"""A tenant's rows are written back: what is missing is added, and nothing that is there is changed."""

from collections.abc import Iterable
from typing import NamedTuple

from silvaengine.access.api_keys import PREFIX
from silvaengine.tables import COMMON_ENDPOINT, CONFIG_DATA, CONNECTIONS, USAGE, Table
from silvaengine_cli.registry.bindings import is_binding, target_identity
from silvaengine_cli.registry.rows import Row, row_name
from silvaengine_cli.registry.tables import RegistryTables
from silvaengine_tasks.usage.rows import DELETED, tenant_digest


class Restored(NamedTuple):
    """The names of rows that were written or kept, and the keys that open nothing yet: endpoint and id."""

    written: list[str]
    kept: list[str]
    keys: list[tuple[str, str]]


def restore_rows(tables: RegistryTables, rows: Iterable[tuple[Table, Row]]) -> Restored:
    """Write rows in their order; of a row that is there the tenant's part is added where others share it.

    Raises:
        ConditionFailedError: a row was written meanwhile; a repetition goes on.
    """
    done = Restored([], [], [])
    for table, row in rows:
        existing = tables.get(table, *table.key_of(row))
        merged = row if existing is None else _with_part(table, existing, row)
        if existing is None:
            tables.create(table, row)
        elif merged != existing:
            tables.update(table, existing, merged)
        (done.kept if merged == existing else done.written).append(row_name(table, row))
        if table is CONNECTIONS and _opens_nothing(merged):
            done.keys.append((row["endpoint_id"], row["api_key"]))
    return done


def forget_deletion(tables: RegistryTables, endpoint_id: str) -> None:
    """Let usage be counted again of hours in which the tenant was deleted and restored."""
    if row := tables.get(USAGE, DELETED, tenant_digest(endpoint_id)):
        tables.delete(USAGE, row)


def _with_part(table: Table, existing: Row, row: Row) -> Row:
    """Return a row that is there, with the tenant's part of it."""
    if table is CONFIG_DATA and is_binding(existing) and is_binding(row):
        there = list(map(target_identity, existing["value"]))
        missing = [target for target in row["value"] if target_identity(target) not in there]
        return {**existing, "value": [*existing["value"], *missing]}
    named = existing.get("endpoints")
    if table is CONNECTIONS and row["endpoint_id"] == COMMON_ENDPOINT and named is not None:
        return {**existing, "endpoints": list(dict.fromkeys([*named, *row["endpoints"]]))}
    return existing


def _opens_nothing(key_row: Row) -> bool:
    is_hashed = key_row["api_key"].startswith(PREFIX)
    return is_hashed and not (key_row.get("key_hashes") or key_row.get("revoked_at"))
