"""The rows that ``apply`` creates, changes and deletes, worked out before anything is written."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import click

from silvaengine.tables import CONFIG_DATA, CONNECTIONS, ENDPOINTS, FUNCTIONS, Table
from silvaengine_cli.registry.bindings import is_binding, is_of_package
from silvaengine_cli.registry.checks import SMALLER_CONNECTION
from silvaengine_cli.registry.equality import same
from silvaengine_cli.registry.merge import ENTRIES, beyond_file, merge
from silvaengine_cli.registry.model import RegistrySpec
from silvaengine_cli.registry.packages import Packages, check_owners
from silvaengine_cli.registry.routes import routes_of, with_routes
from silvaengine_cli.registry.rows import Row, all_rows, row_name
from silvaengine_cli.registry.sizes import too_large
from silvaengine_cli.registry.tables import Key, RegistryTables

# Each before those that refer to it.
REGISTRY_TABLES = (CONFIG_DATA, FUNCTIONS, CONNECTIONS, ENDPOINTS)
SHOWN_ROWS = 5  # in a note

type Action = Literal["create", "update", "delete"]


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one row, from ``before``, as it was read, to ``after``."""

    action: Action
    table: Table
    before: Row
    after: Row
    details: tuple[str, ...] = ()

    @property
    def row_name(self) -> str:
        """The row's name in messages."""
        return row_name(self.table, self.before or self.after)


@dataclass(frozen=True, slots=True)
class Note:
    """What is to be known, such as what stays although the file doesn't name it.

    It has ``what``, its ``names``, and what to do about it.
    """

    what: str
    names: tuple[str, ...] = ()
    advice: str = ""
    most: int | None = None  # names in the text; None for all

    def __str__(self) -> str:
        """Return the text."""
        if not self.names:
            return self.what
        shown = self.names[: self.most]
        hidden = len(self.names) - len(shown)
        more = f" and {hidden} more" if hidden else ""
        return f"{self.what}: {', '.join(shown)}{more} ({self.advice})"


@dataclass(frozen=True, slots=True)
class Plan:
    """All changes in the order of writing, and notes on what stays, and on packages without a release."""

    changes: tuple[Change, ...]
    notes: tuple[Note, ...] = ()

    def __bool__(self) -> bool:
        """Return whether there are changes."""
        return bool(self.changes)

    def as_json(self) -> dict[str, Any]:
        """Return the plan as JSON; like the printed one it shows no setting's value."""
        changes = [
            {"action": it.action, "table": it.table.name, "row": it.row_name, "details": it.details}
            for it in self.changes
        ]
        return {"changes": changes, "notes": list(map(str, self.notes))}


def make_plan(spec: RegistrySpec, tables: RegistryTables, worker_arn: str, *, prune: bool = False) -> Plan:
    """Compare a checked registry with the tables; ``worker_arn`` is the Lambda of functions that name none.

    ``prune`` also deletes rows that an ``apply`` wrote and the file no longer names, and what connections
    have beyond the file. Rows without a revision were written by other tools and stay, and so do packages'.

    Raises:
        ClickException: a merged row is too large for DynamoDB; a function belongs to a package; a key row's
            packages lack a function that it names, or have functions of one name.
    """
    desired = list(all_rows(spec, worker_arn))
    changes: list[Change] = []
    notes: list[Note] = []
    packages = Packages(tables, worker_arn)
    routes = routes_of({FUNCTIONS.key_of(row): row for table, row in desired if table is FUNCTIONS})
    for table in REGISTRY_TABLES:
        rows = {table.key_of(row): row for of, row in desired if of is table}
        existing = tables.read(table, list(rows))
        if table is FUNCTIONS:
            check_owners(packages, [row | existing.get(key, {}) for key, row in rows.items()])
        changes += _changes(table, rows, existing, routes, prune=prune)
        if not prune:
            notes += _notes(table, rows, existing)
    in_file = {CONNECTIONS.key_of(row) for table, row in desired if table is CONNECTIONS}
    changes += _reroute(tables, routes, in_file, prune=prune)
    for change in changes:
        if change.table is CONNECTIONS:
            packages.check_key_row(change.before, change.after)
            for complaint in packages.unpublished(change.after):
                notes.append(Note(f"{complaint}: until it is published, the connection opens nothing of it"))
    deletions = list(
        _deletions(tables, packages, {(table.name, *table.key_of(row)) for table, row in desired})
    )
    if prune:
        changes += deletions
    elif deletions:
        names = tuple(change.row_name for change in deletions)
        notes.append(Note("rows that are not in the file stay", names, "--prune deletes them", SHOWN_ROWS))
    return Plan(tuple(changes), tuple(notes))


