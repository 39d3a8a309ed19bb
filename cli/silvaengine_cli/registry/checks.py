"""Checks across fields: unknown names, duplicates, rows too large for DynamoDB."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from silvaengine.tables import COMMON_ENDPOINT, DEFAULT_API_KEY, STREAMS_SETTING_ID
from silvaengine_cli.closest import closest
from silvaengine_cli.registry.bindings import binding_rows
from silvaengine_cli.registry.collisions import colliding_settings
from silvaengine_cli.registry.document import Path
from silvaengine_cli.registry.model import ConnectionSpec, RegistrySpec, function_name
from silvaengine_cli.registry.routes import route_conflicts
from silvaengine_cli.registry.rows import all_rows, connection_row, setting_rows
from silvaengine_cli.registry.sizes import too_large

SMALLER_CONNECTION = (
    "move functions to a connection with another api_key, or to endpoints with `connection: own`"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """An error, or with ``warning`` an oddity, at a path of the file."""

    path: Path
    message: str
    warning: bool = False


def findings(spec: RegistrySpec) -> Iterator[Finding]:
    """Return all errors and oddities of a well-formed registry."""
    yield from _functions(spec)
    yield from _settings(spec)
    yield from _endpoints(spec)
    seen: dict[tuple[str, str], int] = {}
    for index, connection in enumerate(spec.connections):
        path = ("connections", index)
        key = (connection.endpoint, connection.api_key)
        if key in seen:
            yield Finding(path, f"the same endpoint and api_key as connections[{seen[key]}]")
        seen.setdefault(key, index)
        yield from _connection(spec, connection, path)
        yield from _entries(spec, connection, path)
        yield from _packages(spec, connection, path)
    yield from _routes(spec)


def _functions(spec: RegistrySpec) -> Iterator[Finding]:
    seen: dict[tuple[str, str | None], str] = {}
    for label, function in spec.functions.items():
        path = ("functions", label)
        key = (function_name(label), function.lambda_arn)
        if key in seen:
            yield Finding(path, f"the same function and lambda as {seen[key]!r}")
        seen.setdefault(key, label)
        yield from _setting_reference(spec, function.settings, (*path, "settings"))
        if function.events and function.internal is None:
            message = "clients can call it, too, without a key: write `internal: true`, or false if they may"
            yield Finding(path, message, warning=True)
        yield from _events(spec, label, (*path, "events"))


def _events(spec: RegistrySpec, label: str, path: Path) -> Iterator[Finding]:
    """Return bindings that reach nothing, or the same twice."""
    seen: set[tuple[object, ...]] = set()
    for index, binding in enumerate(spec.functions[label].events):
        place = (*path, index)
        key = (binding.endpoint, *binding.source, binding.prefix or "", binding.suffix or "")
        if key in seen:
            yield Finding(place, "the same endpoint and source as another binding of this function")
        seen.add(key)
        if binding.endpoint not in spec.endpoints:
            yield Finding((*place, "endpoint"), _unknown("endpoint", binding.endpoint, spec.endpoints))
        elif label not in _reachable_without_key(spec, binding.endpoint):
            message = (
                f"events come without a key, and without one {binding.endpoint!r} does not reach {label!r}"
            )
            yield Finding(place, message)
        kind, name = binding.source
        if kind == "table" and name in spec.settings.get(STREAMS_SETTING_ID, ()):
            yield Finding(place, f"settings.{STREAMS_SETTING_ID} has this table, too")


def _reachable_without_key(spec: RegistrySpec, endpoint_id: str) -> set[str]:
    is_own = spec.endpoints[endpoint_id].connection == "own"
    key = (endpoint_id if is_own else COMMON_ENDPOINT, DEFAULT_API_KEY)
    connections = [each for each in spec.connections if (each.endpoint, each.api_key) == key]
    entries = [entry for connection in connections for entry in connection.functions]
    return {entry.function for entry in entries if entry.package is None}


def _settings(spec: RegistrySpec) -> Iterator[Finding]:
    for row in binding_rows(spec):
        if complaint := too_large(row):
            yield Finding(("functions",), f"the functions of {row['variable']}: {complaint}")
    for row in setting_rows(spec):
        if complaint := too_large(row):
            yield Finding(
                ("settings", row["setting_id"], row["variable"]), f"{complaint}; split it into variables"
            )
    for setting_id, complaint in colliding_settings(all_rows(spec, "")):
        yield Finding(("settings", setting_id), complaint, warning=True)


def _endpoints(spec: RegistrySpec) -> Iterator[Finding]:
    connected = {connection.endpoint for connection in spec.connections}
    for endpoint_id, endpoint in spec.endpoints.items():
        if endpoint.connection == "own" and endpoint_id not in connected:
            message = "says `connection: own`, and no connection names it: no key opens it"
            yield Finding(("endpoints", endpoint_id), message, warning=True)


def _connection(spec: RegistrySpec, connection: ConnectionSpec, path: Path) -> Iterator[Finding]:
    row = connection_row(spec, connection, "arn:aws:lambda:us-gov-west-1:000000000000:function:" + "x" * 64)
    if complaint := too_large(row):
        yield Finding(path, f"{complaint}; {SMALLER_CONNECTION}")
    if connection.endpoint == COMMON_ENDPOINT:
        yield from _check_endpoints(spec, connection, path)
        return
    if connection.endpoints is not None:
        yield Finding((*path, "endpoints"), "is only for common keys; this one has an endpoint")
    endpoint = spec.endpoints.get(connection.endpoint)
    if endpoint is None:
        yield Finding((*path, "endpoint"), _unknown("endpoint", connection.endpoint, spec.endpoints))
    elif endpoint.connection == "common":
        message = f"is never used: write `endpoints: {{{connection.endpoint}: {{connection: own}}}}`"
        yield Finding(path, message, warning=True)


def _check_endpoints(spec: RegistrySpec, connection: ConnectionSpec, path: Path) -> Iterator[Finding]:
    for index, name in enumerate(connection.endpoints or ()):
        place = (*path, "endpoints", index)
        endpoint = spec.endpoints.get(name)
        if endpoint is None:
            yield Finding(place, _unknown("endpoint", name, spec.endpoints))
        elif endpoint.connection == "own":
            yield Finding(place, f"{name!r} has key rows of its own: no common key opens it", warning=True)


def _entries(spec: RegistrySpec, connection: ConnectionSpec, path: Path) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, entry in enumerate(connection.functions):
        place = (*path, "functions", index)
        if entry.package is None and entry.function not in spec.functions:
            yield Finding(place, _unknown("function", entry.function, spec.functions))
        name = function_name(entry.function)
        if name in seen:
            yield Finding(place, f"function {name!r} is in this connection already")
        seen.add(name)
        yield from _setting_reference(spec, entry.settings, (*place, "settings"))


def _routes(spec: RegistrySpec) -> Iterator[Finding]:
    """Return what excludes routes of a connection, once where several connections have both."""
    found: dict[tuple[str, str], None] = {}
    for connection in spec.connections:
        labels = {function_name(entry.function): entry.function for entry in connection.functions}
        listed = {name: spec.functions[it] for name, it in labels.items() if it in spec.functions}
        for name, message in route_conflicts({name: function.route for name, function in listed.items()}):
            found[labels[name], message] = None
    for label, message in found:
        yield Finding(("functions", label, "route"), message)


def _packages(spec: RegistrySpec, connection: ConnectionSpec, path: Path) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, entry in enumerate(connection.packages):
        place = (*path, "packages", index)
        if entry.package in seen:
            yield Finding(place, f"package {entry.package!r} is in this connection already")
        seen.add(entry.package)
        yield from _setting_reference(spec, entry.settings, (*place, "settings"))


def _setting_reference(spec: RegistrySpec, setting: str | None, path: Path) -> Iterator[Finding]:
    if setting is None:
        return
    if setting not in spec.settings:
        yield Finding(path, _unknown("setting", setting, spec.settings))
    elif not spec.settings[setting]:
        yield Finding(path, f"setting {setting!r} has no variables; a setting in use needs at least one")


def _unknown(kind: str, name: str, names: Collection[str]) -> str:
    hint = closest(name, names) or f"; add it to `{kind}s`"
    return f"{kind} {name!r} is not in this file{hint}"
