"""From a package's functions to a plan: rows of the registry beside what is there."""

from collections.abc import Iterator
from dataclasses import replace

from silvaengine.tables import CONFIG_DATA, CONNECTIONS, DEFAULT_API_KEY, FUNCTIONS
from silvaengine_cli.registry.merge import same
from silvaengine_cli.registry.model import EXECUTION, Connection, Entry, Function, RegistrySpec
from silvaengine_cli.registry.plan import Change, Plan, make_plan
from silvaengine_cli.registry.tables import RegistryTables


def make_import(
    functions: dict[str, Function], endpoint: str, tables: RegistryTables, worker_arn: str
) -> Plan:
    """Plan the functions' rows, and an entry for each in every connection of the endpoint.

    Entries that are there stay as they are, whatever Lambda and setting they name, and so does a whitelist;
    of executions a package can't say anything, so that a function's row goes on saying what it does.
    An endpoint without any connection gets one for calls without a key.
    """
    functions = _as_executed(functions, tables, worker_arn)
    spec = RegistrySpec(functions=functions, connections=tuple(_connections(functions, endpoint, tables)))
    plan = make_plan(spec, tables, worker_arn)
    # What a connection has beside this package isn't the package's affair; plan.notes would list it.
    return replace(plan, notes=tuple(_without_rows(functions, tables)))


def make_remap(old: str, tables: RegistryTables, worker_arn: str) -> Plan:
    """Plan that rows of a former worker name this one; its own function rows stay, for the way back.

    Args:
        old: its ARN or name.
        tables: are read here.
        worker_arn: what stands in its place.
    """
    rows = [row for row in tables.scan(FUNCTIONS) if _names(old, row["aws_lambda_arn"])]
    known = tables.read(FUNCTIONS, [(worker_arn, row["function"]) for row in rows])
    functions = [
        Change("create", FUNCTIONS, {}, row | {"aws_lambda_arn": worker_arn, "revision": 1})
        for row in rows
        if (worker_arn, row["function"]) not in known
    ]
    return Plan((*functions, *_remapped_connections(old, tables, worker_arn)))


def _names(old: str, arn: str) -> bool:
    return old in (arn, arn.rpartition(":function:")[2])


def _remapped_connections(old: str, tables: RegistryTables, worker_arn: str) -> Iterator[Change]:
    for row in tables.scan(CONNECTIONS):
        entries = [
            entry | {"aws_lambda_arn": worker_arn} if _names(old, entry.get("aws_lambda_arn", "")) else entry
            for entry in row.get("functions") or ()
        ]
        if not same(entries, row.get("functions") or []):
            after = row | {"functions": entries, "revision": int(row.get("revision", 0)) + 1}
            yield Change("update", CONNECTIONS, row, after, (f"functions: {old} -> this stack's worker",))


def _as_executed(
    functions: dict[str, Function], tables: RegistryTables, worker_arn: str
) -> dict[str, Function]:
    rows = tables.read(FUNCTIONS, [(worker_arn, name) for name in functions])
    configs = {name: row.get("config") or {} for (_, name), row in rows.items()}
    return {
        name: function.model_copy(update={each: configs.get(name, {}).get(each) for each in EXECUTION})
        for name, function in functions.items()
    }


def _connections(
    functions: dict[str, Function], endpoint: str, tables: RegistryTables
) -> Iterator[Connection]:
    rows = [row for row in tables.scan(CONNECTIONS) if row["endpoint_id"] == endpoint]
    for row in rows or [{"api_key": DEFAULT_API_KEY}]:
        there = {entry.get("function") for entry in row.get("functions") or ()}
        entries = tuple(Entry(function=name) for name in functions if name not in there)
        if entries:
            # The key is the table's own: it is not checked against what a file may say.
            yield Connection.model_construct(
                endpoint=endpoint, api_key=row["api_key"], functions=entries, whitelist=None, grants=None
            )


def _without_rows(functions: dict[str, Function], tables: RegistryTables) -> Iterator[str]:
    """Name the settings that functions will ask for and nobody has written."""
    known = {row["setting_id"] for row in tables.scan(CONFIG_DATA)}
    for setting in sorted({str(function.settings) for function in functions.values()} - known):
        yield f"setting {setting!r} has no rows: its functions answer 500 until it has"
