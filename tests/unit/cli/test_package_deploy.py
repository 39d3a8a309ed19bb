"""A package's deploy() that has to be called: its requirements are there, the caller's secrets are not."""

from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml
from click.testing import CliRunner, Result

from silvaengine_cli.main import cli
from silvaengine_cli.packages import deploying

pytestmark = pytest.mark.slow  # each starts a process


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def run_import(folder: Path, source: str) -> Result:
    """Print the registry file of a package."""
    (folder / "shop.py").write_text(source)
    return CliRunner().invoke(cli, ["import", "shop", "--folder", str(folder), "--yaml"])


def functions(done: Result) -> list[str]:
    """Return the functions in the registry file that was printed."""
    assert done.exit_code == 0, done.output
    return list(yaml.safe_load(done.stdout)["functions"])


def wheel(folder: Path, name: str, source: str, *requirements: str) -> Path:
    """Make a distribution of one module."""
    path = folder / f"{name}-0.1-py3-none-any.whl"
    required = "".join(f"Requires-Dist: {each}\n" for each in requirements)
    files = {
        f"{name}.py": source,
        f"{name}-0.1.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1\n{required}",
        f"{name}-0.1.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{name}-0.1.dist-info/RECORD": "",
    }
    with ZipFile(path, "w") as archive:
        for place, text in files.items():
            archive.writestr(place, text)
    return path


def test_deploy_finds_the_requirements_of_its_package(tmp_path: Path) -> None:
    """They come before what the command itself has, and the framework's own packages are there already."""
    required = wheel(tmp_path, "click", "NAME = 'order'", "SilvaEngine-Utility>=0.0.1")
    (tmp_path / "requirements.txt").write_text(f"silvaengine_base\n{required}\n")
    (tmp_path / "neighbour.py").write_text("from silvaengine_utility import Utility")
    source = "import click, neighbour\ndef deploy():\n    return [{'functions': {click.NAME: {}}}]\n"
    assert functions(run_import(tmp_path, source)) == ["order"]


def test_requirements_are_kept_for_the_next_call(tmp_path: Path) -> None:
    """They aren't fetched again, and what is no longer required is gone."""
    found = wheel(tmp_path, "shop_lib", "NAME = 'order'")
    (tmp_path / "requirements.txt").write_text(f"--no-index\n--find-links {tmp_path}\nshop-lib==0.1\n")
    source = "import shop_lib\ndef deploy():\n    return [{'functions': {shop_lib.NAME: {}}}]\n"
    assert functions(run_import(tmp_path, source)) == ["order"]
    found.unlink()
    assert functions(run_import(tmp_path, source)) == ["order"]
    (tmp_path / "requirements.txt").write_text("# nothing\n")
    assert "No module named 'shop_lib'" in run_import(tmp_path, source).output


def test_deploy_has_no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is foreign code: neither boto3 nor a look at the environment finds what the operator has."""
    (tmp_path / ".aws").mkdir()
    profile = "[default]\naws_access_key_id = file\naws_secret_access_key = file\n"
    (tmp_path / ".aws/credentials").write_text(profile)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, "a secret of the operator")
    source = """
import boto3, os
def deploy():
    secrets = [value for value in os.environ.values() if "secret of" in value]
    found = bool(secrets or boto3.Session().get_credentials())
    boto3.client("dynamodb")  # which needs a region
    return [{"functions": {f"found_{found}": {}}}]
"""
    assert functions(run_import(tmp_path, source)) == ["found_False"]


def test_what_deploy_prints_is_not_in_the_registry_file(tmp_path: Path) -> None:
    """Its standard output is its own."""
    source = "print('hello')\ndef deploy():\n    return [{'functions': dict.fromkeys(['order'], {})}]\n"
    assert functions(run_import(tmp_path, source)) == ["order"]


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("import no_such_library\n", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("x = 1\n", "AttributeError: module 'shop' has no attribute 'deploy'"),
        ("def deploy():\n    return {[]: 1}\n", "TypeError: "),
        ("import os\ndef deploy():\n    return os.environ['NOPE']\n", "KeyError: 'NOPE'"),
        ("1 / 0\n", "ZeroDivisionError: division by zero"),
        ("raise SystemExit('no .env')\n", "SystemExit: no .env"),
        ("def deploy():\n    return object()\n", "TypeError: "),
        ("import os\nos._exit(3)\n", "its process ended with status 3"),
    ],
)
def test_a_deploy_that_fails_is_named_in_one_line(tmp_path: Path, source: str, complaint: str) -> None:
    """There is no traceback of the command, whatever the package does."""
    done = run_import(tmp_path, source)
    assert (done.exit_code, done.output.count("\n")) == (1, 1)
    assert done.output.startswith(f"Error: deploy() of shop can't be called here: {complaint}")


def test_a_deploy_that_never_ends_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command doesn't hang with it."""
    monkeypatch.setattr(deploying, "SECONDS", 1)
    done = run_import(tmp_path, "while True: pass\n")
    assert (done.exit_code, done.output) == (
        1,
        "Error: deploy() of shop can't be called here: it takes more than 1 s\n",
    )


def test_requirements_that_cannot_be_had_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has the file, and the installer's own words about the index that it couldn't reach."""
    for name, value in {"DEFAULT_INDEX": "http://127.0.0.1:9/simple", "HTTP_RETRIES": "0"}.items():
        monkeypatch.setenv(f"UV_{name}", value)
    (tmp_path / "requirements.txt").write_text("a-library-of-the-shop\n")
    done = run_import(tmp_path, "def deploy():\n    return list(())\n")
    assert done.exit_code == 1
    assert done.output.startswith(f"Error: {tmp_path}/requirements.txt can't be installed:\n")
    assert "http://127.0.0.1:9/simple/a-library-of-the-shop/" in done.output
