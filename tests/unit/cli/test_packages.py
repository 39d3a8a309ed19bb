"""What packages say about themselves and rely on, read without running them."""

import json
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


def test_a_package_that_is_not_there_is_named(tmp_path: Path) -> None:
    """It is neither a folder nor a module of the packages' folder."""
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
    ],
)
@pytest.mark.parametrize("options", [(), ("--yaml",)])
def test_a_package_that_cannot_be_taken_over_is_named_in_one_line(
    tmp_path: Path, source: str, complaint: str, options: tuple[str, ...]
) -> None:
    """Whatever is wrong, there is no traceback, and no file that `validate` refuses."""
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


def test_doctor_has_findings_first_and_notes_when_asked(folder: Path) -> None:
    """What a package has in several places is a line with their number; notes come after the findings."""
    (folder / "shop/more.py").write_text("import no_such_library.a, no_such_library.b\nparams['order_id']\n")
    findings = run("doctor", "--packages", folder).stdout.splitlines()
    assert findings[0].startswith("shop/__init__.py:2: imports no_such_library, ")
    assert findings[0].endswith("to requirements.txt (1 more like it)")
    assert findings[-1] == "2 notes on settings and parameters: --notes shows them"
    assert not [line for line in findings if ": note:" in line]
    assert run("doctor", "--packages", folder, "--notes").stdout.splitlines() == [
        *findings[:-1],
        "shop/__init__.py:20: note: reads setting 'region_name'",
        "shop/__init__.py:21: note: reads parameter 'order_id' (1 more like it)",
    ]


def test_notes_are_no_findings(tmp_path: Path) -> None:
    """A package that only reads settings is well, and the command's status says so."""
    (tmp_path / "shop.py").write_text("setting['region_name']\n")
    done = run("doctor", "--packages", tmp_path, "--notes")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[1:] == ["shop.py:1: note: reads setting 'region_name'"]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (
            "import silvaengine_utility.serializer",
            "imports silvaengine_utility.serializer, which this system",
        ),
        ("from silvaengine_utility.a.b import c", "imports silvaengine_utility.a.b, which this system"),
        ("from silvaengine_base.lambdabase import X", "silvaengine_base.lambdabase.X is not offered"),
        ("import shop.nothing", "imports shop.nothing, which"),
        ("from shop.models.nothing import x", "imports shop.models.nothing, which"),
        ("from .nothing import x", "imports shop.nothing, which"),
        ("from .models.nothing import x", "imports shop.models.nothing, which"),
        ("from ..shop import x", "imports ..shop, which is outside of its package"),
        ("import other.x", "imports other.x, which"),
    ],
)
def test_doctor_names_submodules_that_are_missing(tmp_path: Path, line: str, complaint: str) -> None:
    """Those of the framework and of the packages themselves are looked for, too."""
    (tmp_path / "shop/models").mkdir(parents=True)
    (tmp_path / "shop/models/cart.py").touch()
    (tmp_path / "other.py").touch()
    (tmp_path / "shop/__init__.py").write_text(f"\n{line}\n")
    done = run("doctor", "--packages", tmp_path)
    assert done.exit_code == 1
    assert done.stdout.startswith(f"shop/__init__.py:2: {complaint}")


def test_doctor_finds_submodules_that_exist(tmp_path: Path) -> None:
    """Modules, folders, extension modules and the framework's modules are there, and so is `*`."""
    (tmp_path / "shop/models").mkdir(parents=True)
    for name in ("__init__.py", "models/cart.py", "fast.cpython-313-x86_64-linux-gnu.so"):
        (tmp_path / "shop" / name).touch()
    (tmp_path / "other.py").write_text(
        "import shop.models.cart, shop.fast, os.path\n"
        "from silvaengine_utility import *\n"
        "from silvaengine_utility import json_text, Utility\n"
        "from silvaengine_base.lambdabase import LambdaBase\n"
    )
    (tmp_path / "shop/models/order.py").write_text(
        "from . import cart\nfrom .. import models\nfrom ..fast import x\n"
    )
    done = run("doctor", "--packages", tmp_path)
    assert (done.exit_code, done.stdout.count("\n")) == (0, 1)


ENCODED = {
    "byte-order mark": "# Grüße\n".encode("utf-8-sig"),
    "declared": "# coding: latin-1\n# Grüße\n".encode("latin-1"),
    "declared after a shebang": "#!/usr/bin/python\n# -*- coding: cp1252 -*-\n# Grüße\n".encode("cp1252"),
}


