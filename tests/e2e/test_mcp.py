"""The official clients of MCP use a tenant's functions as tools."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from silvaengine.tables import DEFAULT_API_KEY
from silvaengine_cli import deploy
from silvaengine_cli.deployment import Deployment as CommandLine
from silvaengine_cli.publishing.publisher import publish
from silvaengine_cli.uv import find_uv

from ..node import path_with_node
from . import conformance_tools, mcp_python, mcp_typescript
from .conftest import Deployment
from .desk import ENDPOINT, KEY, Desk

PYTHON_SDK = "mcp==2.3.0"
TYPESCRIPT_SDK = "@modelcontextprotocol/client@2.4.0"
INSPECTOR = "@modelcontextprotocol/inspector@2.12.0"
# Releases of the suite, the newest of which knows the newest revision, and what of them runs.
NEWEST = "0.2.0-alpha.12"
RUNS = (
    (NEWEST, ("--requirements", "2026-07-28")),
    (NEWEST, ("--requirements", "2025-11-25")),
    ("0.1.16", ("--spec-version", "2025-11-25")),
)
# Why scenarios, by the beginnings of their names, or single checks by their ids, don't apply.
INAPPLICABLE = {
    "completion-": "there is no completion",
    "elicitation-": "no function asks its caller",
    "input-required-": "likewise",
    "json-schema-2020-12": "schemas are of signatures, which can't say all that this one says",
    "logging-": "there is no logging",
    "prompts-": "there are no prompts",
    "resources-": "there are no resources",
    "sep-2243-server-": "no signature says that a parameter is a header, too",
    "sep-2549-prompts-": "there are no prompts",
    "sep-2549-resources-": "there are no resources",
    "sep-2575-http-server-no-independent-": "no function asks its caller",
    "sep-2575-missing-capability-": "no function needs a capability",
    "sep-2575-server-no-log-": "there is no logging",
    "sep-2575-server-rejects-undeclared-": "no function needs a capability",
    "sep-2663-server-returns-missing-capability-": "no function needs one: others get a job's id",
    "tasks-mrtr-": "no function asks its caller",
    "tasks-result-type-complete-": "its tool asks its caller",
    "tools-call-elicitation": "no function asks its caller",
    "tools-call-mixed-content": "a function returns one thing",
    "tools-call-sampling": "no function asks its caller",
    "tools-call-with-logging": "there is no logging",
    "tools-call-with-progress": "there are no streams",
}
TOOLS = ["change_ticket", "count_tickets", "find_tickets", "open_ticket", "ticket"]
TICKET = {"number": 3, "title": "It's broken", "state": "open", "labels": [], "due": None}


def with_python(*arguments: str) -> Any:
    """Return what the SDK for Python sees."""
    uv = (find_uv(Path.cwd()), "run", "--quiet", "--no-project", "--python", sys.executable)
    command = [*uv, "--with", PYTHON_SDK, "python", "-c", mcp_python.SOURCE, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_python_sdk(deployment: Deployment, desk: Desk) -> None:
    """It lists, calls and waits, by the newest revision and by the one before; a revoked key ends it."""
    path = f"/core/{ENDPOINT}/mcp"
    modern, legacy = with_python(f"{deployment.outputs.api_url}{path}", KEY)
    assert (modern.pop("version"), legacy.pop("version")) == ("2026-07-28", "2025-11-25")
    assert modern.pop("counted") == {"open": 1}
    assert legacy.pop("counted")["status"] == "accepted"
    assert modern == legacy
    assert modern["tools"] == TOOLS
    assert modern["found"] == TICKET
    assert modern["replaced"] == TICKET | {"number": 5, "title": "New"}
    assert modern["missing"] == [True, "There is no such ticket"]
    is_error, text = modern["refused"]
    assert is_error
    assert "body /title" in text
    listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    assert deployment.api.post(path, listing, {"x-api-key": KEY}).status == 200
    assert deployment.api.post(path, listing, {"x-api-key": "another"}).status in {403, 404}
    assert deployment.api.post("/core/demo/mcp", listing).json()["result"] == {"tools": []}


def with_node(folder: Path, *command: str) -> str:
    """Run a program of Node.js in a folder; return what it prints."""
    environment = {**os.environ, "PATH": path_with_node()}  # noqa: TID251 - it is for programs
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.nightly
@pytest.mark.timeout(0)
@pytest.mark.usefixtures("desk")
def test_the_typescript_sdk(deployment: Deployment, tmp_path: Path) -> None:
    """It lists, calls and is refused by both revisions; it takes no tasks, and gets a job's id."""
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "desk.js").write_text(mcp_typescript.SOURCE)
    with_node(tmp_path, "npm", "install", "--silent", "--ignore-scripts", TYPESCRIPT_SDK)
    url = f"{deployment.outputs.api_url}/core/{ENDPOINT}/mcp"
    assert json.loads(with_node(tmp_path, "node", "desk.js", url, KEY)) == [
        [version, TOOLS, TICKET, [True, True], "accepted"] for version in ("2026-07-28", "2025-11-25")
    ]


