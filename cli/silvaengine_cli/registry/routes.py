"""Functions' routes in the registry: which exclude one another, and their copies in key rows.

A key row's entry has its function's route, so that gateways know all routes of a key without reading a row
for each function.
"""

from collections.abc import Iterator, Mapping

from silvaengine.registry.routes import RESERVED_BEGINNINGS, Route
from silvaengine_cli.registry.rows import Row
from silvaengine_cli.registry.tables import Key


def route_conflicts(routes: Mapping[str, str | None]) -> Iterator[tuple[str, str]]:
    """Return functions whose routes can't be, and why: both of a pair.

    Args:
        routes: the functions that one key opens, by name, with their routes.
    """
    read = {name: Route.parse(text) for name, text in routes.items() if text}
    by_shape: dict[tuple[str, ...], str] = {}
    for name, route in read.items():
        beginning = route.segments[0]
        if beginning in RESERVED_BEGINNINGS:
            yield name, f"begins with {beginning!r}, which the gateway answers itself"
        elif beginning in routes:
            yield name, f"begins with the name of function {beginning!r}, which goes before it"
        other = by_shape.setdefault(route.shape, name)
        if read[other].parameters != route.parameters:
            yield other, f"has the path of function {name!r}, with other names of parameters"
            yield name, f"has the path of function {other!r}, with other names of parameters"
        same = by_shape.setdefault((route.method, *route.shape), name)
        if same != name:
            yield same, f"has the method and the path of function {name!r}"
            yield name, f"has the method and the path of function {same!r}"


def routes_of(rows: Mapping[Key, Row]) -> dict[Key, str]:
    """Return the routes of functions' rows, empty for those without one."""
    return {key: (row.get("config") or {}).get("route") or "" for key, row in rows.items()}


def with_routes(row: Row, routes: Mapping[Key, str]) -> Row:
    """Return a key row whose entries have these routes; those of other functions stay."""
    entries = [_with_route(entry, routes) for entry in row.get("functions") or ()]
    return row if entries == row.get("functions", []) else row | {"functions": entries}


def _with_route(entry: Row, routes: Mapping[Key, str]) -> Row:
    route = routes.get((entry.get("aws_lambda_arn", ""), entry.get("function", "")))
    if route is None or route == entry.get("route", ""):
        return entry
    rest = {name: value for name, value in entry.items() if name != "route"}
    return rest | ({"route": route} if route else {})
