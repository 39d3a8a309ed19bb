"""Plans for a package's functions: rows of the registry beside the existing ones."""

from collections.abc import Iterator
from dataclasses import replace

import click

from silvaengine.tables import (
    COMMON_ENDPOINT,
    CONFIG_DATA,
    CONNECTIONS,
    DEFAULT_API_KEY,
    ENDPOINTS,
    FUNCTIONS,
)
from silvaengine_cli.registry.equality import same
from silvaengine_cli.registry.model import EXECUTION, ConnectionSpec, EntrySpec, FunctionSpec, RegistrySpec
from silvaengine_cli.registry.packages import Packages
from silvaengine_cli.registry.plan import Change, Note, Plan, make_plan
from silvaengine_cli.registry.tables import RegistryTables


def make_import(
    functions: dict[str, FunctionSpec], endpoint: str, tables: RegistryTables, worker_arn: str
) -> Plan:
    """Plan the functions' rows, and an entry for each in every key row of the endpoint.

    Existing entries stay, whatever Lambda and setting they name, and so does a whitelist. A package says
    nothing about executions, so that what a function's row says about them stays, too. An endpoint without a
    key row gets one for calls without a key.
    """
    functions = _with_execution(functions, tables, worker_arn)
    spec = RegistrySpec(functions=functions, connections=tuple(_connections(functions, endpoint, tables)))
    plan = make_plan(spec, tables, worker_arn)
    # plan.notes lists what key rows have beside this package, which doesn't matter here.
    already = () if plan else (f"endpoint {endpoint!r} has these functions already",)
    notes = (*already, *_unused_key_rows(endpoint, tables), *_missing_settings(functions, tables))
    return replace(plan, notes=tuple(map(Note, notes)))


def make_remap(old: str, tables: RegistryTables, worker_arn: str) -> Plan:
    """Plan to point the rows of a former worker, an ARN or a name, to this one.

    Its function rows stay, for the way back.

    Raises:
        ClickException: it is a package's.
    """
    rows = [row for row in tables.scan(FUNCTIONS) if _names(old, row["aws_lambda_arn"])]
    if package := next(filter(None, map(Packages(tables, worker_arn).owner, rows)), None):
        raise click.ClickException(f"the functions of {old} belong to package {package!r}, and stay there")
    existing = tables.read(FUNCTIONS, [(worker_arn, row["function"]) for row in rows])
    functions = [
        Change("create", FUNCTIONS, {}, row | {"aws_lambda_arn": worker_arn, "revision": 1})
        for row in rows
        if (worker_arn, row["function"]) not in existing
    ]
    changes = (*functions, *_remap_connections(old, tables, worker_arn))
    notes = () if changes else (Note(f"no key row names {old!r} instead of this stack's worker"),)
    return Plan(changes, notes)


def _names(old: str, arn: str) -> bool:
    return old in (arn, arn.rpartition(":function:")[2])


def _remap_connections(old: str, tables: RegistryTables, worker_arn: str) -> Iterator[Change]:
    for row in tables.scan(CONNECTIONS):
        entries = [
            entry | {"aws_lambda_arn": worker_arn} if _names(old, entry.get("aws_lambda_arn", "")) else entry
            for entry in row.get("functions") or ()
        ]
        if not same(entries, row.get("functions") or []):
            after = row | {"functions": entries, "revision": int(row.get("revision", 0)) + 1}
            yield Change("update", CONNECTIONS, row, after, (f"functions: {old} -> this stack's worker",))


def _with_execution(
    functions: dict[str, FunctionSpec], tables: RegistryTables, worker_arn: str
) -> dict[str, FunctionSpec]:
    rows = tables.read(FUNCTIONS, [(worker_arn, name) for name in functions])
    configs = {name: row.get("config") or {} for (_, name), row in rows.items()}
    return {
        name: function.model_copy(update={each: configs.get(name, {}).get(each) for each in EXECUTION})
        for name, function in functions.items()
    }


def _connections(
    functions: dict[str, FunctionSpec], endpoint: str, tables: RegistryTables
) -> Iterator[ConnectionSpec]:
    rows = [row for row in tables.scan(CONNECTIONS) if row["endpoint_id"] == endpoint]
    for row in rows or [{"api_key": DEFAULT_API_KEY}]:
        names = {entry.get("function") for entry in row.get("functions") or ()}
        entries = tuple(EntrySpec(function=name) for name in functions if name not in names)
        if entries:
            # The key is from the table: it isn't held to the rules for files.
            yield ConnectionSpec.model_construct(
                endpoint=endpoint, api_key=row["api_key"], functions=entries, whitelist=None, grants=None
            )


def _unused_key_rows(endpoint: str, tables: RegistryTables) -> Iterator[str]:
    """Yield a note if the endpoint's own key rows serve no request."""
    row = tables.get(ENDPOINTS, endpoint)
    if endpoint == COMMON_ENDPOINT or (row and row.get("special_connection")):
        return
    reason = "uses the common key row" if row else "has no row"
    yield f"endpoint {endpoint!r} {reason}: until it has `connection: own`, these functions are missing there"


def _missing_settings(functions: dict[str, FunctionSpec], tables: RegistryTables) -> Iterator[str]:
    """Return a note for each setting that functions need and that has no rows."""
    existing = {row["setting_id"] for row in tables.scan(CONFIG_DATA)}
    for setting in sorted({str(function.settings) for function in functions.values()} - existing):
        yield f"setting {setting!r} has no rows: its functions answer 500 until it has"
