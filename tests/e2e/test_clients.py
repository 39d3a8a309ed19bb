"""The generated clients call what they were generated for: a package's typed functions."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from silvaengine_cli import deploy
from silvaengine_cli.clients import OPENAPI_TYPESCRIPT
from silvaengine_cli.main import cli
from silvaengine_cli.uv import find_uv

from ..node import path_with_node
from .conftest import Deployment
from .desk import ENDPOINT, KEY, Desk

pytestmark = pytest.mark.nightly  # tests/readme makes and runs one of each language

TYPESCRIPT = """\
import { type components, createClient } from "desk-core-client";

const desk = createClient({ headers: { "x-api-key": "desk-key" } });
const filter = { state: "closed" as const, tag: ["a", "b"], limit: 2 };
const found = await desk.GET("/tickets", { params: { query: filter } });
const tickets: components["schemas"]["Ticket"][] | undefined = found.data;
const header = { "Idempotency-Key": "typescript" };
const opened = await desk.POST("/tickets", { params: { header }, body: { title: "Lost", urgent: true } });
const refused = await desk.POST("/tickets", { body: { title: "" } });
const faults = refused.error?.details?.map((fault) => [fault.in, fault.path, fault.value_type]);
const counted = await desk.POST("/count_tickets", { body: { states: ["open"] } });
const query = { job_id: counted.data!.job_id };
let job;
do {
  job = await desk.GET("/job_status", { params: { query } });
} while (job.data?.status === "accepted" || job.data?.status === "running");
const stranger = await createClient().GET("/tickets");
// @ts-expect-error - no state of a ticket
const unsent = () => desk.GET("/tickets", { params: { query: { state: "lost" } } });
console.log(
  JSON.stringify([
    tickets?.map((ticket) => [ticket.number, ticket.state, ticket.labels]),
    opened.data?.labels,
    [refused.response.status, faults],
    [job.data?.status, job.data?.result],
    stranger.response.status,
  ]),
);
"""
PYTHON = """\
import json

from desk_core_client import Client
from desk_core_client.api.core import count_tickets, find_tickets, job_status, open_ticket
from desk_core_client.models import CountTicketsBody, OpenTicketBody
from desk_core_client.server import BASE_URL

desk = Client(BASE_URL, headers={"x-api-key": "desk-key"})
tickets = find_tickets.sync(client=desk, state="closed", tag=["a", "b"], limit=2)
opened = open_ticket.sync(client=desk, body=OpenTicketBody("Lost", urgent=True), idempotency_key="python")
refused = open_ticket.sync_detailed(client=desk, body=OpenTicketBody(""))
counted = count_tickets.sync(client=desk, body=CountTicketsBody(["open"]))
job = job_status.sync(client=desk, job_id=counted.job_id)
while job.status in ("accepted", "running"):
    job = job_status.sync(client=desk, job_id=counted.job_id)
stranger = find_tickets.sync_detailed(client=Client(BASE_URL))
print(
    json.dumps(
        [
            [[ticket.number, ticket.state, ticket.labels] for ticket in tickets],
            opened.labels,
            [refused.status_code, [[it.in_, it.path, it.value_type] for it in refused.parsed.details]],
            [job.status, job.result],
            stranger.status_code,
        ]
    )
)
"""
CALLED = [
    [[1, "closed", ["a", "b"]], [2, "closed", ["a", "b"]]],
    ["urgent"],
    [422, [["body", "/title", "string"]]],
    ["succeeded", {"open": 1}],
    403,
]

type Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a program in a folder of its own; return what it prints."""
    environment = {**os.environ, "PATH": path_with_node()}  # noqa: TID251 - it is for programs

    def done(*command: str) -> str:
        it = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert it.returncode == 0, it.stdout + it.stderr
        return it.stdout

    return done


def write(deployment: Deployment, language: str, folder: Path) -> None:
    """Let the command write a client into a folder; no file of it has the key."""
    target = ["--stack", deploy.LOCAL_STACK, "--endpoint-url", deployment.engine.url]
    words = ["client", ENDPOINT, "--api-key", KEY, "--lang", language, "--output", str(folder), *target]
    done = CliRunner().invoke(cli, words)
    assert (done.exit_code, done.output) == (0, f"wrote {folder}: desk-core-client, 6 operations\n")
    assert not [each for each in folder.rglob("*") if each.is_file() and KEY in each.read_text()]


def test_typescript(deployment: Deployment, desk: Desk, tmp_path: Path, run: Run) -> None:
    """Its types are the functions', and its calls are answered as they say."""
    write(deployment, "typescript", tmp_path / "client")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "desk.ts").write_text(TYPESCRIPT)
    run("npm", "install", "--ignore-scripts", "./client", OPENAPI_TYPESCRIPT[0])
    run("npx", "tsc", "--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "desk.ts")
    assert json.loads(run("node", "desk.ts")) == CALLED


def test_python(deployment: Deployment, desk: Desk, tmp_path: Path, run: Run) -> None:
    """It is an installable package of the same functions."""
    write(deployment, "python", tmp_path / "client")
    (tmp_path / "calls.py").write_text(PYTHON)
    uv = (find_uv(Path.cwd()), "run", "--quiet", "--no-project", "--python", sys.executable)
    assert json.loads(run(*uv, "--with", "./client", "python", "calls.py")) == CALLED
