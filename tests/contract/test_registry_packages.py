"""Published packages in registry.yaml and in the tables: listed by connections, owned by nobody else."""

import json
import re
from collections.abc import Callable
from typing import Any

import click
import pytest
from click.testing import CliRunner

from silvaengine.registry.packages import POINTER_ITEM, PROTOCOL, release_digest, release_item
from silvaengine.tables import CONFIG_DATA, CONNECTIONS, ENDPOINTS, FUNCTIONS, PACKAGES
from silvaengine_cli.main import cli
from silvaengine_cli.packages.importing import make_remap
from silvaengine_cli.registry.export import export
from silvaengine_cli.registry.file import parse
from silvaengine_cli.registry.handover import hand_over
from silvaengine_cli.registry.packages import Packages
from silvaengine_cli.registry.plan import Plan, make_plan
from silvaengine_cli.registry.tables import RegistryTables

LAMBDAS = "arn:aws:lambda:us-east-1:123456789012:function:silvaengine"
WORKER = f"{LAMBDAS}-Worker"
SHOP = f"{LAMBDAS}-pkg-shop"
REGISTRY = """\
endpoints:
  demo:
  acme: {connection: own}
functions:
  hello: {module: demo, area: core}
connections:
  - functions: [hello]
    packages: [shop]
  - endpoint: acme
    packages: [{package: shop, settings: acme}]
settings:
  acme: {greeting: Good day}
"""

type Apply = Callable[..., tuple[str, ...]]


@pytest.fixture
def apply(apply_plan: Callable[..., Plan]) -> Apply:
    """Apply a text; return the details of what was done."""

    def apply_text(text: str, **options: Any) -> tuple[str, ...]:
        plan = apply_plan(text, **options)
        return tuple(
            ": ".join((f"{change.action} {change.row_name}", *change.details)) for change in plan.changes
        )

    return apply_text


def publish(
    tables: RegistryTables,
    package: str,
    *names: str,
    release: int = 1,
    pins: dict[str, int] | None = None,
    route: str = "",
) -> None:
    """Write the rows of a release that has these functions, and turn the pointer to it."""
    arn, config = f"{LAMBDAS}-pkg-{package}", {"module_name": package, "class_name": "", "setting": ""}
    config |= {"route": route} if route else {}
    functions = json.dumps({name: {"area": "core", "config": config} for name in names})
    digest = release_digest(package, "c", functions, is_isolated=False)
    row = {"package": package, "release": release, "protocol": PROTOCOL, "code": "c", "functions": functions}
    key = {"function_arn": arn, "item": release_item(release)}
    tables.create(PACKAGES, {**key, **row, "digest": digest, "isolated": False})
    before = tables.get(PACKAGES, arn, POINTER_ITEM)
    pointer = {"package": package, "release": release, "pins": pins or {}, "revision": release}
    if before is None:
        tables.create(PACKAGES, {"function_arn": arn, "item": POINTER_ITEM, **pointer})
    else:
        tables.update(PACKAGES, before, {**before, **pointer})
    for name in names:
        key = {"aws_lambda_arn": arn, "function": name}
        if tables.get(FUNCTIONS, *key.values()) is None:
            row = {"area": "core", "config": config, "package": package, "release": release, "revision": 1}
            tables.create(FUNCTIONS, {**key, **row})


def packages_of(tables: RegistryTables, endpoint: str) -> object:
    """Return what an endpoint's key row for calls without a key says of packages."""
    row = tables.get(CONNECTIONS, endpoint, "#####")
    return row and row.get("packages")


def test_a_connections_packages_are_in_its_row(apply: Apply, tables: RegistryTables) -> None:
    """A row names packages, with the settings of the connection; applying it again does nothing."""
    publish(tables, "shop", "stock")
    assert "create connections 1 / #####: functions: + hello: packages: + shop" in apply(REGISTRY)
    assert packages_of(tables, "1") == [{"package": "shop", "setting": ""}]
    assert packages_of(tables, "acme") == [{"package": "shop", "setting": "acme"}]
    assert apply(REGISTRY) == ()
    without_settings = REGISTRY.replace("[{package: shop, settings: acme}]", "[shop]")
    assert apply(without_settings) == ("update connections acme / #####: packages: ~ shop",)
    assert packages_of(tables, "acme") == [{"package": "shop", "setting": ""}]


