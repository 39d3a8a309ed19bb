"""Carries a plan out: each row on condition that it still is what it was, the generation last."""

from pathlib import Path

import click

from silvaengine_cli.registry.file import load
from silvaengine_cli.registry.plan import Change, Plan, make_plan
from silvaengine_cli.registry.tables import ConditionFailedError, RegistryTables


class ConflictError(click.ClickException):
    """Someone else changed a row between the plan and its writing."""

    def __init__(self, change: Change, written: int) -> None:
        super().__init__(
            f"{change.row_name} was changed by someone else since the plan was made. "
            f"Written before it: {written} rows; it and what follows are untouched. "
            "Look at `silvaengine diff`, then apply again."
        )


def apply_file(path: Path, tables: RegistryTables, worker_arn: str, *, prune: bool = False) -> Plan:
    """Apply a registry file without asking; gives what was done.

    Args:
        path: the file.
        tables: of the deployment.
        worker_arn: the Lambda of functions that name none.
        prune: as in ``make_plan``.

    Raises:
        RegistryFileError: the file is wrong; nothing was written.
        ConflictError: someone else writes the same rows.
    """
    plan = make_plan(load(path).spec, tables, worker_arn, prune=prune)
    carry_out(plan, tables)
    return plan


def carry_out(plan: Plan, tables: RegistryTables) -> None:
    """Write a plan's rows, then the new generation; writes nothing for an empty plan.

    The generation moves even when writing breaks off half-way, or what was written would stay unseen. Should
    that fail, too, running instances see the rows when their memory of the old ones ends (10 minutes).

    Raises:
        ConflictError: a row is no longer what the plan was made from.
    """
    written = 0
    try:
        for change in plan.changes:
            _write(change, tables, written)
            written += 1
    finally:
        if written:
            tables.bump_generation()


def _write(change: Change, tables: RegistryTables, written: int) -> None:
    try:
        match change.action:
            case "create":
                tables.create(change.table, change.after)
            case "update":
                tables.update(change.table, change.before, change.after)
            case "delete":
                tables.delete(change.table, change.before)
    except ConditionFailedError:
        raise ConflictError(change, written) from None
