"""What `silvaengine new` makes."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from silvaengine_cli.main import cli
from silvaengine_cli.project import Project

CLONE = Path(__file__).parents[3]

type Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(cli, arguments)


@pytest.mark.slow  # a signature is read in a process of its own
def test_it_makes_an_application_with_two_stages(run: Run, tmp_path: Path) -> None:
    """Its file is read without a word, and each file is one that a newcomer reads in a minute."""
    made = run("new", "my-app", "--region", "eu-central-1")
    assert made.exit_code == 0, made.output
    project = Project.find(tmp_path / "my-app")
    assert (project.stack, project.region, [*project.stages]) == ("my-app", "eu-central-1", ["dev", "prod"])
    files = [path for path in (tmp_path / "my-app").rglob("*") if path.is_file()]
    assert max(len(path.read_text().splitlines()) for path in files) < 50
    assert run("validate", "-f", "my-app/registry.yaml").exit_code == 0
    assert run("validate", "-f", "my-app/packages/hello/package.yaml").exit_code == 0


def test_nothing_is_overwritten_and_a_name_is_a_stacks(run: Run, tmp_path: Path) -> None:
    """A second one of the same name is refused as a whole, and so is a name that no stack may have."""
    run("new", "shop")
    (tmp_path / "shop/registry.yaml").write_text("mine")
    assert "exists already; nothing was written" in run("new", "shop").output
    assert (tmp_path / "shop/registry.yaml").read_text() == "mine"
    assert "letters, digits and '-', a letter first" in run("new", "my_app").output
    assert "is not a package's name" in run("new", "other", "--package", "my_app").output
    assert not (tmp_path / "other").exists()


def test_another_package_is_opened_by_its_registry(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """`packages new` adds to the registry that was made."""
    run("new", "shop", "--package", "orders")
    monkeypatch.chdir("shop")
    assert run("packages", "new", "stock").exit_code == 0
    (connection,) = yaml.safe_load(Path("registry.yaml").read_text())["connections"]
    assert connection == {"packages": ["orders", "stock"]}
    assert [path.name for path in sorted(Path("packages").iterdir())] == ["orders", "stock"]


def test_its_workflow_uses_the_actions_that_ours_use(run: Run, tmp_path: Path) -> None:
    """They are pinned by commit, and those that both use at the same one."""
    run("new", "shop")
    text = (tmp_path / "shop/.github/workflows/ci.yml").read_text()
    assert yaml.safe_load(text)["jobs"]["publish"]["permissions"] == {"contents": "read", "id-token": "write"}
    assert "$" + "{{ vars.PUBLISHER_ROLE }}" in text
    used = re.findall("uses: (.+)", text)
    ours = (CLONE / ".github/workflows/ci.yml").read_text()
    assert all(each in ours for each in used if each.startswith("actions/"))
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v[\d.]+", each) for each in used)


@pytest.mark.slow
def test_its_tests_pass_as_they_were_written(run: Run, tmp_path: Path) -> None:
    """Pytest finds the fixture `invoke` and the package."""
    run("new", "shop")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path / "shop", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