def test_a_file_without_packages_leaves_a_connections(apply: Apply, tables: RegistryTables) -> None:
    """A note says that they stay; pruning drops them."""
    publish(tables, "shop", "stock")
    apply(REGISTRY)
    text = REGISTRY.replace("    packages: [shop]\n", "")
    notes = [str(note) for note in make_plan(parse(text.encode()).spec, tables, WORKER).notes]
    assert "connections 1 / ##### keeps what is not in the file: shop (--prune drops it)" in notes
    assert apply(text) == ()
    assert apply(text, prune=True) == ("update connections 1 / #####: packages: - shop",)
    assert packages_of(tables, "1") == []


@pytest.mark.parametrize(
    ("functions", "complaint"),
    [
        ({"find": "GET /counts/{id}"}, "'count' has the method and the path of function 'find'"),
        ({"put": "PUT /counts/{n}"}, "'count' has the path of function 'put', with other names of"),
        ({"own": "GET /own_things"}, "'own' has the method and the path of function 'things'"),
        ({"find": "GET /hello/{id}"}, "'find' begins with the name of function 'hello'"),
        ({"counts": None}, "'count' begins with the name of function 'counts'"),
        ({"find": "GET /others/{id}", "put": "PUT /counts/{id}"}, ""),
    ],
)
def test_a_release_whose_routes_a_key_row_has_already(
    functions: dict[str, str | None], complaint: str, apply: Apply, tables: RegistryTables
) -> None:
    """It is refused with both functions and the key row; so isn't what was wrong before, or elsewhere."""
    publish(tables, "shop", "count", route="GET /counts/{id}")
    publish(tables, "depot", "find")
    apply(REGISTRY.replace("packages: [shop]", "packages: [shop, depot]"))
    row = tables.read(CONNECTIONS, [("1", "#####")])["1", "#####"]
    broken = {"aws_lambda_arn": WORKER, "function": "broken", "route": "GET /mcp"}
    things = {"aws_lambda_arn": WORKER, "function": "things", "route": "GET /own_things"}
    changed = row | {"functions": [*row["functions"], broken, things], "revision": 2}
    tables.update(CONNECTIONS, row, changed)
    packages = Packages(tables, WORKER)
    packages.check_functions("elsewhere", functions)
    if not complaint:
        packages.check_functions("depot", functions)
        return
    with pytest.raises(click.ClickException, match=re.escape(complaint)) as refused:
        packages.check_functions("depot", functions)
    assert "connections 1 / ##### would have both" in refused.value.message


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        ("shp", "'shp' (did you mean shop?)"),
        ("library", "'library'; there are shop"),
    ],
)
def test_a_listed_package_without_a_release_is_noted(
    apply: Apply, tables: RegistryTables, listed: str, said: str
) -> None:
    """The nearest name is said; it may be published later, and opens nothing until then."""
    publish(tables, "shop", "stock")
    text = f"connections: [{{packages: [{listed}]}}]"
    (note,) = make_plan(parse(text.encode()).spec, tables, WORKER).notes
    assert str(note).startswith(f"there is no package {said}: until it is published, ")
    assert apply(text) == (f"create connections 1 / #####: packages: + {listed}",)


def test_two_packages_with_a_function_of_one_name_are_refused(apply: Apply, tables: RegistryTables) -> None:
    """By what serves the key row's tenants, pins included; an entry of the key row says whose it is."""
    publish(tables, "shop", "stock", "hello")
    publish(tables, "depot", "hello")
    two = REGISTRY.replace("packages: [shop]", "packages: [shop, depot]")
    apply(two)
    other = two.replace("functions: [hello]", "functions: []")
    with pytest.raises(click.ClickException, match="shop and depot have a function 'hello' each"):
        apply(other, prune=True)
    publish(tables, "depot", "count", release=2)
    apply(other, prune=True)
    publish(tables, "depot", "count", release=3, pins={"demo": 1})
    apply(REGISTRY, prune=True)
    with pytest.raises(click.ClickException, match="shop and depot have a function 'hello' each"):
        apply(other, prune=True)
    apply(REGISTRY.replace("[{package: shop, settings: acme}]", "[shop, depot]"))


