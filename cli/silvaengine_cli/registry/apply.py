"""Carries out a plan: each row on condition that it hasn't changed, the generation last."""

from dataclasses import replace
from pathlib import Path

import click

from silvaengine.errors import ConditionFailedError
from silvaengine_cli.registry.file import load
from silvaengine_cli.registry.plan import Change, Note, Plan, make_plan
from silvaengine_cli.registry.tables import RegistryTables


class ConflictError(click.ClickException):
    """A row was changed between the plan and its writing."""


def apply_file(path: Path, tables: RegistryTables, worker_arn: str, *, prune: bool = False) -> Plan:
    """Apply a registry file without asking; return what was done, with the file's warnings as notes.

    Raises:
        RegistryFileError: the file is wrong; nothing was written.
        ConflictError: somebody else writes the same rows.
    """
    file = load(path)
    plan = make_plan(file.spec, tables, worker_arn, prune=prune)
    carry_out(plan, tables)
    return replace(plan, notes=(*plan.notes, *(Note(each.text(path.name)) for each in file.warnings)))


def carry_out(plan: Plan, tables: RegistryTables) -> None:
    """Write a plan's rows, then the new generation; write nothing for an empty plan.

    The generation changes even when writing breaks off, or what was written would stay unseen. If that fails,
    too, running instances see the rows when the old ones expire in their memory (10 minutes).

    Raises:
        ConflictError: a row has changed since the plan was made.
    """
    written = 0
    try:
        for change in plan.changes:
            _write(change, tables)
            written += 1
    except ConditionFailedError:
        raise ConflictError(
            f"{plan.changes[written].row_name} was changed since the plan was made. "
            f"Written before it: {written} rows; it and all later rows are unchanged. "
            "Look at `silvaengine diff`, then apply again."
        ) from None
    finally:
        if written:
            tables.bump_generation()


def _write(change: Change, tables: RegistryTables) -> None:
    match change.action:
        case "create":
            tables.create(change.table, change.after)
        case "update":
            tables.update(change.table, change.before, change.after)
        case "delete":
            tables.delete(change.table, change.before)
