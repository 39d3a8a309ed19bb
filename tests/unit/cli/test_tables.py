"""Every table that a command prints, at 80 and at 120 columns and into a pipe.

`python -m tests.unit.cli.test_tables` writes the snapshots again: look at them before you keep them.
"""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

import silvaengine_cli.deployment
from silvaengine.access.api_keys import PREFIX
from silvaengine.ledger.execution import Execution
from silvaengine.tables import (
    CONFIG_DATA,
    CONNECTIONS,
    ENDPOINTS,
    EXECUTIONS,
    FUNCTIONS,
    WSS_CONNECTIONS,
    key_use_key,
)
from silvaengine_cli.main import cli
from silvaengine_cli.output import print_table
from silvaengine_cli.registry.tables import RegistryTables

from ...fakes.dynamodb import MemoryDynamoDB

SNAPSHOTS = Path(__file__).with_name("snapshots")
COMMANDS = (
    "list functions",
    "list endpoints",
    "list connections",
    "list settings",
    "show acme",
    "show acme describe_catalogue --values",
    "keys list",
    "jobs list",
    "jobs show 7b1f03d2",
    "dlq list",
    "events dead",
    "cache stats",
    "ws list",
)
STACK = "arn:aws:lambda:us-east-1:123456789012:function:silvaengine"
WORKER = f"{STACK}-Worker"
TASKS = WORKER.replace("Worker", "Tasks")
NOW = 1_796_000_000  # 2026-11-30
KEY_ID = f"{PREFIX}0123456789abcdef0123"
JOB_ID = "7b1f03d2c6a94e5f8a7b6c5d4e3f2a1b"
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]


class Account(MemoryDynamoDB):
    """A deployment with rows of usual lengths, and the clients of all its services."""

    table_prefix = "se-"
    worker_arn = worker_arn_or_empty = WORKER
    exceptions = SimpleNamespace(ConditionalCheckFailedException=LookupError, MessageNotInflight=LookupError)

    def __init__(self) -> None:
        super().__init__()
        for name, module in (("hello", "shop.greetings"), ("describe_catalogue", "catalogue_engine.main")):
            config = {"module_name": module, "class_name": "Catalogue", "methods": METHODS, "setting": "shop"}
            row = {"aws_lambda_arn": WORKER, "function": name, "area": "core"}
            self.put(FUNCTIONS, **row, config=config | {"funct_type": "RequestResponse"})
        published = {"aws_lambda_arn": f"{STACK}-pkg-warehouse", "function": "stock", "area": "core"}
        config = {"module_name": "warehouse.shelves", "class_name": "Shelves", "function_name": "count_all"}
        self.put(FUNCTIONS, **published, config=config, package="warehouse", release=112)
        self.put(ENDPOINTS, endpoint_id="acme", special_connection=True)
        entries = [{"aws_lambda_arn": WORKER, "function": name} for name in ("hello", "describe_catalogue")]
        key: dict[str, Any] = {
            "endpoint_id": "acme",
            "api_key": f"{PREFIX}0123456789abcdef0123",
            "functions": entries,
            "packages": [{"package": "warehouse"}],
        }
        hashes = [{"hash": "x", "created_at": NOW, "expires_at": 4_000_000_000}]
        self.put(CONNECTIONS, **key, label="the warehouse", grants=["invoke", "jobs"], key_hashes=hashes)
        self.put(CONFIG_DATA, **key_use_key("acme", key["api_key"]), value=NOW)
        default = {"endpoint_id": "acme", "api_key": "#####", "functions": entries}
        self.put(CONNECTIONS, **default, whitelist=["203.0.113.0/24", "198.51.100.7"])
        for name in ("greeting", "catalogue_table", "payment_provider_url"):
            self.put(CONFIG_DATA, setting_id="shop", variable=name, value=f"the {name} of the shop")
        self.put(EXECUTIONS, **execution(JOB_ID, "failed", "FunctionError").to_row())
        other = execution("e".ljust(32, "0"), "dead", "outcome_unknown")
        self.put(EXECUTIONS, **other._replace(function="describe_catalogue").to_row())
        self.put(EXECUTIONS, **execution("5".ljust(32, "0"), "succeeded", "ConfigurationError").to_row())
        socket = {"area": "core", "api_key": "#####", "data": {"principalId": "ada@example.com"}}
        ids = {"endpoint_id": "acme", "connection_id": "L0SM9cOFvHcCIhw="}
        self.put(WSS_CONNECTIONS, **ids, **socket, created_at="2026-11-29T10:53:29.123456+00:00")

    def client(self, _service: str) -> Any:
        return self

    def has_output(self, name: str) -> bool:
        return not name.startswith("Fifo")

    def output(self, name: str) -> str:
        return (
            "arn:aws:lambda:us-east-1:123456789012:function:silvaengine-Tasks" if name == "TasksArn" else name
        )

    def tables(self) -> RegistryTables:
        return RegistryTables(self)

    def get_paginator(self, _operation: str) -> Any:
        return SimpleNamespace(paginate=lambda **it: [{"Items": list(self.items(it["TableName"]))}])

    def query(self, **request: Any) -> dict[str, Any]:
        """Read a partition; of the connections all, whatever the time."""
        if request["TableName"] == f"se-{WSS_CONNECTIONS.name}":
            return {"Items": list(self.items(request["TableName"]))}
        return super().query(**request)

    def change_message_visibility(self, **_: Any) -> None:
        pass

    def receive_message(self, *, QueueUrl: str, **_: Any) -> Mapping[str, Any]:  # noqa: N803 - boto3's name
        message = {"MessageId": "0f8fad5b-d9cb-469f-a165-70867728950e", "ReceiptHandle": "r"}
        body: dict[str, Any] = {"job_id": JOB_ID, "endpoint_id": "acme", "function": "describe_catalogue"}
        body |= {"cause": "outcome_unknown", "attempts": 3, "request_id": "c" * 32}
        if QueueUrl == "EventDeadLetterQueueUrl":
            failure = {"errorMessage": "No function is bound to bucket 'inbox' (request 3f2a)"}
            body = {"requestPayload": {}, "responsePayload": failure}
        return {"Messages": [message | {"Body": json.dumps(body)}]}

    def invoke(self, _function: str, _payload: str) -> tuple[bool, Any]:
        counters = {"hits": 120, "misses": 7, "errors": 0}
        return True, {"success": True, "cache_name": "method", "tiers": ["memory", "redis"], "own": counters}


