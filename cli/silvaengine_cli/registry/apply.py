"""Carries out a plan: each row on condition that it hasn't changed, the generation last."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click

from silvaengine.errors import ConditionFailedError
from silvaengine_cli.closest import closest
from silvaengine_cli.registry.file import load
from silvaengine_cli.registry.model import RegistrySpec
from silvaengine_cli.registry.plan import Change, Note, Plan, make_plan
from silvaengine_cli.registry.tables import RegistryTables

type Settings = Mapping[str, Mapping[str, Any]]

_NO_SETTINGS: Settings = MappingProxyType({})


class ConflictError(click.ClickException):
    """A row was changed between the plan and its writing."""


def apply_file(
    path: Path,
    tables: RegistryTables,
    worker_arn: str,
    *,
    prune: bool = False,
    settings: Settings = _NO_SETTINGS,
) -> Plan:
    """Apply a registry file without asking; return what was done, with the file's warnings as notes.

    ``settings`` are a stage's, over those of the file.

    Raises:
        RegistryFileError: the file is wrong; nothing was written.
        ClickException: the stage has a setting that the file doesn't have; nothing was written.
        ConflictError: somebody else writes the same rows.
    """
    file = load(path)
    plan = make_plan(with_settings(file.spec, settings), tables, worker_arn, prune=prune)
    carry_out(plan, tables)
    return replace(plan, notes=(*plan.notes, *(Note(each.text(path.name)) for each in file.warnings)))


def with_settings(spec: RegistrySpec, settings: Settings) -> RegistrySpec:
    """Return a registry with a stage's settings; raise ClickException for one that it doesn't have."""
    if unknown := next((each for each in settings if each not in spec.settings), None):
        hint = closest(unknown, spec.settings) or "; add it to `settings`"
        raise click.ClickException(f"setting {unknown!r} of the stage is not in registry.yaml{hint}")
    own = {name: {**spec.settings[name], **variables} for name, variables in settings.items()}
    return spec.model_copy(update={"settings": {**spec.settings, **own}})


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