@pytest.mark.nightly
@pytest.mark.timeout(0)
@pytest.mark.usefixtures("desk")
def test_the_inspector(deployment: Deployment, tmp_path: Path) -> None:
    """Its command line lists and calls."""
    url = f"{deployment.outputs.api_url}/core/{ENDPOINT}/mcp"
    command = [
        "npx",
        "--yes",
        INSPECTOR,
        "--cli",
        url,
        "--transport",
        "http",
        "--header",
        f"x-api-key: {KEY}",
    ]
    listed = json.loads(with_node(tmp_path, *command, "--method", "tools/list"))
    assert [tool["name"] for tool in listed["tools"]] == TOOLS
    call = ("--method", "tools/call", "--tool-name", "ticket", "--tool-arg", "number=3")
    assert json.loads(with_node(tmp_path, *command, *call))["structuredContent"] == TICKET


@pytest.mark.nightly
@pytest.mark.timeout(0)
@pytest.mark.parametrize(("release", "choice"), RUNS)
def test_the_conformance_suite(
    release: str, choice: tuple[str, ...], deployment: Deployment, tmp_path: Path
) -> None:
    """Each scenario passes that applies to a server of tools; of the others it is known why not."""
    open_to_everybody(deployment, tmp_path / "packages/conformance")
    url = f"{deployment.outputs.api_url}/core/conformance/mcp"
    command = ["npx", "--yes", f"@modelcontextprotocol/conformance@{release}", "server", "--url", url]
    environment = {**os.environ, "PATH": path_with_node()}  # noqa: TID251 - likewise
    results = tmp_path / "results"
    done = subprocess.run(
        [*command, *choice, "--output-dir", str(results)],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    failed = {}
    for file in results.rglob("checks.json"):
        scenario = re.sub(r"^server-|-\d{4}-\d\d-\d\dT.*$", "", file.parent.name)
        for check in json.loads(file.read_text()):
            names = scenario, check["id"]
            applies = not any(name.startswith((*INAPPLICABLE,)) for name in names)
            if applies and check["status"] == "FAILURE":
                failed[scenario, check["id"]] = check.get("errorMessage")
    assert list(results.rglob("checks.json")), done.stdout + done.stderr
    assert failed == {}


def open_to_everybody(deployment: Deployment, folder: Path) -> None:
    """Publish the suite's tools, and let callers without a key use them: the suite sends none."""
    folder.mkdir(parents=True)
    (folder / "requirements.txt").touch()
    (folder / "package.yaml").write_text(conformance_tools.MANIFEST)
    (folder / "tools.py").write_text(conformance_tools.SOURCE)
    target = CommandLine(stack=deploy.LOCAL_STACK, endpoint_url=deployment.engine.url)
    publish(target, folder, "", lambda _line: None)
    rows, packages = deployment.rows, [{"package": "conformance"}]
    rows.put("endpoints", endpoint_id="conformance", special_connection=True)
    rows.put(
        "connections", endpoint_id="conformance", api_key=DEFAULT_API_KEY, functions=[], packages=packages
    )
