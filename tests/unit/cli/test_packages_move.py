"""``silvaengine packages move``: modules that ship with the worker become a package to be published."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from silvaengine_cli.main import cli
from silvaengine_cli.publishing.package import Package
from silvaengine_cli.registry.file import parse

SHIPPED = Path("services/worker/functions")
REGISTRY = """\
# who calls what
endpoints:
  demo:
functions:
  order: {module: orders, area: core}   # goes
  stock:
    call: shop.shelves:Shelves.count    # goes, too
    area: core
    events: [{endpoint: demo, queue: work}]
  pay: {module: payments, area: core}   # stays
connections:
  - functions: [order, stock, pay]      # everybody's
  - api_key: partner-key
    functions:
      - order
      - function: stock
        settings: shop
settings:
  shop: {hook: shop.shelves}
"""
SOURCES = {
    "registry.yaml": REGISTRY,
    "requirements.txt": "# ours\nPyYAML==6.0.2\nrequests>=2  # both\nnobody-knows\n",
    "orders.py": "import shop\nimport requests\ndef order(): ...\n",
    "shop/__init__.py": "",
    "shop/shelves.py": "from yaml import safe_load\nclass Shelves:\n    def count(self): ...\n",
    "test_orders.py": "import pytest\n",
    "payments.py": "import requests\ndef pay(): ...\n",
}

type Move = Callable[..., Result]


@pytest.fixture
def move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Move:
    """Run the command in a project with these files beside the sources above."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, files: Mapping[str, str] | None = None) -> Result:
        for name, text in {**SOURCES, **(files or {})}.items():
            path = SHIPPED / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return CliRunner().invoke(cli, ["packages", "move", *arguments])

    return run


def shipped() -> set[str]:
    """Return the files that ship with the worker."""
    return {str(path.relative_to(SHIPPED)) for path in SHIPPED.rglob("*") if path.is_file()}


def test_modules_move_with_functions_tests_and_requirements(move: Move) -> None:
    """The package can be published at once; what can't be told is said."""
    moved = move("orders", "shop")
    assert moved.exit_code == 0, moved.output
    package = Package.read(Path("packages/orders"))
    assert {name: spec.callee(name) for name, spec in package.spec.functions.items()} == {
        "order": ("orders", "", "order"),
        "stock": ("shop.shelves", "Shelves", "count"),
    }
    assert package.spec.functions["stock"].events[0].queue == "work"
    assert not package.spec.typed
    assert (package.folder / "requirements.txt").read_text() == "PyYAML==6.0.2\nrequests>=2\n"
    assert (package.folder / "tests/test_orders.py").is_file()
    assert (package.folder / "shop/shelves.py").is_file()
    assert shipped() == {"registry.yaml", "requirements.txt", "payments.py"}
    said = moved.output.splitlines()
    valid = CliRunner().invoke(cli, ["validate", "-f", "packages/orders/package.yaml"])
    assert valid.stdout == "packages/orders/package.yaml: valid: 2 functions\n"
    assert "nobody" not in valid.output
    requirements = SHIPPED / "requirements.txt"
    assert f"{requirements}: nothing that stays is known to need 'PyYAML==6.0.2': remove it" in said
    doubt = f"{requirements}: whether the package needs 'nobody-knows' can't be told: it isn't taken along"
    assert doubt in said
    assert "settings.shop.hook names shop.shelves, which the worker will lack" in said
    assert "  silvaengine publish packages/orders" in said


def test_a_registry_loses_the_functions_alone(move: Move) -> None:
    """Connections name the package's functions, with their settings; comments and all other lines stay."""
    move("orders", "shop", "--as", "shop")
    text = (SHIPPED / "registry.yaml").read_text()
    gone = [line for line in REGISTRY.splitlines() if line not in text.splitlines()]
    assert [line for line in gone if "#" in line and "goes" not in line] == [
        "  - functions: [order, stock, pay]      # everybody's"
    ]
    assert "{function: stock, package: shop}, pay]      # everybody's" in text
    spec = parse(text.encode()).spec
    assert list(spec.functions) == ["pay"]
    common, partner = ([entry.model_dump() for entry in each.functions] for each in spec.connections)
    assert [(entry["function"], entry["package"]) for entry in common] == [
        ("order", "shop"),
        ("stock", "shop"),
        ("pay", None),
    ]
    assert partner[1] == {"function": "stock", "package": "shop", "settings": "shop"}


def test_a_registry_in_another_form_is_left_with_words(move: Move) -> None:
    """What is to be changed in it is said."""
    text = "{functions: {order: {module: orders, area: core}}}\n"
    moved = move("orders", "shop", files={"registry.yaml": text})
    assert "remove from functions: order" in moved.output
    assert "{function: NAME, package: orders}" in moved.output
    assert (SHIPPED / "registry.yaml").read_text() == text


@pytest.mark.parametrize(
    ("arguments", "files", "complaint"),
    [
        (["order"], {}, "has no module 'order' (did you mean orders?)"),
        (["orders"], {}, "orders imports shop: move both, in one package, or neither"),
        (["shop"], {}, "orders imports shop: move both, in one package, or neither"),
        (["orders", "shop", "--as", "my_shop"], {}, "'my_shop' must be 1 to 12 of a-z and 0-9"),
        (["library"], {"library.py": ""}, "no function calls library"),
        (
            ["orders", "shop", "-f", "none.yaml"],
            {},
            "`silvaengine export -o registry.yaml` writes the tables",
        ),
    ],
)
def test_what_would_break_something_is_refused(
    move: Move, arguments: list[str], files: dict[str, str], complaint: str
) -> None:
    """Nothing is moved or written."""
    refused = move(*arguments, files=files)
    assert refused.exit_code == 1
    assert complaint in refused.output
    assert shipped() == {*SOURCES, *files}
    assert not list(Path("packages").glob("*"))


def test_a_package_that_would_lack_a_function_is_not_made(move: Move) -> None:
    """A registry elsewhere isn't compared with the sources before; then all stays where it is."""
    Path("registry.yaml").write_text("functions: {ordr: {module: orders, area: core}}")
    refused = move("orders", "shop", "-f", "registry.yaml")
    assert "module orders has no function 'ordr' (did you mean order?)" in refused.output
    assert shipped() == {*SOURCES}
    assert not list(Path("packages").glob("*"))


def test_a_folder_that_is_there_is_not_overwritten(move: Move) -> None:
    """Neither is any file in it."""
    Path("packages/orders").mkdir(parents=True)
    assert "packages/orders exists already" in move("orders", "shop").output
    assert shipped() == {*SOURCES}


def test_a_packages_file_is_validated_with_its_sources(move: Move) -> None:
    """What isn't there is an error with its line, and imports that nothing brings are named."""
    move("orders", "shop")
    path = Path("packages/orders/package.yaml")
    path.write_text(path.read_text().replace("Shelves.count", "Shelves.cuont"))
    done = CliRunner().invoke(cli, ["validate", "-f", str(path)])
    assert done.exit_code == 1
    assert "class Shelves of shop.shelves has no method 'cuont' (did you mean count?)" in done.output
    machine = json.loads(CliRunner().invoke(cli, ["validate", "-f", str(path), "--json"]).output)
    assert [problem["path"] for problem in machine["problems"]] == [["functions", "stock", "call"]]
    (path.parent / "requirements.txt").write_text("")
    machine = json.loads(CliRunner().invoke(cli, ["validate", "-f", str(path), "--json"]).output)
    (missing,) = machine["missing_requirements"]
    assert missing["message"].startswith("imports requests")
