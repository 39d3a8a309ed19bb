"""The registry's rows of a tenant: those that are its own, and its parts of rows that others share."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import click

from silvaengine.cache.keys import tenant_text
from silvaengine.registry.keys import ROOT_ENDPOINT
from silvaengine.tables import (
    CACHE_SETTING_ID,
    COMMON_ENDPOINT,
    CONFIG_DATA,
    CONNECTIONS,
    ENDPOINTS,
    EVENTS_SETTING_ID,
    FUNCTIONS,
    HOOKS,
    KEY_USE_SETTING_ID,
    STREAMS_SETTING_ID,
    USAGE,
    Table,
)
from silvaengine_cli.registry.bindings import is_binding
from silvaengine_cli.registry.rows import Row
from silvaengine_cli.registry.tables import RegistryTables


@dataclass(frozen=True, slots=True)
class TenantRow:
    """A tenant's row, or its part of one.

    Args:
        table: the row's table.
        row: the row with what is the tenant's alone.
        before: the row as it was read.
        rest: the row without the tenant; None where nothing is left.
    """

    table: Table
    row: Row
    before: Row
    rest: Row | None = None


@dataclass(frozen=True, slots=True)
class TenantRows:
    """A tenant's rows in the registry, by what they are."""

    endpoint: Sequence[TenantRow]
    keys: Sequence[TenantRow]
    hooks: Sequence[TenantRow]
    settings: Sequence[TenantRow]
    bindings: Sequence[TenantRow]
    usage: Sequence[TenantRow]


def read_tenant_rows(tables: RegistryTables, endpoint_id: str) -> TenantRows:
    """Return the registry's rows of a tenant; functions are the operator's, and no tenant's.

    Raises:
        ClickException: the id is of no tenant, or settings may be another's.
    """
    if endpoint_id in (ROOT_ENDPOINT, COMMON_ENDPOINT):
        raise click.ClickException(f"{endpoint_id!r} is no tenant: its rows serve those without their own")
    row = tables.get(ENDPOINTS, endpoint_id)
    key_rows, settings = list(tables.scan(CONNECTIONS)), list(tables.scan(CONFIG_DATA))
    keys = [key for each in key_rows if (key := _key(each, endpoint_id))]
    setting_ids = _setting_ids(tables, endpoint_id, key_rows, keys)
    return TenantRows(
        endpoint=[_whole(ENDPOINTS, row)] if row else [],
        keys=keys,
        hooks=[_whole(HOOKS, hook) for hook in tables.scan(HOOKS) if hook["api_id"] == endpoint_id],
        settings=[_whole(CONFIG_DATA, row) for row in settings if row["setting_id"] in setting_ids],
        bindings=[part for row in filter(is_binding, settings) if (part := _binding(row, endpoint_id))],
        usage=[_whole(USAGE, row) for row in tables.scan(USAGE) if row.get("endpoint_id") == endpoint_id],
    )


def internal_rows(tables: RegistryTables, endpoint_id: str) -> list[Row]:
    """Return the framework's own rows about a tenant: the last uses of its keys, its caches' clear logs."""
    return [row for row in tables.scan_internal() if _is_about(row, endpoint_id)]


def _is_about(row: Row, endpoint_id: str) -> bool:
    if row["setting_id"] == KEY_USE_SETTING_ID:
        return str(row["variable"]).rpartition(":")[0] == endpoint_id
    is_log = str(row["setting_id"]).startswith(CACHE_SETTING_ID)
    return is_log and row["variable"] == tenant_text(endpoint_id)


def _whole(table: Table, row: Row) -> TenantRow:
    return TenantRow(table, row, row)


def _key(row: Row, endpoint_id: str) -> TenantRow | None:
    """Return a key row of the tenant, or its part of a common one that names several."""
    if row["endpoint_id"] == endpoint_id:
        return _whole(CONNECTIONS, row)
    named = list(row.get("endpoints") or ())
    if row["endpoint_id"] != COMMON_ENDPOINT or endpoint_id not in named:
        return None
    others = [name for name in named if name != endpoint_id]
    rest = {**row, "endpoints": others} if others else None
    return TenantRow(CONNECTIONS, {**row, "endpoints": [endpoint_id]}, row, rest)


def _binding(row: Row, endpoint_id: str) -> TenantRow | None:
    """Return the tenant's part of an event source's row, which lists the functions of all tenants."""
    targets: dict[bool, list[Any]] = {True: [], False: []}
    for target in row["value"]:
        targets[isinstance(target, dict) and target.get("endpoint_id") == endpoint_id].append(target)
    if not targets[True]:
        return None
    rest = {**row, "value": targets[False]} if targets[False] else None
    return TenantRow(CONFIG_DATA, {**row, "value": targets[True]}, row, rest)


def _setting_ids(
    tables: RegistryTables, endpoint_id: str, key_rows: Iterable[Row], keys: Iterable[TenantRow]
) -> set[str]:
    """Return the ids of a tenant's settings: its gateways', and those that its key rows alone name."""
    functions, own_keys = list(tables.scan(FUNCTIONS)), [key.before for key in keys if key.rest is None]
    named = {name for row in own_keys for name in _named_settings(row)}
    shared = {str((row.get("config") or {}).get("setting") or "") for row in functions}
    shared |= {name for row in key_rows if row not in own_keys for name in _named_settings(row)}
    shared |= {EVENTS_SETTING_ID, STREAMS_SETTING_ID}
    endpoints = {endpoint_id, *(row["endpoint_id"] for row in tables.scan(ENDPOINTS))}
    areas = {str(row.get("area")) for row in functions}
    ids, doubtful = set[str](), list[str]()
    for setting_id in {row["setting_id"] for row in tables.scan(CONFIG_DATA)} - shared:
        owners = _owners(setting_id, endpoints, areas) | ({endpoint_id} if setting_id in named else set())
        if owners == {endpoint_id}:
            ids.add(setting_id)
        elif endpoint_id in owners:
            doubtful.append(f"{setting_id} ({' or '.join(sorted(owners))})")
    if doubtful:
        them = ", ".join(sorted(doubtful))
        raise click.ClickException(f"settings whose tenant can't be told, to be renamed first: {them}")
    return ids


def _owners(setting_id: str, endpoints: Iterable[str], areas: Iterable[str]) -> set[str]:
    """Return the endpoints whose gateways may have these settings; of several those in a function's area."""
    owners = {name for name in endpoints if _is_gateways(setting_id, name)}
    known = {name for name in owners if any(_is_gateways(setting_id, name, area) for area in areas)}
    return known if len(owners) > 1 and known else owners


def _named_settings(key_row: Row) -> set[str]:
    entries = (*(key_row.get("functions") or ()), *(key_row.get("packages") or ()))
    return {str(entry.get("setting") or "") for entry in entries}


def _is_gateways(setting_id: str, endpoint_id: str, area: str = "") -> bool:
    """Return whether a setting id may be ``{stage}_{area}_{endpoint_id}``, of any area without one."""
    return bool(re.fullmatch(f".+_{re.escape(area) or '.+'}_{re.escape(endpoint_id)}", setting_id))


def all_rows(rows: TenantRows) -> Iterator[TenantRow]:
    """Return all rows, each before those that refer to it, so that no request meets half a tenant."""
    for part in (rows.usage, rows.settings, rows.hooks, rows.bindings, rows.keys, rows.endpoint):
        yield from part
