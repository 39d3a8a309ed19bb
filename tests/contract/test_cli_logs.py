"""`silvaengine logs` on the log groups of a made-up stack, in moto."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from select import select
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from click.testing import CliRunner, Result

from silvaengine_cli.deployment import Deployment
from silvaengine_cli.logs import Line, LogTail
from silvaengine_cli.main import cli

from ..canaries import TEXTS, found_in
from .log_groups import STACK, Written, written_logs

CALL: dict[str, Any] = {"service": "http", "method": "GET", "area": "core", "endpoint_id": "acme"}
CALL |= {
    "function": "hello",
    "status": 500,
    "error": "InvocationError",
    "total_ms": 12.3,
    "cold_start": False,
    "request_id": "r1",
}
WORKER = {"service": "worker", "status": 500, "error_type": "KeyError", "total_ms": 8, "request_id": "r1"}
TRACE = 'Traceback (most recent call last):\n  File "/var/task/shop.py", line 3, in hello\nKeyError: 1'
FAILED = {"level": "ERROR", "logger": "x", "message": "It failed", "request_id": "r1", "traceback": TRACE}

type Logs = Callable[..., Result]


@pytest.fixture
def written(moto_url: str) -> Iterator[Written]:
    """The stack's log groups, with a call that failed and one that went well, ten seconds ago."""
    with written_logs(Deployment(stack=STACK, endpoint_url=moto_url).client("logs")) as written:
        written.put_records("Worker", FAILED, WORKER, later=-10_000)
        written.put_records("HttpGateway", CALL, later=-9_990)
        written.put_records("HttpGateway", {**CALL, "status": 200, "request_id": "r2"}, later=-9_000)
        yield written


@pytest.fixture
def logs(moto_url: str) -> Logs:
    """Run `silvaengine logs` with arguments."""

    def run(*arguments: str, stack: str = STACK) -> Result:
        command = ["logs", *arguments, "--stack", stack, "--endpoint-url", moto_url]
        return CliRunner(mix_stderr=False).invoke(cli, command, env={"COLUMNS": "80"})

    return run


def test_a_traceback_stands_under_its_request(written: Written, logs: Logs) -> None:
    """One command says why a request failed, whichever Lambda knows it."""
    shown = logs("--errors").stdout.splitlines()
    assert shown[0][9:] == "GET        /core/acme/hello                     acme       500    12 ms"
    assert shown[1].strip() == "error=InvocationError request_id=r1"
    assert shown[2:] == ["  It failed", "request r1", *TRACE.splitlines()]


def test_json_is_what_was_written(written: Written, logs: Logs) -> None:
    """An object a line, with its time and Lambda; every service's, for who asks for a request."""
    lines = [json.loads(line) for line in logs("--request", "r1", "--json").stdout.splitlines()]
    assert lines == [
        {"timestamp": written.now - 9_999, "lambda": "Worker", **WORKER},
        {"timestamp": written.now - 10_000, "lambda": "Worker", **FAILED},
        {"timestamp": written.now - 9_990, "lambda": "HttpGateway", **CALL},
    ]


def test_a_job_is_shown_with_its_records(written: Written, logs: Logs) -> None:
    """They name its request, whose id is found first."""
    written.put_records("Worker", {"message": "began", "request_id": "r3"}, later=-8_000)
    written.put_records("Worker", {**WORKER, "request_id": "r3", "job_id": "j3"}, later=-7_000)
    lines = [json.loads(line) for line in logs("--request", "j3", "--json").stdout.splitlines()]
    assert [line.get("job_id") or line["message"] for line in lines] == ["j3", "began"]


def test_the_last_lines_are_shown(written: Written, logs: Logs) -> None:
    """What is left out is said, apart from the lines."""
    result = logs("--limit", "1", "--json")
    assert json.loads(result.stdout)["request_id"] == "r2"
    assert result.stderr == "3 earlier lines are left out: --limit\n"


def test_nothing_found_is_said(written: Written, logs: Logs) -> None:
    """An empty screen would leave a person in doubt."""
    result = logs("--endpoint", "beta")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "--since goes further back" in result.stderr


def test_a_stack_that_is_not_there_is_named(written: Written, logs: Logs) -> None:
    """It is a mistake in the command line, and not a quiet stack."""
    result = logs(stack="other")
    assert result.exit_code == 1
    assert "there is no stack 'other'" in result.stderr


@pytest.mark.parametrize(
    "arguments", [("--status", "6xx"), ("--since", "soon"), ("--service", "web"), ("--endpoint", 'a" b')]
)
def test_what_cannot_be_asked_for_is_refused(logs: Logs, arguments: tuple[str, str]) -> None:
    """The option is named, and what it takes."""
    result = logs(*arguments)
    assert (result.exit_code, arguments[0] in result.stderr) == (2, True)


@pytest.mark.parametrize("option", ["--json", "--verbose"])
def test_t13_no_secret_that_a_function_prints_is_shown(written: Written, logs: Logs, option: str) -> None:
    """The log has what functions print as it is; what the command shows of it is redacted."""
    for text in TEXTS.values():
        written.put("Worker", text.replace("\n", "\r"), later=-5_000)
        written.put_records("packages/shop", {"message": text, "request_id": "r1"}, later=-5_000)
    shown = logs(option).stdout
    assert "redacted" in shown
    assert [kind for kind in found_in(shown) if kind != "setting"] == []  # which nobody knows by its name
    assert [kind for kind in found_in(json.dumps(shown)) if kind != "setting"] == []


@pytest.mark.parametrize(
    ("raised", "goes_on"),
    [
        (ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, "Filter"), True),
        (EndpointConnectionError(endpoint_url="http://aws"), True),
        (ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no right"}}, "Filter"), False),
    ],
)
def test_following_outlives_what_passes(
    raised: Exception, goes_on: bool, written: Written, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS throttles all of an account, and networks fail: both are said, and lines come then."""
    line = Line("Worker", 0, {"message": "meanwhile"}, "", "1")
    looks: Iterator[Any] = iter([[], raised, [line], KeyboardInterrupt()])

    def look(_: LogTail) -> list[Line]:
        found = next(looks)
        if isinstance(found, list):
            return found
        raise found

    monkeypatch.setattr(LogTail, "new_lines", look)
    monkeypatch.setattr("silvaengine_cli.logs.tail.LOCAL_SECONDS", 0)
    done = logs("--follow")
    assert (done.exit_code == 0, "meanwhile" in done.stdout) == (goes_on, goes_on)
    assert ("not read, and tried again: " in done.stderr) == goes_on


def test_following_shows_what_is_written_until_ctrl_c(written: Written, moto_url: str) -> None:
    """Each line once, from the start of the command on."""
    program = "from silvaengine_cli.main import main; main()"
    command = [
        sys.executable,
        "-c",
        program,
        "logs",
        "-f",
        "--json",
        "--stack",
        STACK,
        "--endpoint-url",
        moto_url,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        for number in range(60):
            written.put_records("Tasks", {"message": str(number)}, later=60_000 + number)
            if select([following.stdout], [], [], 0.5)[0]:
                break
        first = int(json.loads(following.stdout.readline())["message"])
        following.send_signal(signal.SIGINT)
        rest = [int(json.loads(line)["message"]) for line in following.stdout]
        assert following.wait() == 0
    assert [first, *rest] == list(range(first, first + 1 + len(rest)))
