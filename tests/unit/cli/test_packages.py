"""What packages say about themselves and rely on, read without running them."""

import json
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from silvaengine_cli.main import cli
from silvaengine_cli.packages.metadata import functions_of, read_metadata
from silvaengine_cli.registry.file import parse

DEPLOY = """
import no_such_library
from silvaengine_utility import Utility, Serializer


def deploy():
    return [{"service": "Shop", "class": "Shop", "functions": {
        "order": {"is_static": False, "label": "Order", "query": [{"action": "orders", "label": "o"}],
                  "mutation": [{"action": "pay", "label": "p"}], "delete": [{"action": "drop", "label": "d"}],
                  "type": "Event", "support_methods": ["POST"], "is_auth_required": True, "is_graphql": False,
                  "settings": "shop_settings"},
        "ping": {"support_methods": []}}}]


class Shop:
    def __init__(self, logger, **setting):
        self.setting = setting

    def order(self, **params):
        Utility.json_dumps(self.setting["region_name"])
        return Utility.json_dump(params.get("order_id"))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one package."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/__init__.py").write_text(DEPLOY)
    return tmp_path


def run(*arguments: str | Path) -> Result:
    """Run the command."""
    return CliRunner().invoke(cli, [str(each) for each in arguments])


def test_metadata_becomes_functions(folder: Path) -> None:
    """They are read from the source, without the package's requirements; defaults are the contract's."""
    functions = functions_of("shop", "core", read_metadata(folder, "shop"))
    order, ping = functions["order"], functions["ping"]
    assert (order.module, order.class_name, order.type, order.methods) == ("shop", "Shop", "Event", ("POST",))
    assert (order.settings, order.auth_required, order.graphql) == ("shop_settings", True, False)
    assert (order.operations.query, order.operations.mutation) == (("orders",), ("pay", "drop"))
    assert (ping.type, ping.methods, ping.settings) == ("RequestResponse", ("POST", "GET"), "shop")
    assert (ping.auth_required, ping.graphql) == (False, True)


def test_computed_metadata_is_returned_by_a_call(tmp_path: Path) -> None:
    """A deploy() that is more than data is called; a missing requirement is named."""
    (tmp_path / "computed.py").write_text("N = 'f'\n\n\ndef deploy():\n    return [{'functions': {N: {}}}]\n")
    assert list(functions_of("computed", "core", read_metadata(tmp_path, "computed"))) == ["f"]
    (tmp_path / "lacking.py").write_text("import no_such_library\n")
    with pytest.raises(click.ClickException, match="no_such_library"):
        read_metadata(tmp_path, "lacking")
    with pytest.raises(click.ClickException, match="no package 'nothing'"):
        read_metadata(tmp_path, "nothing")


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("def deploy(:\n", "broken.py:1: invalid syntax"),
        ("x = 1\n\0", "broken.py:1: source code string cannot contain null bytes"),
        ("def deploy():\n    return [{'class': 'C'}]\n", "deploy(): 0.functions: Field required"),
        ("def deploy():\n    return {'class': 'C'}\n", "deploy(): Input should be a valid list"),
        ("def deploy():\n    return [{'functions': {'f': {'query': ['q']}}}]\n", "functions.f.query.0: "),
        ("def deploy():\n    return [{'functions': {'f': {'support_methods': 1}}}]\n", "'f': methods: "),
        ("def deploy():\n    return [{'functions': {'my-func': {}}}]\n", "'my-func' must be a Python name"),
        ("def deploy():\n    return [{'functions': {'job_status': {}}}]\n", "'job_status' is reserved"),
        ("def deploy():\n    return {[]: 1}\n", "can't be called here: TypeError: "),
        ("import os\ndef deploy():\n    x = os.environ['NOPE']\n    return [x]\n", "KeyError: 'NOPE'"),
        ("1 / 0\ndef deploy():\n    return x\n", "ZeroDivisionError"),
    ],
)
@pytest.mark.parametrize("options", [(), ("--yaml",)])
def test_a_package_that_cannot_be_taken_over_is_named_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, complaint: str, options: tuple[str, ...]
) -> None:
    """Whatever is wrong, there is no traceback, and no file that `validate` refuses."""
    monkeypatch.delitem(sys.modules, "broken", raising=False)
    (tmp_path / "broken.py").write_text(source)
    done = run("import", "broken", "--folder", tmp_path, *options, "--table-prefix", "x-")
    assert (done.exit_code, done.output.count("\n")) == (1, 1)
    assert done.output.startswith("Error: ")
    assert complaint in done.output


@pytest.mark.parametrize("endpoint", ["1", "acme"])
def test_import_can_print_a_registry_file(folder: Path, endpoint: str) -> None:
    """With its settings filled in it is a valid registry file, without a whitelist; no server is asked."""
    done = run("import", "shop", "--folder", folder, "--endpoint", endpoint, "--yaml")
    spec = parse(done.stdout.replace(": {}", ": {region_name: us-east-1}").encode()).spec
    assert set(spec.functions) == {"order", "ping"}
    (connection,) = spec.connections
    assert (connection.endpoint, connection.whitelist) == (endpoint, None)
    assert [entry.function for entry in connection.functions] == ["order", "ping"]


def test_import_needs_a_package_or_a_worker(folder: Path) -> None:
    """Neither or both is a wrong command line."""
    assert run("import").exit_code == 2
    assert run("import", "shop", "--remap", "old").exit_code == 2


def test_doctor_names_what_would_fail(folder: Path) -> None:
    """It has file and line of unknown imports, names that don't exist, and settings and parameters read."""
    done = run("doctor", "--packages", folder)
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert "shop/__init__.py:2: imports no_such_library" in done.stdout
    assert ": add the line `no_such_library` to requirements.txt" in done.stdout
    assert "shop/__init__.py:3: silvaengine_utility.Serializer is not offered by this system" in lines
    assert "shop/__init__.py:21: Utility.json_dump is not offered by this system" in lines
    assert "shop/__init__.py:20: note: reads setting 'region_name'" in lines
    assert "shop/__init__.py:21: note: reads parameter 'order_id'" in lines


