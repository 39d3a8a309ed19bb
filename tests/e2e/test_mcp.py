"""The official clients of MCP use a tenant's functions as tools."""

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from silvaengine.tables import DEFAULT_API_KEY
from silvaengine_cli import deploy
from silvaengine_cli.deployment import Deployment as CommandLine
from silvaengine_cli.publishing.publisher import publish

from ..node import path_with_node
from ..readme.blocks import pattern, read_blocks, read_commands
from . import conformance_tools, mcp_python, mcp_typescript
from .conftest import Deployment
from .desk import ENDPOINT, KEY, Desk
from .registry_rows import AGENTS_ENDPOINT, AGENTS_LIMITED_ENDPOINT, API_KEY, MANY_ENDPOINT
from .test_announcements import eventually
from .test_backpressure import let_time_pass
from .test_keys import Operator

PAGE = Path(__file__).parents[2] / "docs/mcp.md"
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
    "http-custom-header-": "no signature says that a parameter is a header, too",
    **{
        f"input-required-result-{each}": "no function asks its caller"
        for each in ("basic-", "capability-", "multi", "non-tool-", "request-state", "result-", "tampered-")
    },
    "json-schema-2020-12": "schemas are of signatures, which can't say all that this one says",
    "logging-": "there is no logging",
    "prompts-": "there are no prompts",
    "resources-": "there are no resources",
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


def test_the_python_sdk(deployment: Deployment, desk: Desk) -> None:
    """It lists, calls and waits, by the newest revision and by the one before; other keys see nothing."""
    path = f"/core/{ENDPOINT}/mcp"
    deployment.rows.put_many_tools(deployment.outputs.worker_arn)
    url = deployment.outputs.api_url
    many = f"{url}/core/{MANY_ENDPOINT}/mcp"
    modern, legacy = mcp_python.run(mcp_python.DESK, f"{url}{path}", KEY, many, API_KEY)
    assert (modern.pop("version"), legacy.pop("version")) == ("2026-07-28", "2025-11-25")
    assert modern.pop("counted") == {"open": 1}
    assert legacy.pop("counted")["status"] == "accepted"
    assert modern == legacy
    assert modern["tools"] == TOOLS
    assert modern["pages"] == [50, 10]
    assert modern["found"] == TICKET
    assert modern["replaced"] == TICKET | {"number": 5, "title": "New"}
    assert modern["missing"] == [True, "There is no such ticket"]
    is_error, text = modern["refused"]
    assert is_error
    assert "body /title" in text
    listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    legacy_headers = {"mcp-protocol-version": "2025-11-25"}
    for key, statuses in ((KEY, {200}), ("another", {403, 404})):
        answer = deployment.api.post(path, listing, {"x-api-key": key, **legacy_headers})
        assert answer.status in statuses
    assert deployment.api.post("/core/demo/mcp", listing, legacy_headers).json()["result"] == {"tools": []}