@pytest.mark.parametrize(
    ("route", "complaint"),
    [
        ("GET /hello/{name}", "begins with the name of function 'hello'"),
        ("POST /parts/{number}", "has the path of function 'part', with other names of parameters"),
    ],
)
def test_routes_of_a_package_that_exclude_a_key_rows_are_refused(
    route: str, complaint: str, apply: Apply, tables: RegistryTables
) -> None:
    """Those of the release that serves, where the package is listed."""
    publish(tables, "shop", "stock", route=route)
    own = "  part: {module: demo, area: core, route: 'GET /parts/{part}'}\nconnections:\n"
    text = REGISTRY.replace("connections:\n", own, 1).replace(
        "functions: [hello]", "functions: [hello, part]"
    )
    with pytest.raises(click.ClickException, match=complaint):
        apply(text)
    assert tables.get(CONNECTIONS, "1", "#####") is None


def test_rows_of_packages_are_not_a_files(apply: Apply, tables: RegistryTables) -> None:
    """Neither pruning nor an export nor a former worker's move has anything to do with them."""
    publish(tables, "shop", "stock")
    apply(REGISTRY)
    rows = [row for row in tables.scan(FUNCTIONS) if row.get("package")]
    assert make_plan(parse(REGISTRY.encode()).spec, tables, WORKER).notes == ()
    apply("endpoints: {demo: }", prune=True)
    assert list(tables.scan(FUNCTIONS)) == rows
    assert "stock" not in export(tables, WORKER).text
    with pytest.raises(click.ClickException, match="belong to package 'shop'"):
        make_remap("silvaengine-pkg-shop", tables, WORKER)


@pytest.mark.parametrize("name", ["stock", "another"])
def test_a_file_cannot_say_what_a_packages_function_is(
    apply: Apply, tables: RegistryTables, name: str
) -> None:
    """Whether the package has a function of the name or not."""
    publish(tables, "shop", "stock")
    text = f"functions: {{{name}: {{module: mine, area: core, lambda: '{SHOP}'}}}}"
    with pytest.raises(click.ClickException, match=rf"function '{name}' belongs to package 'shop'"):
        apply(text)


def test_an_export_says_which_packages_a_connection_lists(apply: Apply, tables: RegistryTables) -> None:
    """Applying an export changes nothing."""
    publish(tables, "shop", "stock")
    apply(REGISTRY)
    exported = export(tables, WORKER)
    assert exported.notes == ()
    assert parse(exported.text.encode()).spec == parse(REGISTRY.encode()).spec
    assert apply(exported.text, prune=True) == ()


def test_an_entry_may_name_a_packages_function(apply: Apply, tables: RegistryTables) -> None:
    """The connection opens that one alone; a name that no serving release has is refused."""
    publish(tables, "shop", "stock", "hello")
    apply(REGISTRY)
    text = REGISTRY.replace("functions: [hello]", "functions: [{function: hello, package: shop}]")
    assert apply(text) == ("update connections 1 / #####: functions: ~ hello",)
    (entry,) = (tables.get(CONNECTIONS, "1", "#####") or {})["functions"]
    assert entry == {"aws_lambda_arn": SHOP, "function": "hello", "setting": ""}
    exported = export(tables, WORKER)
    assert exported.notes == ()
    assert parse(exported.text.encode()).spec == parse(text.encode()).spec
    assert apply(exported.text, prune=True) == ()
    for wrong, complaint in (
        ("{function: helo, package: shop}", r"'shop' has no function 'helo' \(did you mean hello\?\)"),
        ("{function: hello, package: shp}", r"no package 'shp' \(did you mean shop\?\)"),
    ):
        with pytest.raises(click.ClickException, match=complaint):
            apply(text.replace("{function: hello, package: shop}", wrong))


def test_a_package_that_shipped_is_called_once_it_is_published(apply: Apply, tables: RegistryTables) -> None:
    """Key rows name the package's functions by the same names and settings; the former rows stay."""
    text = REGISTRY.replace("    packages: [shop]\n", "")
    text = text.replace("packages: [{package: shop,", "functions: [{function: hello,")
    apply(text)
    before = {endpoint: show(endpoint, "hello", "--values") for endpoint in ("demo", "acme")}
    moved = (hand_over(text.encode(), ["hello"], "shop") or b"").decode()
    with pytest.raises(click.ClickException, match="there is no package 'shop'"):
        apply(moved)
    publish(tables, "shop", "hello")
    assert apply(moved) == (
        "update connections 1 / #####: functions: ~ hello",
        "update connections acme / #####: functions: ~ hello",
    )
    (entry,) = (tables.get(CONNECTIONS, "acme", "#####") or {})["functions"]
    assert entry == {"aws_lambda_arn": SHOP, "function": "hello", "setting": "acme"}
    for endpoint, facts in before.items():
        after = show(endpoint, "hello", "--values")
        assert (facts.pop("lambda"), after["lambda"]) == (WORKER, f"{SHOP}:1")
        assert facts == {name: after[name] for name in facts} | {"code": "demo"}
    assert tables.get(FUNCTIONS, WORKER, "hello")
    assert apply(moved, prune=True) == ("delete functions silvaengine-Worker / hello",)