def test_doctor_names_what_the_worker_would_refuse(tmp_path: Path) -> None:
    """It names private names, folders that aren't packages, and packages with reserved names."""
    (tmp_path / "private.py").write_text(
        "def deploy():\n    return [{'class': '_Shop', 'functions': {'_order': {}}}]\n"
    )
    (tmp_path / "loose").mkdir()
    (tmp_path / "loose/x.py").touch()
    (tmp_path / "silvaengine_utility").mkdir()
    (tmp_path / "redis.py").touch()
    (tmp_path / "broken.py").write_text("def (")
    found = json.loads(run("doctor", "--packages", tmp_path, "--json").stdout)
    words = {(each["path"], each["message"].partition(":")[0]) for each in found if each["wrong"]}
    assert words == {
        ("private.py", "'_Shop' is private or not a plain name"),
        ("private.py", "'_order' is private or not a plain name"),
        ("loose", "has no __init__.py"),
        ("silvaengine_utility", "has the name of a package of the layer or Lambda"),
        ("redis.py", "has the name of a package of the layer or Lambda"),
        ("broken.py", "can't be read"),
    }


def test_packages_that_run_have_nothing_wrong() -> None:
    """Doctor accepts what the end-to-end tests deploy."""
    packages = Path(__file__).parents[2] / "e2e/packages"
    for folder in ("functions", "authorizers"):
        done = run("doctor", "--packages", packages / folder)
        assert (done.exit_code, "note: reads setting" in done.stdout) == (0, True)


def test_doctor_accepts_a_package_with_its_requirements(folder: Path) -> None:
    """A package whose requirements are listed and whose names are offered passes, in any spelling."""
    (folder / "shop/__init__.py").write_text("import graphql, yaml, jwt, no_such_library\n")
    (folder / "requirements.txt").write_text("Graphene==2.1.9\nPyJWT\nno-such.library>=1\n")
    (folder / "shop/tests").mkdir()
    for name in ("test_shop.py", "conftest.py", "shop/test_order.py", "shop/tests/helper.py"):
        (folder / name).write_text("import a_library_of_tests_alone\n")
    done = run("doctor", "--packages", folder)
    assert (done.exit_code, done.stdout) == (0, f"{folder}: all is well: nothing would fail when deployed\n")


def test_validate_names_the_line_to_add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An import that the worker's requirements lack is named with the distribution that has it."""
    folder = tmp_path / "services/worker/functions"
    folder.mkdir(parents=True)
    (folder / "registry.yaml").write_text("endpoints: {demo: }\n")
    (folder / "shop.py").write_text("import json, jwt, pandas\n")
    monkeypatch.chdir(tmp_path)
    done = run("validate")
    assert done.exit_code == 0
    assert "shop.py:1: imports jwt," in done.output
    assert "add the line `pyjwt` to requirements.txt" in done.output
    assert "add the line `pandas` to requirements.txt" in done.output
    missing = json.loads(run("validate", "--json").stdout)["missing_requirements"]
    assert [each["path"] for each in missing] == ["shop.py", "shop.py"]
