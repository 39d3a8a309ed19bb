import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from silvaengine_cli.main import cli
from silvaengine_cli.registry.file import load

type Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(cli, arguments)


def test_init_makes_a_package_a_test_and_a_registry(run: Run, tmp_path: Path) -> None:
    """A first function is one command away, and its registry is valid."""
    result = run("init", "shop")
    assert result.exit_code == 0, result.output
    assert "silvaengine invoke demo greet --param name=Ada --local" in result.output
    spec = load(tmp_path / "registry.yaml").spec
    greet = spec.functions["greet"]
    assert (greet.module, greet.class_name, greet.keep_empty) == ("shop", "Shop", True)
    assert run("validate").exit_code == 0
    compile((tmp_path / "shop/__init__.py").read_text(), "shop", "exec")
    assert 'invoke("greet"' in (tmp_path / "test_shop.py").read_text()


def test_init_works_in_the_workers_folder_where_there_is_one(run: Run, tmp_path: Path) -> None:
    """In a checkout of the project the package goes where it ships from."""
    functions = tmp_path / "services/worker/functions"
    functions.mkdir(parents=True)
    assert run("init", "shop").exit_code == 0
    assert sorted(path.name for path in functions.iterdir()) == ["registry.yaml", "shop", "test_shop.py"]
    assert run("validate").exit_code == 0


def test_a_second_package_joins_the_registry(run: Run, tmp_path: Path) -> None:
    """Its function gets a name of its own, and everything before it stays."""
    run("init", "shop")
    assert run("init", "web_shop").exit_code == 0
    functions = load(tmp_path / "registry.yaml").spec.functions
    assert {name: it.class_name for name, it in functions.items()} == {
        "greet": "Shop",
        "greet_web_shop": "WebShop",
    }


def test_nothing_is_overwritten(run: Run, tmp_path: Path) -> None:
    """A package, a test or settings of that name end the command before it writes."""
    run("init", "shop")
    before = (tmp_path / "registry.yaml").read_bytes()
    assert "has settings 'shop' already" in run("init", "shop").output
    (tmp_path / "test_other.py").touch()
    refused = run("init", "other")
    assert refused.exit_code == 1
    assert "test_other.py: exists already; nothing was written" in refused.output
    assert (tmp_path / "registry.yaml").read_bytes() == before
    assert not (tmp_path / "other").exists()


def test_a_registry_that_lines_cannot_be_added_to_is_explained(run: Run, tmp_path: Path) -> None:
    """The package is made, the file stays, and the entry is printed to be pasted."""
    text = "---\nfunctions:\n...\n"
    (tmp_path / "registry.yaml").write_text(text)
    result = run("init", "shop")
    assert result.exit_code == 0
    assert "add these yourself" in result.output
    assert "    methods: [GET, POST]" in result.output
    assert (tmp_path / "registry.yaml").read_text() == text


@pytest.mark.parametrize(
    "name",
    [
        "Shop",
        "7up",
        "my-shop",
        "class",
        "json",
        "silvaengine",
        "../x",
        "redis",
        "msgspec",
        "boto3",
        "urllib3",
        "silvaengine_http",
    ],
)
def test_names_that_cannot_be_packages_are_refused(run: Run, tmp_path: Path, name: str) -> None:
    """Neither a broken name nor one that would hide a module of Python's, Lambda's or ours."""
    assert run("init", name).exit_code == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow  # a signature is read in a process of its own
def test_a_new_package_is_valid_and_listed(run: Run, tmp_path: Path) -> None:
    """Its functions are in its sources, and a second one joins the connection."""
    for name in ("shop", "depot"):
        result = run("packages", "new", name)
        assert result.exit_code == 0, result.output
        assert run("validate", "-f", f"packages/{name}/package.yaml").exit_code == 0
    assert "silvaengine invoke demo greet_depot --param name=Ada --local" in result.output
    spec = load(tmp_path / "registry.yaml").spec
    assert [entry.package for entry in spec.connections[0].packages] == ["shop", "depot"]


@pytest.mark.parametrize("name", ["Shop", "web_shop", "averylongname", "json", "redis", "class"])
def test_names_that_packages_cannot_have_are_refused(run: Run, tmp_path: Path, name: str) -> None:
    """By the rule of package.yaml, and of modules: it is both."""
    assert run("packages", "new", name).exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_a_package_is_not_overwritten(run: Run, tmp_path: Path) -> None:
    """Nor is the registry written."""
    run("packages", "new", "shop")
    before = (tmp_path / "registry.yaml").read_bytes()
    assert "exists already; nothing was written" in run("packages", "new", "shop").output
    assert (tmp_path / "registry.yaml").read_bytes() == before


@pytest.mark.slow
def test_a_new_packages_test_passes(run: Run, tmp_path: Path) -> None:
    """Where its author runs it: in the project's folder."""
    run("packages", "new", "shop")
    command = [sys.executable, "-m", "pytest", "-q", "packages/shop"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