def test_an_entry_that_names_a_release_is_in_no_file(tables: RegistryTables) -> None:
    """An export notes it, and `show` says which release it is, whatever serves others."""
    publish(tables, "shop", "stock")
    publish(tables, "shop", "stock", release=2)
    entry = {"aws_lambda_arn": f"{SHOP}:1", "function": "stock", "setting": ""}
    tables.create(CONNECTIONS, {"endpoint_id": "1", "api_key": "#####", "functions": [entry]})
    tables.create(ENDPOINTS, {"endpoint_id": "demo", "special_connection": False})
    assert export(tables, WORKER).notes == ("connections 1 / #####: stock is left out: it names release 1",)
    assert show("demo")["packages"] == {"shop": 1}
    assert show("demo", "stock")["release"] == 1


def test_bindings_of_packages_stay_in_their_sources_row(apply: Apply, tables: RegistryTables) -> None:
    """A file's bindings come and go beside them; they are neither noted, pruned nor exported."""
    publish(tables, "shop", "stock")
    bound = REGISTRY.replace("area: core}", "area: core, events: [{endpoint: demo, queue: work}]}")
    apply(bound)
    key = ("silvaengine_events", "queue:work")
    ours, theirs = {"endpoint_id": "demo", "funct": "hello"}, {"endpoint_id": "acme", "funct": "stock"}
    before = tables.get(CONFIG_DATA, *key) or {}
    tables.update(CONFIG_DATA, before, {**before, "value": [ours, {**theirs, "package": "shop"}]})
    plan = make_plan(parse(bound.encode()).spec, tables, WORKER, prune=True)
    assert (plan.changes, plan.notes) == ((), ())
    assert make_plan(parse(bound.encode()).spec, tables, WORKER).notes == ()
    exported = export(tables, WORKER)
    assert exported.notes == ()
    assert parse(exported.text.encode()).spec == parse(bound.encode()).spec
    assert apply(REGISTRY, prune=True) == (
        "update configdata silvaengine_events / queue:work: value changes",
    )
    assert (tables.get(CONFIG_DATA, *key) or {})["value"] == [{**theirs, "package": "shop"}]
    assert apply(REGISTRY, prune=True) == ()


def test_show_and_list_name_package_and_release(apply: Apply, tables: RegistryTables) -> None:
    """Whether a key row lists the package or a function of it; a pinned tenant's is another release."""
    publish(tables, "shop", "stock", "hello")
    publish(tables, "shop", "stock", release=2, pins={"acme": 1})
    apply(REGISTRY.replace("functions: [hello]", "functions: [hello, {function: stock, package: shop}]"))
    demo, acme = show("demo"), show("acme")
    assert (demo["functions"], demo["packages"]) == (["hello", "stock"], {"shop": 2})
    assert (acme["functions"], acme["packages"]) == (["hello", "stock"], {"shop": 1})
    stock, pinned = show("demo", "stock"), show("acme", "stock", "--values")
    assert (stock["package"], stock["release"], stock["lambda"]) == ("shop", 2, f"{SHOP}:2")
    assert (pinned["release"], pinned["pins"]) == (1, {"acme": 1})
    assert pinned["settings"] == {"greeting": "Good day"}
    assert "package" not in show("demo", "hello")
    listed = {(it["function"], it["package"], it["release"]) for it in run("list")}
    assert {("hello", "", ""), ("stock", "shop", 1)} <= listed


def show(*arguments: str) -> Any:
    """Return what `show` says."""
    return run("show", *arguments)


def run(*arguments: str) -> Any:
    """Return the JSON of a command."""
    deployment = ("--table-prefix", "se-", "--worker-arn", WORKER, "--region", "us-east-1")
    result = CliRunner().invoke(cli, [*arguments, "--json", *deployment])
    assert result.exit_code == 0, result.output
    return json.loads(result.output)