def execution(job_id: str, state: str, cause: str) -> Execution:
    """Return a call that ended with an error."""
    texts = dict.fromkeys(Execution._fields[:19], "") | {"job_id": job_id, "state": state, "area": "core"}
    result = {"kind": "error", "status": 400, "error_type": "FunctionError", "value": "no such catalogue"}
    return Execution(**(texts | {  # type: ignore[arg-type]
        "endpoint_id": "acme", "function": "hello", "aws_lambda_arn": WORKER, "request_id": "c" * 32,
        "attempts": 3, "max_attempts": 3, "fence": 3, "keep_seconds": 86_400, "backoff_seconds": 10,
        "on_lost": "retry", "created_at": NOW - 60, "changed_at": NOW, "cause": cause,
        "result": json.dumps(result),
    }))  # fmt: skip


def printed(columns: int | None, monkeypatch: pytest.MonkeyPatch, *options: str) -> Iterator[tuple[str, str]]:
    """Return each command and what it prints; without a number of columns into a pipe."""
    width = None if columns is None else str(columns)
    monkeypatch.setattr(silvaengine_cli.deployment, "Deployment", lambda **_: Account())
    for command in COMMANDS:
        with_options = options if "list" in command or "dead" in command else ()
        arguments = [*command.split(), *with_options]
        result = CliRunner().invoke(cli, arguments, catch_exceptions=False, env={"COLUMNS": width})
        assert result.exit_code == 0, (command, result.output)
        yield f"$ silvaengine {' '.join(arguments)}", result.output


def snapshot(columns: int | None, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return all that the commands print."""
    pairs = printed(columns, monkeypatch)
    return "\n".join(f"{command}\n{_trimmed(output)}\n" for command, output in pairs)


def _trimmed(output: str) -> str:
    return "\n".join(line.rstrip() for line in output.splitlines())


@pytest.mark.parametrize("columns", [80, 120])
def test_tables_are_as_they_were_read(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each table is as somebody looked at it, and no line is longer than the terminal is wide."""
    text = snapshot(columns, monkeypatch)
    assert text == (SNAPSHOTS / f"tables_{columns}.txt").read_text()
    assert max(map(len, text.splitlines())) <= columns


def test_tables_in_a_pipe_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal a row is one line with whole ids, times and names, in the columns of a terminal."""
    assert snapshot(None, monkeypatch) == (SNAPSHOTS / "tables_pipe.txt").read_text()


@pytest.mark.slow
def test_a_pipe_is_no_terminal_although_one_types(monkeypatch: pytest.MonkeyPatch) -> None:
    """What counts is where the table goes: standard input and errors may be a terminal."""
    name = "x" * 300
    program = f"import silvaengine_cli.output as it; it.print_table('', ['{name}'], [], [], as_json=False)"
    controller, terminal = pty.openpty()
    monkeypatch.delenv("COLUMNS", raising=False)
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, stdin=terminal, stdout=subprocess.PIPE, stderr=terminal, check=True)
    os.close(controller)
    os.close(terminal)
    assert name in done.stdout.decode()


def test_wide_tables_shorten_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """With --wide a row is one line, with whole ids and times."""
    outputs = dict(printed(80, monkeypatch, "--wide"))
    assert JOB_ID in outputs["$ silvaengine jobs list --wide"]
    assert "2026-11-30T" in outputs["$ silvaengine jobs list --wide"]
    assert "/aws/lambda/silvaengine-Tasks" in outputs["$ silvaengine events dead --wide"]
    assert "silvaengine-Worker" in outputs["$ silvaengine list functions --wide"]
    assert KEY_ID in outputs["$ silvaengine keys list --wide"]


def test_table_of_nothing_has_a_title(capsys: pytest.CaptureFixture[str]) -> None:
    """Where there is nothing to list, that is said."""
    print_table("0 jobs", ("job", "state"), [], [], as_json=False)
    assert capsys.readouterr().out.split() == ["0", "jobs", "job", "state"]


@pytest.mark.parametrize("command", ["jobs list", "dlq list", "dlq redrive", "events dead"])
def test_limit_of_nothing_is_refused(command: str) -> None:
    """A limit of zero would print that there is nothing, whatever there is."""
    result = CliRunner().invoke(cli, [*command.split(), "--limit", "0"])
    assert result.exit_code == 2
    assert "--limit" in result.output


if __name__ == "__main__":
    with pytest.MonkeyPatch.context() as patch:
        SNAPSHOTS.mkdir(exist_ok=True)
        for width, name in ((80, "80"), (120, "120"), (None, "pipe")):
            (SNAPSHOTS / f"tables_{name}.txt").write_text(snapshot(width, patch))
