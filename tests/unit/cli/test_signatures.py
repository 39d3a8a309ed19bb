"""Typed functions that can't be described are found by `validate`, by the describer of their worker."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from silvaengine_cli.main import cli
from silvaengine_cli.publishing.package import Package
from silvaengine_cli.registry.file import RegistryFileError, load

pytestmark = pytest.mark.slow

SHOP = '''
"""A module that speaks when it is imported."""
from enum import Enum
from typing import Annotated
from msgspec import Meta
print("imported")

class Shop:
    def place(self, number: complex): ...

def ticket(number: int, *, tags: set[list[int]] = ()): ...
def find(price: Annotated[float, Meta(multiple_of=0.1)]): ...
def show(ticket_id: int): ...
def others(**rest: str): ...
def plain(number): ...
'''
PACKAGE = """\
package: shop
functions:
  place: {call: "shop:Shop.place", area: core}
  ticket: {call: "shop:ticket", area: core}
  find: {call: "shop:find", area: core}
  show: {call: "shop:show", area: core, route: "GET /tickets/{ticket}/{number}"}
  others: {call: "shop:others", area: core, route: "GET /others_of/{anything}"}
  plain: {call: "shop:plain", area: core}
  untyped: {call: "shop:ticket", area: core, typed: false}
"""
HINT = "take one of the types in docs/functions.md, or say `typed: false`"


def validate(path: Path) -> tuple[int, list[str]]:
    """Return the exit code and the lines that `validate` prints, without the folder."""
    result = CliRunner().invoke(cli, ["validate", "-f", str(path)])
    return result.exit_code, [line.removeprefix(f"{path.parent}/") for line in result.output.splitlines()]


def write(folder: Path, package: str = PACKAGE, shop: str = SHOP) -> Path:
    """Write a package; return its file."""
    (folder / "shop.py").write_text(shop)
    (folder / "requirements.txt").touch()
    (folder / "package.yaml").write_text(package)
    return folder / "package.yaml"


def test_signatures_that_cannot_be_described(tmp_path: Path) -> None:
    """Each has its line, the file, the function, the parameter, and what to write."""
    code, lines = validate(write(tmp_path))
    assert code == 1
    where = [":".join(line.split(":")[:3]) for line in lines]
    assert where == [
        "package.yaml:3: functions.place.call",
        "package.yaml:4: functions.ticket.call",
        "package.yaml:5: functions.find.call",
        "package.yaml:6: functions.show.route",
        "package.yaml:6: functions.show.route",
    ]
    assert lines[0].endswith(f": shop.py: Shop.place: parameter 'number': complex can't be checked: {HINT}")
    assert ": shop.py: ticket: parameter 'tags': set[list[int]]: a set's items must be hashable" in lines[1]
    assert ": shop.py: find: parameter 'price': msgspec.Meta(multiple_of=0.1) isn't supported" in lines[2]
    assert ": {ticket} is no parameter of the function" in lines[3]
    assert lines[3].endswith("refuse every call (did you mean ticket_id?)")
    assert ": {number} is no parameter of the function" in lines[4]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("import nowhere_to_be_found", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import os; os._exit(0)", ""),
    ],
)
def test_a_module_that_cannot_be_imported_here(line: str, reason: str, tmp_path: Path) -> None:
    """It may be in its Lambda, so that this is said, and no error."""
    package = 'package: shop\nfunctions:\n  show: {call: "shop:show", area: core}\n'
    code, lines = validate(write(tmp_path, package, f"{line}\n{SHOP}"))
    assert (code, lines[1]) == (
        0,
        f"{tmp_path}/package.yaml: valid: 1 functions".removeprefix(f"{tmp_path}/"),
    )
    said = "its module can't be looked at here"
    assert lines[0].endswith(f"functions.show.call: {said}: {reason}" if reason else said)


def test_functions_that_ship_with_the_worker(tmp_path: Path) -> None:
    """The same for those of registry.yaml that are typed; what applies a file imports nothing."""
    folder = tmp_path / "services/worker/functions"
    folder.mkdir(parents=True)
    write(folder)
    text = "functions:\n  ticket: {{module: shop, area: core, typed: {}}}\n"
    registry = folder / "registry.yaml"
    registry.write_text(text.format("true"))
    assert "parameter 'tags'" in "".join(validate(registry)[1])
    load(registry)
    registry.write_text(text.format("false"))
    assert validate(registry)[0] == 0


def test_a_publication_refuses_what_it_is_told(tmp_path: Path) -> None:
    """By the version that is to serve: a route's parameter that the function lacks."""
    package = Package.read(write(tmp_path).parent)
    taken = {"properties": {"ticket_id": {}}, "additionalProperties": False}
    with pytest.raises(RegistryFileError, match=r"\{number\} is no parameter"):
        package.check(package.unfit({"shop:show": {"parameters": taken}}))
    package.check(package.unfit({"shop:show": {"parameters": taken | {"additionalProperties": {}}}}))
