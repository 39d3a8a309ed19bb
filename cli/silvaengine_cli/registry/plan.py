"""What ``apply`` would do: the rows to create, change and delete, worked out before anything is written."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import click

from silvaengine.tables import CONFIG_DATA, CONNECTIONS, DEFAULT_API_KEY, ENDPOINTS, FUNCTIONS, Table
from silvaengine_cli.registry.bindings import is_binding
from silvaengine_cli.registry.checks import SMALLER_CONNECTION
from silvaengine_cli.registry.merge import kept, merged, same
from silvaengine_cli.registry.model import RegistrySpec
from silvaengine_cli.registry.rows import Row, wanted_rows
from silvaengine_cli.registry.sizes import too_large
from silvaengine_cli.registry.tables import Key, RegistryTables

# What is referred to stands before what refers to it.
REGISTRY_TABLES = (CONFIG_DATA, FUNCTIONS, CONNECTIONS, ENDPOINTS)
LEFT_SHOWN = 5  # rows that a note names

type Action = Literal["create", "update", "delete"]


@dataclass(frozen=True, slots=True)
class Change:
    """One row's change: ``before`` as it was read, ``after`` as it is to be written."""

    action: Action
    table: Table
    before: Row
    after: Row
    details: tuple[str, ...] = ()

    @property
    def row_name(self) -> str:
        """The row as messages name it."""
        return row_name(self.table, self.before or self.after)


@dataclass(frozen=True, slots=True)
class Plan:
    """All changes in the order of writing, and notes on what stays though the file doesn't name it."""

    changes: tuple[Change, ...]
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Return whether there is anything to do."""
        return bool(self.changes)

    def as_json(self) -> dict[str, Any]:
        """Return the plan for machines; like the one for people it shows no setting's value."""
        changes = [
            {
                "action": change.action,
                "table": change.table.name,
                "row": change.row_name,
                "details": change.details,
            }
            for change in self.changes
        ]
        return {"changes": changes, "notes": self.notes}


def make_plan(spec: RegistrySpec, tables: RegistryTables, worker_arn: str, *, prune: bool = False) -> Plan:
    """Compare the file with the tables.

    Args:
        spec: a checked registry.
        tables: read here, not written.
        worker_arn: the Lambda of functions that name none.
        prune: also delete rows that an ``apply`` wrote and the file no longer names, and what connections
            have beyond the file. Rows without a revision are other people's and stay.

    Raises:
        ClickException: a merged row is more than DynamoDB takes.
    """
    wanted = list(wanted_rows(spec, worker_arn))
    changes: list[Change] = []
    notes: list[str] = []
    for table in REGISTRY_TABLES:
        rows = {table.key_of(row): row for of, row in wanted if of is table}
        existing = tables.read(table, list(rows))
        changes += _written(table, rows, existing, prune=prune)
        if not prune:
            notes += _kept(table, rows, existing)
    beyond = list(_beyond(tables, {(table.name, *table.key_of(row)) for table, row in wanted}))
    if prune:
        changes += beyond
    elif beyond:
        notes.append(_left(beyond))
    return Plan(tuple(changes), tuple(notes))


def row_name(table: Table, row: Row) -> str:
    """Name a row: table and key; of an API key only the beginning, of an ARN the Lambda's name."""
    shown = [_shown_key(name, str(row[name])) for name in table.key_names]
    return f"{table.name} {' / '.join(shown)}"


def _shown_key(name: str, value: str) -> str:
    return mask(value) if name == "api_key" else value.rpartition(":function:")[2]


def mask(api_key: str) -> str:
    """Show enough of a key to tell it from others, and not enough to use it."""
    return api_key if api_key == DEFAULT_API_KEY else f"{api_key[: min(4, len(api_key) // 3)]}…"


def _written(
    table: Table, rows: dict[Key, Row], existing: dict[Key, Row], *, prune: bool
) -> Iterator[Change]:
    for key, wanted in rows.items():
        before = existing.get(key, {})
        after = merged(table, before, wanted, prune=prune) if before else wanted
        if not before or not same(before, after):
            after = after | {"revision": int(before.get("revision", 0)) + 1}
            _refuse_too_large(table, after)
            yield Change(
                "update" if before else "create", table, before, after, tuple(_details(table, before, after))
            )


def _refuse_too_large(table: Table, row: Row) -> None:
    if complaint := too_large(row):
        advice = SMALLER_CONNECTION if table is CONNECTIONS else "make it smaller"
        raise click.ClickException(f"{row_name(table, row)} would have {complaint}; {advice}")


def _kept(table: Table, rows: dict[Key, Row], existing: dict[Key, Row]) -> Iterator[str]:
    for key, wanted in rows.items():
        before = existing.get(key)
        if before is None or not (table is CONNECTIONS or _is_bound(table, before, wanted)):
            continue
        if names := kept(before, wanted):
            beyond = ", ".join(names)
            row = row_name(table, wanted)
            yield f"{row} keeps what is not in the file: {beyond} (--prune drops it)"


def _is_bound(table: Table, *rows: Row) -> bool:
    return table is CONFIG_DATA and all(map(is_binding, rows))


def _beyond(tables: RegistryTables, wanted: set[tuple[str, ...]]) -> Iterator[Change]:
    """Return the deletions of rows that an ``apply`` wrote and the file doesn't name."""
    for table in reversed(REGISTRY_TABLES):
        for row in tables.scan(table):
            if "revision" in row and (table.name, *table.key_of(row)) not in wanted:
                yield Change("delete", table, row, {})


def _left(beyond: list[Change]) -> str:
    names = ", ".join(change.row_name for change in beyond[:LEFT_SHOWN])
    more = f" and {len(beyond) - LEFT_SHOWN} more" if len(beyond) > LEFT_SHOWN else ""
    return f"rows that are not in the file stay: {names}{more} (--prune deletes them)"


def _details(table: Table, before: Row, after: Row) -> Iterator[str]:
    """Say what changes, a line for each attribute; of settings only that they do: they may be secrets."""
    yield from (f"{name}: {_shown(before[name])} -> default" for name in before if name not in after)
    for name, value in after.items():
        if name in {"revision", *table.key_names} or (name in before and same(before[name], value)):
            continue
        if table is CONFIG_DATA:
            yield f"{name} changes" if before else f"{name} is set"
        elif name == "functions":
            yield from _entry_details(before.get(name) or [], value)
        elif isinstance(value, dict):
            yield from (f"{name}.{line}" for line in _details(table, before.get(name) or {}, value))
        elif before or value:
            yield (
                f"{name}: {_shown(before[name])} -> {_shown(value)}"
                if name in before
                else f"{name}: {_shown(value)}"
            )


def _entry_details(before: list[Row], after: list[Row]) -> Iterator[str]:
    old = {entry.get("function"): entry for entry in reversed(before)}
    new = {entry.get("function"): entry for entry in reversed(after)}
    yield from (f"functions: + {name}" for name in new if name not in old)
    yield from (f"functions: ~ {name}" for name in new if name in old and not same(old[name], new[name]))
    yield from (f"functions: - {name}" for name in old if name not in new)


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list | tuple) else str(value)
