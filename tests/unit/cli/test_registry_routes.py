"""Routes in ``registry.yaml`` and ``package.yaml``: what they may say, and which exclude one another."""

from pathlib import Path

import pytest

from silvaengine_cli.publishing.package import Package
from silvaengine_cli.registry.file import RegistryFileError, parse

FUNCTION = "{{module: a, area: b, route: '{}'}}"


def complaints(text: str) -> list[str]:
    """Return what is wrong with a registry, a line each."""
    with pytest.raises(RegistryFileError) as refused:
        parse(text.encode())
    return str(refused.value.message).splitlines()


def registry_of(*routes: str, connections: str = "") -> str:
    """Return a registry whose one connection has a function a, b, … for each route."""
    names = "abcdef"[: len(routes)]
    lines = [
        f"  {name}: {FUNCTION.format(route)}" if route else f"  {name}: {{module: a, area: b}}"
        for name, route in zip(names, routes, strict=True)
    ]
    listed = f"connections:\n  - functions: [{', '.join(names)}]\n"
    return "functions:\n" + "\n".join(lines) + "\n" + (connections or listed)


@pytest.mark.parametrize(
    ("members", "complaint"),
    [
        ("route: get /a", "functions.x.route: 'get /a' must be one of GET, POST"),
        ("route: 'GET /{id}'", "functions.x.route: 'GET /{id}': the first segment must be fixed"),
        ("route: GET /a, methods: [POST]", "functions.x: methods must have GET, the route's"),
        ("route: GET /a, internal: true", "functions.x: route is for clients, and internal: true"),
    ],
)
def test_what_no_route_may_be(members: str, complaint: str) -> None:
    """The complaint has its line."""
    (line,) = complaints(f"functions:\n  x: {{module: a, area: b, {members}}}")
    assert line.startswith(f"registry.yaml:2: {complaint}")


def test_a_route_has_its_method_unless_methods_say_more() -> None:
    """By its name, too, the function is called as by its route alone, unless it is said otherwise."""
    text = registry_of("DELETE /t/{id}", "GET /t", "").replace("'GET /t'", "GET /t, methods: [GET, POST]")
    functions = parse(text.encode()).spec.functions
    assert [functions[name].methods for name in "abc"] == [("DELETE",), ("GET", "POST"), ("POST", "GET")]


@pytest.mark.parametrize(
    ("routes", "lines"),
    [
        (
            ("GET /t/{id}", "POST /t/{ticket}"),
            [
                "2: functions.a.route: has the path of function 'b', with other names of parameters",
                "3: functions.b.route: has the path of function 'a', with other names of parameters",
            ],
        ),
        (
            ("GET /t/{id}", "GET /t/{id}"),
            [
                "2: functions.a.route: has the method and the path of function 'b'",
                "3: functions.b.route: has the method and the path of function 'a'",
            ],
        ),
        (
            ("", "GET /a/{id}"),
            ["3: functions.b.route: begins with the name of function 'a', which goes before it"],
        ),
        (
            ("GET /a/{id}",),
            ["2: functions.a.route: begins with the name of function 'a', which goes before it"],
        ),
        (
            ("GET /job_status/{id}", "GET /openapi.json", "POST /mcp"),
            [
                "2: functions.a.route: begins with 'job_status', which the gateway answers itself",
                "3: functions.b.route: begins with 'openapi.json', which the gateway answers itself",
                "4: functions.c.route: begins with 'mcp', which the gateway answers itself",
            ],
        ),
    ],
)
def test_routes_that_exclude_one_another(routes: tuple[str, ...], lines: list[str]) -> None:
    """Both of a pair are named, with their lines."""
    assert complaints(registry_of(*routes)) == [f"registry.yaml:{line}" for line in lines]


def test_routes_of_different_keys_are_no_conflict() -> None:
    """Nor are those of one path with several methods, nor a parameter beside fixed text and the rest."""
    apart = "connections:\n  - functions: [a]\n  - {api_key: k, functions: [b]}\n"
    assert not parse(registry_of("GET /t/{id}", "GET /t/{x}", connections=apart).encode()).warnings
    assert parse(registry_of("GET /t/{id}", "PUT /t/{id}", "GET /t/{id+}", "GET /t/mine").encode())


def test_a_packages_routes(tmp_path: Path) -> None:
    """The same is refused in a package's file."""
    (tmp_path / "shop.py").write_text("def a(): ...\ndef b(): ...\n")
    functions = "".join(
        f"  {name}: {{call: 'shop:{name}', area: core, route: '{route}'}}\n"
        for name, route in {"a": "GET /b/{id}", "b": "GET /c"}.items()
    )
    (tmp_path / "package.yaml").write_text(f"package: shop\nfunctions:\n{functions}")
    with pytest.raises(RegistryFileError, match=r":3: functions\.a\.route: begins with the name of"):
        Package.read(tmp_path)
