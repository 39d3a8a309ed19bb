import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import silvaengine_cli
from silvaengine_cli.deployment import Deployment, read_local_deployment
from silvaengine_cli.main import cli

COMMANDS = (
    "init",
    "dev",
    "validate",
    "diff",
    "apply",
    "announce",
    "export",
    "list",
    "show",
    "invoke",
    "ws",
    "destroy",
)
TRY = """\
try:
    main()
finally:
    assert not {"boto3", "botocore"} & sys.modules.keys()
"""


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(command: str) -> None:
    """A newcomer sees what to type."""
    result = CliRunner().invoke(cli, [command, "--help"])
    assert result.exit_code == 0
    examples = result.output.partition("  Examples:\n")[2].partition("\nOptions:")[0].splitlines()
    assert all(line.startswith("    silvaengine ") for line in examples if line)
    assert f"    silvaengine {command}" in "\n".join(examples)


def test_help_lists_every_command_and_a_wrong_one_is_a_usage_error() -> None:
    """Exit code 2 tells a mistyped line from a failure."""
    listed = CliRunner().invoke(cli, ["--help"]).output
    assert all(f"  {command} " in listed for command in COMMANDS)
    assert "..." not in listed.partition("Commands:")[2]
    assert CliRunner().invoke(cli, ["aply"]).exit_code == 2


@pytest.mark.slow
def test_help_is_quick() -> None:
    """boto3, slower to import than all else, isn't imported until a command contacts a server."""
    program = (
        f"from silvaengine_cli.main import main; import sys; sys.argv = ['silvaengine', '--help']\n{TRY}"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_without_its_extra_it_says_what_to_install() -> None:
    """The wheel alone has the command, but not its requirements."""
    folder = str(Path(silvaengine_cli.__file__).parents[1])
    program = f"import sys; sys.path.insert(0, {folder!r}); import silvaengine_cli.main"
    done = subprocess.run([sys.executable, "-ISc", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        1,
        "the command needs an extra: pip install 'silvaengine-base[cli]'\n",
    )


def test_validate_prints_every_problem_and_fails(tmp_path: Path) -> None:
    """It prints a line for each, or one JSON object; both exit with 1."""
    path = tmp_path / "registry.yaml"
    path.write_text("functions:\n  x: {modul: a}\n")
    result = CliRunner().invoke(cli, ["validate", "-f", str(path)])
    assert result.exit_code == 1
    assert f"{path}:2: functions.x.modul: unknown field (did you mean module?)\n" in result.output
    machine = CliRunner().invoke(cli, ["validate", "-f", str(path), "--json"])
    assert machine.exit_code == 1
    found = json.loads(machine.output)
    assert not found["valid"]
    assert {
        "line": 2,
        "path": ["functions", "x", "area"],
        "message": "required field is missing",
        "warning": False,
    } in (found["problems"])


def test_validate_counts_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A valid file is summed up, and a warning doesn't fail it."""
    monkeypatch.chdir(tmp_path)
    Path("registry.yaml").write_text("endpoints: {a: {connection: own}}\n")
    result = CliRunner().invoke(cli, ["validate"])
    assert result.exit_code == 0
    assert "registry.yaml: valid: 1 endpoints, 0 functions, 0 connections, 0 settings" in result.output
    assert "registry.yaml:1: warning: endpoints.a" in result.output


def test_local_reads_devs_record_here_or_above(tmp_path: Path) -> None:
    """A command in a subfolder of the project finds the engine, too."""
    (tmp_path / "silvaengine.toml").touch()
    (tmp_path / ".silvaengine").mkdir()
    recorded = {"endpoint_url": "http://127.0.0.1:1", "stack": "s", "region": "us-east-1", "pid": 1}
    (tmp_path / ".silvaengine/dev.json").write_text(json.dumps(recorded))
    (tmp_path / "a/b").mkdir(parents=True)
    assert read_local_deployment(tmp_path / "a/b") == {
        "endpoint_url": "http://127.0.0.1:1",
        "stack": "s",
        "region": "us-east-1",
    }


def test_local_without_an_engine_says_how_to_start_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the command."""
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, ["list", "--local"])
    assert (result.exit_code, "start `silvaengine dev` first" in result.output) == (1, True)


@pytest.mark.parametrize("recorded", ["", "{", "[]", '{"endpoint_url": 1}', '{"stack": "s"}'])
def test_a_broken_record_of_the_engine_is_an_error(tmp_path: Path, recorded: str) -> None:
    """A file cut off half-way or without an engine's URL never turns into a command against AWS."""
    (tmp_path / "silvaengine.toml").touch()
    (tmp_path / ".silvaengine").mkdir()
    (tmp_path / ".silvaengine/dev.json").write_text(recorded)
    with pytest.raises(click.ClickException, match=r"dev\.json"):
        read_local_deployment(tmp_path)


@pytest.mark.parametrize("url", ["http://[::1", "http://exa mple", "127.0.0.1:4566", "http://"])
def test_an_engine_without_an_address_is_a_usage_error(url: str) -> None:
    """The command line is wrong, and no server is contacted."""
    result = CliRunner().invoke(cli, ["list", "--endpoint-url", url, "--region", "us-east-1"])
    assert result.exit_code == 2
    assert "is not an http:// or https:// URL" in result.output


@pytest.mark.parametrize("url", ["http://127.0.0.1:4566", "http://localhost:4566", "http://[::1]:4566"])
def test_an_engine_on_this_machine_never_gets_real_credentials(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shell's own keys aren't used for requests to it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "real")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "real")
    client = Deployment(endpoint_url=url).client("dynamodb")
    credentials = client._request_signer._credentials
    assert (credentials.access_key, credentials.secret_key, credentials.token) == ("test", "test", None)
    assert client.meta.endpoint_url == url
