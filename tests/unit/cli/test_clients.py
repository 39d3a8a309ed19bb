"""What a client's folder keeps and loses when it is written again, and how a generator is run."""

import json
from pathlib import Path

import click
import pytest

from silvaengine_cli.clients import GENERATORS, Document, Generator, client_name, write_client

PREFER, ACCEPTED = {"$ref": "#/components/parameters/Prefer"}, {"$ref": "#/components/responses/Accepted"}
TASK = {"get": {"parameters": [PREFER, {"name": "id"}], "responses": {"200": {}, "202": ACCEPTED}}}
REPORT = {"post": {"parameters": [], "responses": {"202": ACCEPTED}}}
DOCUMENT = {
    "info": {"version": "abc"},
    "servers": [{"url": "https://api.example.com/core/acme"}],
    "paths": {"/task": TASK, "/report": REPORT},
}
UV = """\
#!/bin/sh
mkdir client/acme_core_client
{ env; cat openapi.json; } > client/seen
echo out
echo a warning >&2
exit ${EXIT:-0}
"""


@pytest.fixture
def uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a uv in place that runs no generator and ends with ``EXIT``."""
    program = tmp_path / ".bootstrap/bin/uv"
    program.parent.mkdir(parents=True)
    program.write_text(UV)
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)


def writing(*names: str) -> Generator:
    """Return a generator of a folder's files."""

    def generate(document: Document, name: str, folder: Path) -> None:
        for each in names:
            (folder / each).parent.mkdir(exist_ok=True)
            (folder / each).write_text(name)

    return generate


def files(folder: Path) -> set[str]:
    """Return the paths of a folder's files."""
    return {each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file()}


def test_a_second_run_replaces_what_was_generated(tmp_path: Path) -> None:
    """What the generator no longer writes goes; what others have written beside it stays."""
    folder = tmp_path / "clients/acme"
    write_client(writing("package/old", "package/kept", "gone"), DOCUMENT, "first", folder)
    (folder / "node_modules").mkdir()
    (folder / "node_modules/one").touch()
    write_client(writing("package/kept", "new"), DOCUMENT, "second", folder)
    assert files(folder) == {"package/kept", "new", "node_modules/one", ".silvaengine-client"}
    assert (folder / "package/kept").read_text() == "second"


def test_what_was_not_generated_is_never_replaced(tmp_path: Path) -> None:
    """Neither in another folder nor beside a client; a list that was altered leads nowhere else."""
    (tmp_path / "README.md").touch()
    folder = tmp_path / "client"
    with pytest.raises(click.ClickException, match="is not empty and was not generated"):
        write_client(writing("one"), DOCUMENT, "acme", tmp_path)
    write_client(writing("one"), DOCUMENT, "acme", folder)
    (folder / "two").write_text("mine")
    with pytest.raises(click.ClickException, match="has a two that was not generated"):
        write_client(writing("one", "two"), DOCUMENT, "acme", folder)
    (folder / ".silvaengine-client").write_text("..\n../README.md\n.\n")
    write_client(writing("three"), DOCUMENT, "acme", folder)
    assert files(tmp_path) == {"README.md", *(f"client/{each}" for each in files(folder))}
    assert (folder / "two").read_text() == "mine"


@pytest.mark.parametrize(
    ("endpoint_id", "name"), [("acme", "acme-core-client"), ("Acme_2.eu", "acme-2-eu-core-client")]
)
def test_a_package_has_its_endpoints_and_areas_name(endpoint_id: str, name: str) -> None:
    """In the characters that npm and pip take."""
    assert client_name(endpoint_id, "core") == name


@pytest.mark.slow
@pytest.mark.parametrize("language", GENERATORS)
def test_a_generator_gets_a_document_and_no_credentials(
    language: str,
    tmp_path: Path,
    uv: None,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """What it warns of is shown, and its failure with the exit code and all that it said."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    write_client(GENERATORS[language], DOCUMENT, "acme-core-client", tmp_path / "client")
    seen = (tmp_path / "client/seen").read_text()
    task = {"get": {"parameters": [{"name": "id"}], "responses": {"200": {}}}}  # its type is its result's
    assert json.dumps({**DOCUMENT, "paths": {"/task": task, "/report": REPORT}}) in seen
    assert "secret" not in seen
    assert capfd.readouterr().err == "a warning\n"
    written = files(tmp_path / "client")
    monkeypatch.setenv("EXIT", "7")
    with pytest.raises(click.ClickException, match=r"ended with 7:\nout\na warning"):
        write_client(GENERATORS[language], DOCUMENT, "acme-core-client", tmp_path / "client")
    assert files(tmp_path / "client") == written
