"""The rows that a registry file stands for, with the tables' own attributes."""

from collections.abc import Iterator
from typing import Any

from silvaengine.settings import PACKAGE_MARK
from silvaengine.tables import (
    COMMON_ENDPOINT,
    CONFIG_DATA,
    CONNECTIONS,
    DEFAULT_API_KEY,
    ENDPOINTS,
    FUNCTIONS,
    Table,
)
from silvaengine_cli.registry.bindings import binding_rows
from silvaengine_cli.registry.model import (
    EXECUTION,
    ConnectionSpec,
    EndpointSpec,
    EntrySpec,
    FunctionSpec,
    RegistrySpec,
    function_name,
)

type Row = dict[str, Any]


def all_rows(spec: RegistrySpec, worker_arn: str) -> Iterator[tuple[Table, Row]]:
    """Return all rows, each before those that refer to it, so that no request meets half a function.

    ``worker_arn`` is the Lambda of functions that name none.
    """
    for row in setting_rows(spec):
        yield CONFIG_DATA, row
    for label, function in spec.functions.items():
        yield FUNCTIONS, _function_row(label, function, worker_arn)
    for connection in spec.connections:
        yield CONNECTIONS, connection_row(spec, connection, worker_arn)
    for endpoint_id, endpoint in spec.endpoints.items():
        row = {"endpoint_id": endpoint_id, "special_connection": endpoint.connection == "own"}
        yield ENDPOINTS, row | _rate_limit(endpoint)
    for row in binding_rows(spec):
        yield CONFIG_DATA, row


def setting_rows(spec: RegistrySpec) -> Iterator[Row]:
    """Return one row for each variable."""
    for setting_id, variables in spec.settings.items():
        for variable, value in variables.items():
            yield {"setting_id": setting_id, "variable": variable, "value": value}


def connection_row(spec: RegistrySpec, connection: ConnectionSpec, worker_arn: str) -> Row:
    """Return a connection's row, without the optional attributes that the file leaves out."""
    row: Row = {
        "endpoint_id": connection.endpoint,
        "api_key": connection.api_key,
        "functions": [_entry(spec, entry, worker_arn) for entry in connection.functions],
    }
    if connection.packages:
        row["packages"] = [
            {"package": it.package, "setting": it.settings or ""} for it in connection.packages
        ]
    optional = {name: getattr(connection, name) for name in ("whitelist", "grants", "endpoints")}
    row |= {name: list(values) for name, values in optional.items() if values is not None}
    return row | _rate_limit(connection)


def function_config(name: str, function: FunctionSpec) -> Row:
    """Return what is said of a function: the ``config`` of its row, with the name of what it calls."""
    module, class_name, called = function.callee(name)
    return {
        "module_name": module,
        "class_name": class_name,
        "function_name": called,
        "funct_type": function.type,
        "methods": list(function.methods),
        "setting": function.settings or "",
        "auth_required": function.auth_required,
        "graphql": function.graphql,
        "operations": {kind: list(names) for kind, names in function.operations},
        **{name: value for name in EXECUTION if (value := getattr(function, name)) is not None},
    }


def _rate_limit(section: EndpointSpec | ConnectionSpec) -> Row:
    if section.rate_limit is None:
        return {}
    return {"rate_limit": section.rate_limit.model_dump(exclude_none=True)}


def _function_row(label: str, function: FunctionSpec, worker_arn: str) -> Row:
    name = function_name(label)
    config = function_config(name, function)
    if config["function_name"] == name:
        del config["function_name"]  # so that rows from before it stay as they are
    return {
        "aws_lambda_arn": function.lambda_arn or worker_arn,
        "function": name,
        "area": function.area,
        "config": config,
    }


def _entry(spec: RegistrySpec, entry: EntrySpec, worker_arn: str) -> Row:
    function = spec.functions.get(entry.function) if entry.package is None else None
    arn = (function and function.lambda_arn) or worker_arn
    if entry.package is not None:
        arn = worker_arn.removesuffix("-Worker") + PACKAGE_MARK + entry.package
    row = {
        "aws_lambda_arn": arn,
        "function": function_name(entry.function),
        "setting": entry.settings or "",
    }
    return row | ({"route": function.route} if function and function.route else {})


def row_name(table: Table, row: Row) -> str:
    """Return a row's name: table and key, only the beginning of an API key, the Lambda's name of an ARN."""
    parts = [_key_text(name, str(row[name])) for name in table.key_names]
    return f"{table.name} {' / '.join(parts)}"


def _key_text(name: str, value: str) -> str:
    return mask(value) if name == "api_key" else value.rpartition(":function:")[2]


def key_row_endpoint(endpoint: Row) -> str:
    """Return the endpoint whose key rows open that of a row: itself, or the common one."""
    own: str = endpoint["endpoint_id"]
    return own if endpoint.get("special_connection") else COMMON_ENDPOINT


def mask(api_key: str) -> str:
    """Return the beginning of a key: enough to recognise it, too little to use it."""
    return api_key if api_key == DEFAULT_API_KEY else f"{api_key[: min(4, len(api_key) // 3)]}…"
