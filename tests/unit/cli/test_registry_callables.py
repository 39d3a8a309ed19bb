"""Functions that registry.yaml names and that the sources beside it don't have."""

import json
from collections.abc import Callable, Mapping
from importlib import import_module
from inspect import isroutine
from pathlib import Path

import pytest
from click.testing import CliRunner

from silvaengine_cli.main import cli
from silvaengine_cli.packages.definitions import read_definitions
from silvaengine_cli.registry.file import load

ORDERS = """
from contextlib import suppress

class Base(object):
    def _place(self): ...
    def cancel(self): ...

class Orders(Base):
    def place(self):
        self.placed = True
        setattr(self, "stock", vars(self) or self.__dict__)

def stock(): ...

if True:
    def prices(): ...

with suppress(ImportError):
    class Late:
        refund = staticmethod(stock)

Orders.patched = stock
"""

type Check = Callable[..., list[str]]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Return all complaints about a function `it`, with further files beside the registry."""
    folder = tmp_path / "services/worker/functions"
    (folder / "shop").mkdir(parents=True)
    (folder / "shop/__init__.py").write_text("from .orders import stock\n")
    (folder / "shop/orders.py").write_text(ORDERS)
    (folder / "requirements.txt").write_text("# none yet\n")

    def run(fields: str, function: str = "it", files: Mapping[str, str] | None = None) -> list[str]:
        for name, text in (files or {}).items():
            (folder / name).write_text(text)
        (folder / "registry.yaml").write_text(f"functions:\n  {function}:\n    area: core\n    {fields}\n")
        result = CliRunner().invoke(cli, ["validate", "-f", str(folder / "registry.yaml"), "--json"])
        found = json.loads(result.output)
        assert result.exit_code == (0 if found["valid"] else 1)
        assert found["valid"] == all(each["warning"] for each in found["problems"])
        return [f"{each['line']}: {each['message']}" for each in found["problems"]]

    return run


@pytest.mark.parametrize(
    ("function", "fields", "complaint"),
    [
        ("stock", "module: shpo.orders", "4: package 'shpo' is not beside this file (did you mean shop?)"),
        ("stock", "module: other", "4: package 'other' is not beside this file"),
        ("stock", "module: shop.ordrs", "4: there is no module shop.ordrs (did you mean shop.orders?)"),
        ("stock", "module: shop.orders.late", "4: there is no module shop.orders.late"),
        ("stok", "module: shop.orders", "2: module shop.orders has no function 'stok' (did you mean stock?)"),
        ("place", "module: shop.orders", "2: module shop.orders has no function 'place'"),
        (
            "place",
            "{module: shop.orders, class: Order}",
            "5: module shop.orders has no class 'Order' (did you mean Orders?)",
        ),
        (
            "cancl@eu",
            "{module: shop.orders, class: Orders}",
            "2: class Orders of shop.orders has no method 'cancl' (did you mean cancel?)",
        ),
        (
            "placed",
            "{module: shop.orders, class: Orders}",
            "2: class Orders of shop.orders has no method 'placed' (did you mean place?)",
        ),
        (
            "stock",
            "{module: shop.orders, class: Late}",
            "2: class Late of shop.orders has no method 'stock'",
        ),
        (
            "sell",
            "call: shop.ordrs:Orders.place",
            "4: there is no module shop.ordrs (did you mean shop.orders?)",
        ),
        (
            "sell",
            "call: shop.orders:Order.place",
            "4: module shop.orders has no class 'Order' (did you mean Orders?)",
        ),
        (
            "sell",
            "call: shop.orders:Orders.plac",
            "4: class Orders of shop.orders has no method 'plac' (did you mean place?)",
        ),
        (
            "sell",
            "call: shop.orders:stok",
            "4: module shop.orders has no function 'stok' (did you mean stock?)",
        ),
    ],
)
def test_what_is_not_in_the_sources_is_an_error(
    check: Check, function: str, fields: str, complaint: str
) -> None:
    """The line is that of the module, the class or the function's name."""
    lines = fields.strip("{}").replace(", ", "\n    ")
    assert check(lines, function) == [complaint]


@pytest.mark.parametrize(
    ("function", "fields"),
    [
        ("stock", "module: shop.orders"),
        ("sell", "call: shop.orders:stock"),
        ("sell", "call: shop.orders:Orders.place"),
        ("prices", "module: shop.orders"),
        ("stock", "module: shop"),
        ("place", "module: shop.orders\n    class: Orders"),
        ("cancel", "module: shop.orders\n    class: Orders"),
        ("patched", "module: shop.orders\n    class: Orders"),
        ("refund", "module: shop.orders\n    class: Late"),
        ("it", "module: nothing.here\n    lambda: arn:aws:lambda:eu-west-1:000000000000:function:other"),
    ],
)
def test_what_is_in_the_sources_or_in_another_lambda_is_fine(
    check: Check, function: str, fields: str
) -> None:
    """Inherited, re-exported, assigned and conditional names are there."""
    assert check(fields, function) == []