@pytest.mark.parametrize("start", ENCODED.values(), ids=ENCODED)
def test_sources_in_any_encoding_that_python_takes(tmp_path: Path, start: bytes) -> None:
    """PEP 263: a byte-order mark or a declaration names the encoding."""
    (tmp_path / "shop.py").write_bytes(start + b"def deploy():\n    return [{'functions': {'order': {}}}]\n")
    assert run("doctor", "--packages", tmp_path).exit_code == 0
    assert list(functions_of("shop", "core", read_metadata(tmp_path, "shop"))) == ["order"]


@pytest.mark.parametrize("start", [b"'\xe9'\n", b"# coding: nothing\n"])
def test_sources_in_another_encoding_are_named(tmp_path: Path, start: bytes) -> None:
    """What Python wouldn't take is a finding, and no traceback."""
    (tmp_path / "shop.py").write_bytes(start)
    assert run("doctor", "--packages", tmp_path).stdout.startswith("shop.py:1: can't be read: ")
    done = run("import", "shop", "--folder", tmp_path, "--yaml")
    assert (done.exit_code, done.output.count("\n")) == (1, 1)
    assert "shop.py:1: " in done.output


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
        done = run("doctor", "--packages", packages / folder, "--notes")
        assert (done.exit_code, "note: reads setting" in done.stdout) == (0, True)


def test_doctor_accepts_a_package_with_its_requirements(folder: Path) -> None:
    """A package whose requirements are listed and whose names are offered passes, in any spelling."""
    (folder / "shop/__init__.py").write_text("import graphql, yaml, jwt, google.genai, no_such_library\n")
    (folder / "requirements.txt").write_text("Graphene==2.1.9\nPyJWT\ngoogle-genai\nno-such.library>=1\n")
    (folder / "shop/tests").mkdir()
    for name in ("test_shop.py", "conftest.py", "shop/test_order.py", "shop/tests/helper.py"):
        (folder / name).write_text("import a_library_of_tests_alone\n")
    done = run("doctor", "--packages", folder)
    assert (done.exit_code, done.stdout) == (0, f"{folder}: all is well: nothing would fail when deployed\n")


def test_doctor_reads_requirements_as_an_installer_does(tmp_path: Path) -> None:
    """Names are found in included files, beside options, in URLs and on continued lines."""
    (tmp_path / "more").mkdir()
    (tmp_path / "more/list.txt").write_text("-r ../last.txt\nin_more[fast]; python_version > '3'\n")
    (tmp_path / "last.txt").write_text("in_last")
    (tmp_path / "requirements.txt").write_text(
        "\ufeff# no_comment \\\n-r more/list.txt  # included\n"
        "--requirement=last.txt\n-c no_constraint.txt\n"
        "hashed==1 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
        "named @ git+ssh://git@example.com/x.git@main\n"
        "git+ssh://git@example.com/y.git@main#egg=In_Fragment&subdirectory=y\n"
        "-e git+https://example.com/z.git#subdirectory=z&egg=editable\n"
        "./wheels/in_wheel-1.0-py3-none-any.whl\n--extra-index-url https://example.com/no_index\n",
        encoding="utf-8",
    )
    names = ["in_more", "in_last", "hashed", "named", "in_fragment", "editable", "in_wheel"]
    (tmp_path / "shop.py").write_text(f"import {', '.join(names)}\n")
    assert run("doctor", "--packages", tmp_path).exit_code == 0
    (tmp_path / "shop.py").write_text("import no_comment, no_constraint, no_index\n")
    assert len(run("doctor", "--packages", tmp_path).stdout.splitlines()) == 3


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"-r nothing.txt\n", "No such file or directory"),
        (b"-r requirements.txt\n", "recursion"),
        ("six\n".encode("utf-16"), "can't decode byte"),
    ],
)
def test_requirements_that_cannot_be_read_are_named(tmp_path: Path, content: bytes, complaint: str) -> None:
    """Doctor goes on with the packages."""
    (tmp_path / "requirements.txt").write_bytes(content)
    (tmp_path / "shop.py").write_text("import pandas\n")
    first, second = run("doctor", "--packages", tmp_path).stdout.splitlines()
    assert first.startswith("requirements.txt:1: can't be read: ")
    assert complaint in first
    assert second.startswith("shop.py:1: imports pandas")


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