def _changes(
    table: Table, rows: dict[Key, Row], existing: dict[Key, Row], routes: dict[Key, str], *, prune: bool
) -> Iterator[Change]:
    for key, desired in rows.items():
        before = existing.get(key, {})
        after = merge(table, before, desired, prune=prune) if before else desired
        if table is CONNECTIONS:
            after = with_routes(after, routes)
        if not before or not same(before, after):
            yield _change(table, before, after | {"revision": int(before.get("revision", 0)) + 1})


def _change(table: Table, before: Row, after: Row) -> Change:
    _check_size(table, after)
    details = tuple(_details(table, before, after))
    return Change("update" if before else "create", table, before, after, details)


def _reroute(
    tables: RegistryTables, routes: dict[Key, str], in_file: set[Key], *, prune: bool
) -> Iterator[Change]:
    """Return the changes of key rows beyond the file that stay and have an earlier route of its functions."""
    for row in tables.scan(CONNECTIONS):
        after, is_ours = with_routes(row, routes), "revision" in row
        if after is row or CONNECTIONS.key_of(row) in in_file or (prune and is_ours):
            continue
        revision = {"revision": int(row["revision"]) + 1} if is_ours else {}
        yield _change(CONNECTIONS, row, after | revision)


def _check_size(table: Table, row: Row) -> None:
    if complaint := too_large(row):
        advice = SMALLER_CONNECTION if table is CONNECTIONS else "make it smaller"
        raise click.ClickException(f"{row_name(table, row)} would have {complaint}; {advice}")


def _notes(table: Table, rows: dict[Key, Row], existing: dict[Key, Row]) -> Iterator[Note]:
    for key, desired in rows.items():
        before = existing.get(key)
        if before is None or not (table is CONNECTIONS or _are_bindings(table, before, desired)):
            continue
        if names := beyond_file(before, desired):
            what = f"{row_name(table, desired)} keeps what is not in the file"
            yield Note(what, tuple(names), "--prune drops it")


def _are_bindings(table: Table, *rows: Row) -> bool:
    return table is CONFIG_DATA and all(map(is_binding, rows))


def _deletions(tables: RegistryTables, packages: Packages, desired: set[tuple[str, ...]]) -> Iterator[Change]:
    """Return the deletions of rows that an ``apply`` wrote and the file doesn't name; packages' rows stay."""
    for table in reversed(REGISTRY_TABLES):
        for row in tables.scan(table):
            if "revision" not in row or (table.name, *table.key_of(row)) in desired:
                continue
            if table is FUNCTIONS and packages.owner(row):
                continue
            kept = list(filter(is_of_package, row["value"])) if _are_bindings(table, row) else []
            if not kept:
                yield Change("delete", table, row, {})
            elif kept != row["value"]:
                after = row | {"value": kept, "revision": int(row["revision"]) + 1}
                yield Change("update", table, row, after, tuple(_details(table, row, after)))


def _details(table: Table, before: Row, after: Row) -> Iterator[str]:
    """Return a line for each attribute that changes, without the values of settings: they may be secrets."""
    yield from (f"{name}: {_text(before[name])} -> default" for name in before if name not in after)
    for name, value in after.items():
        if name in {"revision", *table.key_names} or (name in before and same(before[name], value)):
            continue
        if table is CONFIG_DATA:
            yield f"{name} changes" if before else f"{name} is set"
        elif name in ENTRIES:
            yield from _entry_details(name, before.get(name) or [], value)
        elif isinstance(value, dict):
            yield from (f"{name}.{line}" for line in _details(table, before.get(name) or {}, value))
        elif before or value:
            yield (
                f"{name}: {_text(before[name])} -> {_text(value)}"
                if name in before
                else f"{name}: {_text(value)}"
            )


def _entry_details(attribute: str, before: list[Row], after: list[Row]) -> Iterator[str]:
    member = ENTRIES[attribute]
    old = {entry.get(member): entry for entry in reversed(before)}
    new = {entry.get(member): entry for entry in reversed(after)}
    yield from (f"{attribute}: + {name}" for name in new if name not in old)
    yield from (f"{attribute}: ~ {name}" for name in new if name in old and not same(old[name], new[name]))
    yield from (f"{attribute}: - {name}" for name in old if name not in new)


def _text(value: object) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list | tuple) else str(value)