@pytest.mark.parametrize(
    "source",
    [
        "from .orders import *",
        "def __getattr__(name): ...",
        "globals().update(it=print)",
        "import sys\nsys.modules[__name__].it = print",
        "def setup():\n    global it",
        "for it in (print,): pass",
        "(it := print)",
        "from .orders import stock as it",
        "it: object = print",
        "type it = int",
        "a, *it = print, print",
        "try:\n    import it\nexcept ImportError:\n    it = None",
        "this is no Python",
    ],
)
def test_names_that_a_module_may_make_are_left_alone(check: Check, source: str) -> None:
    """What only running the module would show is no error."""
    assert check("module: shop.more", files={"shop/more.py": source}) == []


@pytest.mark.parametrize(
    "source",
    [
        "from elsewhere import Thing",
        "Thing = make()",
        "class Thing(elsewhere.Base): ...",
        "class Thing(Base): ...",
        "from elsewhere import Base\nclass Thing(Base): ...",
        "from elsewhere import Base\nclass Middle(Base): ...\nclass Thing(Middle): ...",
        "class Thing(metaclass=Meta): ...",
        "@registered\nclass Thing: ...",
        "class Thing:\n    for name in 'it', 'that':\n        locals()[name] = print",
        "class Thing: ...\nfor name in 'it', 'that':\n    setattr(Thing, name, print)",
        "class Thing: ...\nThing = extended(Thing)",
        "class Thing: ...\nclass Thing(Thing): ...",
        "try:\n    from elsewhere import Thing\nexcept ImportError:\n    class Thing: ...",
        "class Thing:\n    def __getattr__(self, name): ...",
        "class Thing:\n    @property\n    def it(self): ...",
    ],
)
def test_methods_that_a_class_may_get_are_left_alone(check: Check, source: str) -> None:
    """A base class, metaclass, decorator or assignment may bring them."""
    assert check("module: shop.more\n    class: Thing", files={"shop/more.py": source}) == []


@pytest.mark.parametrize("name", ["asyncio.tasks", "click.core", "json.decoder", "silvaengine_cli.main"])
def test_what_a_module_has_once_it_is_imported_is_in_its_source(name: str) -> None:
    """Whatever the worker would find is never missing."""
    module = import_module(name)
    definitions = read_definitions(Path(str(module.__file__)).with_suffix(""))
    assert definitions
    assert _routines(module) <= (definitions.members() or set())
    for class_name in (each for each, value in vars(module).items() if isinstance(value, type)):
        methods = definitions.methods(class_name)
        assert methods is None or _routines(getattr(module, class_name)) <= methods


def _routines(owner: object) -> set[str]:
    """Return the names of what the worker could call."""
    return {name for name in dir(owner) if not name.startswith("_") and isroutine(getattr(owner, name))}


def test_modules_that_a_package_may_make_are_left_alone(check: Check) -> None:
    """A package may find its modules elsewhere, or they may be compiled."""
    assert check("module: shop.fast", files={"shop/fast.cpython-313-x86_64-linux-gnu.so": ""}) == []
    assert check("module: shop.far", files={"shop/__init__.py": "__path__.append('/mnt')"}) == []


def test_packages_of_requirements_are_not_beside_the_file(check: Check) -> None:
    """A known one is fine; as long as one has a name that isn't known, a missing package is a warning."""
    assert check("module: shopping.cart", files={"requirements.txt": "shopping\n"}) == []
    assert check("module: bs4.element", files={"requirements.txt": "beautifulsoup4\n"}) == []
    unknown = "4: package 'shopp' is neither beside this file nor known to come with requirements.txt"
    for requirement in ("git+https://example.com/shopp", "-r absent.txt"):
        complaints = check("module: shopp", files={"requirements.txt": requirement})
        assert complaints == [f"{unknown} (did you mean shop?)"]


def test_a_file_without_packages_beside_it_is_not_compared(tmp_path: Path, check: Check) -> None:
    """A registry that is applied from elsewhere says nothing about the worker's artefact."""
    text = "functions:\n  it: {module: shpo, area: core}\n"
    check("module: shop", function="stock")
    (tmp_path / "registry.yaml").write_text(text)
    assert load(tmp_path / "registry.yaml").warnings == ()
    alone = tmp_path / "alone/services/worker/functions"
    alone.mkdir(parents=True)
    (alone / "registry.yaml").write_text(text)
    assert load(alone / "registry.yaml").warnings == ()


def test_apply_and_diff_refuse_it_too(check: Check, tmp_path: Path) -> None:
    """Nothing is read or written before the file is as it should be."""
    check("module: shpo")
    path = tmp_path / "services/worker/functions/registry.yaml"
    for command in ("apply", "diff"):
        result = CliRunner().invoke(cli, [command, "-f", str(path)])
        assert result.exit_code == 1
        assert result.output.startswith(f"{path}:4: functions.it.module: package 'shpo' is not beside")
