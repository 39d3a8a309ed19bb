"""``list`` and ``show``: the rows of the tables, and what a request would reach."""

from collections.abc import Callable, Iterator

import click

from silvaengine.registry.model import Function, KeyAccess
from silvaengine.tables import CONFIG_DATA, CONNECTIONS, ENDPOINTS, FUNCTIONS
from silvaengine_cli.client_options import api_key_option
from silvaengine_cli.deployment import Deployment, list_options, operator_options
from silvaengine_cli.output import HIDDEN, Detail, print_table
from silvaengine_cli.registry.lookup import open_registry, read_key_access
from silvaengine_cli.registry.packages import Packages
from silvaengine_cli.registry.rows import mask
from silvaengine_cli.registry.tables import RegistryTables

type Cells = tuple[object, ...]


@click.command("list")
@click.argument(
    "kind", type=click.Choice(["functions", "endpoints", "connections", "settings"]), default="functions"
)
@list_options
def list_(deployment: Deployment, kind: str, as_json: bool, wide: bool) -> None:
    """List functions, endpoints, connections or settings.

    Settings are listed without values, and API keys by their beginning: `export` has them in full.

    \b
    Examples:
      silvaengine list --local
      silvaengine list connections --stack silvaengine
      silvaengine list settings --json
    """
    columns, read = _LISTS[kind]
    rows = sorted(read(deployment.tables()), key=lambda row: row[:2])
    facts = [dict(zip(columns, row, strict=True)) for row in rows]
    print_table(f"{len(rows)} {kind}", columns, rows, facts, as_json=as_json, wide=wide)


@click.command()
@click.argument("endpoint")
@click.argument("function", required=False)
@api_key_option
@click.option(
    "--values", is_flag=True, help="Show the settings' values, too. References to secrets stay references."
)
@operator_options
def show(
    deployment: Deployment, endpoint: str, function: str | None, api_key: str, values: bool, as_json: bool
) -> None:
    """Show what a request to an endpoint reaches.

    \b
    Examples:
      silvaengine show demo --local
      silvaengine show demo hello --local --values
      silvaengine show acme hello --api-key acme-key --json
    """
    registry = open_registry(deployment)
    access = read_key_access(registry, endpoint, api_key)
    packages = Packages(deployment.tables(), deployment.worker_arn_or_empty)
    if function is None:
        facts = _access_facts(access, packages)
    else:
        found = registry.function(access, function)
        facts = _function_facts(access, found, values=values) | _release_facts(found, packages)
    print_table(f"{endpoint} {function or ''}", ("", ""), facts.items(), facts, as_json=as_json)


def _access_facts(access: KeyAccess, packages: Packages) -> dict[str, object]:
    functions, releases = set(access.functions), dict[str, int]()
    for entry in access.packages:
        if release := packages.opened(entry.function_arn, access.endpoint_id):
            releases[release.package] = release.number
            functions |= {entry.function} if entry.function else set(release.functions)
    return {
        "endpoint": access.endpoint_id,
        "connection": "common" if access.key_row_endpoint != access.endpoint_id else "own",
        "api_key": mask(access.api_key),
        "functions": sorted(functions),
        "packages": releases,
        "whitelist": list(access.allowlist),
        "grants": sorted(access.scopes),
    }


def _function_facts(access: KeyAccess, function: Function, *, values: bool) -> dict[str, object]:
    callee = function.callee
    settings = {name: value if values else HIDDEN for name, value in function.settings.items()}
    return {
        "url": f"/{function.area}/{access.endpoint_id}/{function.name}",
        "route": function.configuration["config"].get("route") or "",
        "methods": list(function.methods),
        "type": function.funct_type,
        "code": _code(function.name, callee.module_name, callee.class_name, callee.function),
        "lambda": function.aws_lambda_arn,
        "auth_required": function.auth_required,
        "internal": function.internal,
        "graphql": function.graphql,
        "settings": settings,
    }


def _release_facts(function: Function, packages: Packages) -> dict[str, object]:
    """Return what there is to say of a published function: its release, and who is pinned to another."""
    if function.release is None:
        return {}
    pointer = packages.pointer(function.release.package)
    return {**function.release.fields, "pins": dict(pointer.pins) if pointer else {}}


def _endpoints(tables: RegistryTables) -> Iterator[Cells]:
    for row in tables.scan(ENDPOINTS):
        yield row["endpoint_id"], "own" if row.get("special_connection") else "common"


def _functions(tables: RegistryTables) -> Iterator[Cells]:
    for row in tables.scan(FUNCTIONS):
        config = row.get("config") or {}
        yield (
            row["function"],
            row.get("area") or "",
            config.get("funct_type") or "",
            config.get("setting") or "",
            _code(
                row["function"],
                *(config.get(name) or "" for name in ("module_name", "class_name", "function_name")),
            ),
            row.get("package") or "",
            row.get("release") or "",
            list(config.get("methods") or ()),
            row["aws_lambda_arn"].rpartition(":function:")[2],
        )


def _connections(tables: RegistryTables) -> Iterator[Cells]:
    for row in tables.scan(CONNECTIONS):
        names = sorted(entry.get("function", "") for entry in row.get("functions") or ())
        packages = [entry["package"] for entry in row.get("packages") or ()]
        yield row["endpoint_id"], mask(row["api_key"]), names, packages, list(row.get("whitelist") or ())


def _settings(tables: RegistryTables) -> Iterator[Cells]:
    variables: dict[str, list[str]] = {}
    for row in tables.scan(CONFIG_DATA):
        variables.setdefault(row["setting_id"], []).append(row["variable"])
    for setting, names in variables.items():
        yield setting, sorted(names)


def _code(name: str, module: str, class_name: str, called: str) -> str:
    """Return where a function is, with the name of what is called where that is another one."""
    path = ".".join(filter(None, (class_name, "" if called == name else called)))
    return f"{module}:{path}" if path else module


_LISTS: dict[str, tuple[tuple[str, ...], Callable[[RegistryTables], Iterator[Cells]]]] = {
    "functions": (
        (
            *("function", "area", "type", "settings", "code", "package"),
            *map(Detail, ("release", "methods", "lambda")),
        ),
        _functions,
    ),
    "endpoints": (("endpoint", "connection"), _endpoints),
    "connections": (("endpoint", "api_key", "functions", "packages", "whitelist"), _connections),
    "settings": (("setting", "variables"), _settings),
}
