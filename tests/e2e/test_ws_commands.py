"""`silvaengine ws` against the deployed stack, as an operator types it."""

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from silvaengine_cli.deploy import LOCAL_STACK
from silvaengine_cli.main import cli

from .conftest import Deployment
from .registry_rows import API_KEY, ENDPOINT
from .socket_client import Socket

SECONDS = 20
SILVAENGINE = str(Path(sys.executable).with_name("silvaengine"))

type Run = Callable[..., Result]


@pytest.fixture
def where(deployment: Deployment) -> list[str]:
    """The options that name the deployment."""
    return ["--stack", LOCAL_STACK, "--endpoint-url", deployment.engine.url]


@pytest.fixture
def run(where: list[str]) -> Run:
    """Run a subcommand of `ws` with these lines piped in."""
    return lambda *words, typed="": CliRunner().invoke(cli, ["ws", *words, *where], input=typed)


@pytest.fixture
def mine(deployment: Deployment) -> Iterator[Callable[[], Socket]]:
    """Open connections of the tests' tenant, which has none before and none afterwards."""
    url = f"{deployment.outputs.websocket_url}?endpointId={ENDPOINT}&area=core"
    opened: list[Socket] = []

    def open_socket() -> Socket:
        opened.append(Socket(url, {"x-api-key": API_KEY}))
        return opened[-1]

    yield open_socket
    for socket in opened:
        socket.close()


def test_piped_lines_are_calls(run: Run) -> None:
    """Each line's response is printed under its number, whatever form the call was typed in."""
    lines = ["hello name=Ada", 'hello {"name": "Grace"}', '{"id": "mine", "funct": "hello"}', "ping"]
    result = run("connect", "demo", typed="\n".join(lines))
    assert result.exit_code == 0, result.output
    printed = result.output.splitlines()
    assert '1 {"message": "Hello, Ada!"}' in printed
    assert '2 {"message": "Hello, Grace!"}' in printed
    assert 'mine {"message": "Hello, world!"}' in printed
    assert "push pong" in printed


def test_errors_are_shown_and_do_not_end_it(run: Run) -> None:
    """A refused call and a line that is none are said, and the next line is sent all the same."""
    result = run("connect", "demo", typed="nothing\nhello Ada\nhello name=Ada")
    assert re.search(r"^1 404 .* request \w{32}$", result.output, re.MULTILINE)
    assert "not sent: 'Ada' is not NAME=VALUE" in result.output
    assert '3 {"message": "Hello, Ada!"}' in result.output


def test_a_line_over_32_kb_is_a_call(run: Run) -> None:
    """It goes in fragments, which arrive as one message."""
    text = "x" * 40_000
    line = json.dumps({"id": "1", "funct": "echo", "payload": {"x": text}})
    result = run("connect", ENDPOINT, "--api-key", API_KEY, "--json", typed=line)
    assert (result.exit_code, text in result.output) == (0, True)


def test_json_is_the_frames(run: Run) -> None:
    """With --json each frame is a line as it came."""
    result = run("connect", "demo", "--json", typed="hello name=Ada")
    assert json.loads(result.output) == {"id": "1", "funct": "hello", "data": {"message": "Hello, Ada!"}}


def test_connect_says_why_it_is_refused(run: Run) -> None:
    """A wrong key ends it with the status that the handshake got."""
    result = run("connect", "demo", "--api-key", "wrong")
    assert result.exit_code == 1
    assert re.search(r"refused with 40[13]: check endpoint, area, API key, token and Origin", result.output)


def test_typed_at_a_terminal(where: list[str]) -> None:
    """At a terminal there are colours and a prompt, and Ctrl-D ends it."""
    ours, theirs = pty.openpty()
    environment = {"TERM": "xterm-256color", "PATH": os.defpath}
    command = [SILVAENGINE, "ws", "connect", "demo", *where]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    try:
        read_until(ours, b"Ctrl-D ends it")
        os.write(ours, b"hello name=Ada\n")
        assert b'\x1b[32m{"message": "Hello, Ada!"}' in read_until(ours, b"Ada!")
        os.write(ours, b"\x04")
        assert process.wait(SECONDS) == 0
    finally:
        process.kill()
        os.close(ours)


def read_until(terminal: int, words: bytes) -> bytes:
    """Read what a terminal shows until the words came."""
    shown, deadline = b"", time.monotonic() + SECONDS
    while words not in shown:
        assert select.select([terminal], [], [], deadline - time.monotonic())[0], shown
        shown += os.read(terminal, 4096)
    return shown


def test_list_shows_who_is_connected(run: Run, mine: Callable[[], Socket]) -> None:
    """Connections are listed with their area and the beginning of their key, never the key."""
    mine(), mine()
    result = run("list", ENDPOINT, "--json")
    found = [row for row in json.loads(result.output) if row["endpoint_id"] == ENDPOINT]
    assert len(found) >= 2
    assert {row["area"] for row in found} == {"core"}
    assert API_KEY not in result.output + run("list").output
    assert found[0]["connection_id"] in run("list").output


def test_kick_takes_effect_at_once(run: Run, mine: Callable[[], Socket], deployment: Deployment) -> None:
    """The kicked connection ends and leaves no row, not even a mark of its end; the tenant's others stay."""
    kept = mine()
    before = {row["connection_id"] for row in json.loads(run("list", ENDPOINT, "--json").output)}
    socket = mine()
    (theirs,) = {row["connection_id"] for row in json.loads(run("list", ENDPOINT, "--json").output)} - before
    assert f"{theirs} closed" in run("kick", ENDPOINT, theirs).output
    with pytest.raises(EOFError):
        socket.receive()
    after = {row["connection_id"] for row in json.loads(run("list", ENDPOINT, "--json").output)}
    assert theirs not in after
    key = {"endpoint_id": {"S": ENDPOINT}, "connection_id": {"S": theirs}}
    table = f"{deployment.outputs.table_prefix}wss-connections"
    time.sleep(1)  # for `$disconnect`
    tables = deployment.engine.client("dynamodb")
    assert "Item" not in tables.get_item(TableName=table, Key=key, ConsistentRead=True)
    kept.send("ping")
    assert kept.receive() == "pong"


def test_kick_leaves_other_tenants_alone(run: Run, mine: Callable[[], Socket]) -> None:
    """A connection is ended under the endpoint that it belongs to and under no other."""
    socket = mine()
    ids = [row["connection_id"] for row in json.loads(run("list", ENDPOINT, "--json").output)]
    result = run("kick", "demo", *ids)
    assert result.exit_code == 1
    assert "endpoint demo has no connection" in result.output
    socket.send("ping")
    assert socket.receive() == "pong"


def test_kick_needs_connections_or_all(run: Run) -> None:
    """Neither a connection nor --all, or both, is a wrong command line."""
    assert run("kick", "demo").exit_code == 2
    assert run("kick", "demo", "abc", "--all").exit_code == 2