@pytest.mark.usefixtures("desk")
def test_the_pages_first_calls(deployment: Deployment) -> None:
    """docs/mcp.md shows what curl prints."""
    (block,) = (each for each in read_blocks(PAGE.read_text()) if each.language == "console")
    commands = [*read_commands(block.text)]
    variables = {"URL": f"{deployment.outputs.api_url}/core/{ENDPOINT}/mcp", "SILVAENGINE_API_KEY": KEY}
    done = subprocess.run(
        ["/bin/bash", "-c", "\n".join(command.line for command in commands)],
        env={"PATH": os.defpath, **variables}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert pattern("".join(command.output for command in commands)).search(done.stdout), done.stdout


class Steps:
    """What happens to the platform between an agent's steps."""

    def __init__(self, deployment: Deployment, operate: Operator, key_id: str, folder: Path) -> None:
        self._deployment = deployment
        self._operate = operate
        self._key_id = key_id
        self._folder = folder

    def cancel(self, task_id: str) -> None:
        """Let a task run that is about to be cancelled, where a worker has room."""
        if not (self._folder / "running").exists():
            self._wait_for(task_id, "running")

    def no_room(self, _: None) -> None:
        """Leave the worker without concurrency: no task begins."""
        self._functions.put_function_concurrency(
            FunctionName=self._deployment.outputs.worker_arn, ReservedConcurrentExecutions=0
        )

    def room(self, _: None) -> None:
        """Take that back."""
        self._functions.delete_function_concurrency(FunctionName=self._deployment.outputs.worker_arn)

    def kill(self, task_id: str) -> None:
        """Let the time of a worker that has ended without a word be over, and the sweeper come."""
        self._wait_for(task_id, "running")
        let_time_pass(self._deployment, task_id)
        assert self._deployment.sweep()["dispatched"] == 1

    def revoke(self, _: None) -> None:
        """Revoke the agent's key."""
        self._operate("keys", "revoke", self._key_id, "--endpoint", AGENTS_ENDPOINT)

    @property
    def _functions(self) -> Any:
        return self._deployment.engine.client("lambda")

    def _wait_for(self, task_id: str, state: str) -> None:
        table = f"{self._deployment.outputs.table_prefix}executions"
        deadline = time.monotonic() + 20
        while True:
            row = self._deployment.engine.client("dynamodb").get_item(
                TableName=table, Key={"job_id": {"S": task_id}}, ConsistentRead=True
            )["Item"]
            if row["state"]["S"] == state:
                return
            assert time.monotonic() < deadline, row
            time.sleep(0.1)


def test_an_agent_with_long_tasks(deployment: Deployment, tmp_path: Path) -> None:
    """One is followed to its end, two are cancelled, one's worker is killed; then a limit, and a revoked key.

    By the SDK for Python: what it sees is what an agent reads.
    """
    operate, url = Operator(deployment), f"{deployment.outputs.api_url}/core"
    deployment.rows.put_agents(deployment.outputs.worker_arn)
    made = operate("keys", "create", "--endpoint", AGENTS_ENDPOINT, "--like", API_KEY)
    steps = Steps(deployment, operate, made["key_id"], tmp_path)
    limited = f"{url}/{AGENTS_LIMITED_ENDPOINT}/mcp"
    command = mcp_python.command_of(
        mcp_python.AGENT, f"{url}/{AGENTS_ENDPOINT}/mcp", made["api_key"], limited, API_KEY, str(tmp_path)
    )
    seen: Any = None
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as agent:
        assert agent.stdin
        assert agent.stdout
        assert agent.stderr
        try:
            for line in agent.stdout:
                name, value = json.loads(line)
                if name == "seen":
                    seen = value
                else:
                    getattr(steps, name.replace(" ", "_"))(value)
                print(file=agent.stdin, flush=True)
        finally:
            steps.room(None)
        assert seen, agent.stderr.read()
    assert seen["long"] == {"cancelled": False}
    assert seen["halfway"] == [True, "That is far enough"]
    assert (seen["running"], seen["waiting"]) == ({"status": "cancelled"}, {"status": "cancelled"})
    assert seen["killed"] == {"call": "1", "attempt": 2}
    code, message = seen["limited"]
    assert (code, bool(re.fullmatch(r"Too many requests; try again in \d+ s", message))) == (429, True)
    assert seen["revoked"] == [
        404,
        f"Endpoint {AGENTS_ENDPOINT!r} does not exist, or this API key has no access to it",
    ]
    assert (tmp_path / "running").read_text() == "cancelled"
    assert not (tmp_path / "waiting").exists()
    assert len((tmp_path / "killed").read_text().splitlines()) == 1
    listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    refused = deployment.api.post(f"/core/{AGENTS_LIMITED_ENDPOINT}/mcp", listing, {"x-api-key": API_KEY})
    assert (refused.status, int(refused.headers["retry-after"]) > 0) == (429, True)


def with_node(folder: Path, *command: str, status: int = 0) -> str:
    """Run a program of Node.js in a folder, which ends by a status; return what it prints."""
    environment = {**os.environ, "PATH": path_with_node()}  # noqa: TID251 - it is for programs
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout or done.stderr


def revoked_key(deployment: Deployment) -> str:
    """Return a key that opened the agents' endpoint, and doesn't any more."""
    operate, listing = Operator(deployment), {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    made = operate("keys", "create", "--endpoint", AGENTS_ENDPOINT, "--like", API_KEY)
    headers = {"x-api-key": made["api_key"], "mcp-protocol-version": "2025-11-25"}

    def status() -> int:
        return deployment.api.post(f"/core/{AGENTS_ENDPOINT}/mcp", listing, headers).status

    assert eventually(status, (200).__eq__) == 200
    operate("keys", "revoke", made["key_id"], "--endpoint", AGENTS_ENDPOINT)
    assert eventually(status, (404).__eq__) == 404
    return str(made["api_key"])


@pytest.mark.nightly
@pytest.mark.timeout(0)
@pytest.mark.usefixtures("desk")
def test_the_typescript_sdk(deployment: Deployment, tmp_path: Path) -> None:
    """It lists, calls and is refused by both revisions; it takes tasks by the earlier, else a job's id.

    A revoked key ends it.
    """
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "desk.js").write_text(mcp_typescript.DESK)
    (tmp_path / "agent.js").write_text(mcp_typescript.AGENT)
    with_node(tmp_path, "npm", "install", "--silent", "--ignore-scripts", TYPESCRIPT_SDK)
    url = f"{deployment.outputs.api_url}/core"
    deployment.rows.put_many_tools(deployment.outputs.worker_arn)
    servers = (f"{url}/{ENDPOINT}/mcp", KEY, f"{url}/{MANY_ENDPOINT}/mcp", API_KEY)
    assert json.loads(with_node(tmp_path, "node", "desk.js", *servers)) == [
        [version, TOOLS, 60, TICKET, [True, True], "accepted"] for version in ("2026-07-28", "2025-11-25")
    ]
    deployment.rows.put_agents(deployment.outputs.worker_arn)
    agent = with_node(tmp_path, "node", "agent.js", f"{url}/{AGENTS_ENDPOINT}/mcp", API_KEY, str(tmp_path))
    assert json.loads(agent) == [{"cancelled": False}, "completed", "cancelled"]
    without = with_node(
        tmp_path, "node", "agent.js", f"{url}/{AGENTS_ENDPOINT}/mcp", revoked_key(deployment), str(tmp_path),
        status=1,
    )  # fmt: skip
    assert "this API key has no access to it" in without


@pytest.mark.nightly
@pytest.mark.timeout(0)
@pytest.mark.usefixtures("desk")
def test_the_inspector(deployment: Deployment, tmp_path: Path) -> None:
    """Its command line lists, calls and shows refusals, also of a revoked key."""
    deployment.rows.put_many_tools(deployment.outputs.worker_arn)

    def run(method: str, *arguments: str, endpoint: str = ENDPOINT, key: str = KEY, status: int = 0) -> str:
        command = ["npx", "--yes", INSPECTOR, "--cli", f"{deployment.outputs.api_url}/core/{endpoint}/mcp"]
        command += ["--transport", "http", "--header", f"x-api-key: {key}", "--method", method]
        return with_node(tmp_path, *command, *arguments, status=status)

    def ask(*arguments: str, **options: Any) -> Any:
        return json.loads(run(*arguments, **options))

    assert [tool["name"] for tool in ask("tools/list")["tools"]] == TOOLS
    assert len(ask("tools/list", endpoint=MANY_ENDPOINT, key=API_KEY)["tools"]) == 60
    found = ask("tools/call", "--tool-name", "ticket", "--tool-arg", "number=3")
    assert found["structuredContent"] == TICKET
    missing = ask("tools/call", "--tool-name", "ticket", "--tool-arg", "number=12", status=5)
    assert (missing["isError"], missing["content"][0]["text"]) == (True, "There is no such ticket")
    deployment.rows.put_agents(deployment.outputs.worker_arn)
    without = run("tools/list", endpoint=AGENTS_ENDPOINT, key=revoked_key(deployment), status=1)
    assert "this API key has no access to it" in without


@pytest.mark.nightly
@pytest.mark.timeout(0)
def test_the_conformance_suite(deployment: Deployment, tmp_path: Path) -> None:
    """Each check passes that applies to a server of tools; each of the others fails, and it is known why."""
    open_to_everybody(deployment, tmp_path / "packages/conformance")
    url = f"{deployment.outputs.api_url}/core/conformance/mcp"
    unexpected, excused = {}, set()
    for number, (release, choice) in enumerate(RUNS):
        for scenario, check in conformance_checks(tmp_path / str(number), release, url, choice):
            # An answer to what doesn't apply is of the right form, too.
            names = {check["id"], "" if check["id"] == "wire-schema-valid" else scenario}
            reasons = {each for each in INAPPLICABLE if any(name.startswith(each) for name in names)}
            excused |= reasons
            if check["status"] == ("SUCCESS" if reasons else "FAILURE"):
                unexpected[release, scenario, check["id"]] = check.get("errorMessage")
    assert unexpected == {}
    assert excused == {*INAPPLICABLE}


def conformance_checks(
    results: Path, release: str, url: str, choice: tuple[str, ...]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Run a release of the suite; yield its checks, each with its scenario's name."""
    results.mkdir()
    command = ["npx", "--yes", f"@modelcontextprotocol/conformance@{release}", "server", "--url", url]
    environment = {**os.environ, "PATH": path_with_node()}  # noqa: TID251 - likewise
    done = subprocess.run(
        [*command, *choice, "--output-dir", str(results)],
        cwd=results, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    files = [*results.rglob("checks.json")]
    assert files, done.stdout + done.stderr
    for file in files:
        scenario = re.sub(r"^server-|-\d{4}-\d\d-\d\dT.*$", "", file.parent.name)
        for check in json.loads(file.read_text()):
            yield scenario, check


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
