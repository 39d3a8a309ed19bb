"""`silvaengine status` of a made-up stack, in moto."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from silvaengine.tables import EXECUTIONS, PACKAGES, WSS_CONNECTIONS, Table
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.main import cli
from silvaengine_cli.registry.tables import to_item

from ..canaries import found_in
from .conftest import made_tables, pointed_at
from .log_groups import STACK, Written, written_logs
from .stacks import create_stack

ALARM = {"Namespace": "n", "MetricName": "m", "Period": 60, "EvaluationPeriods": 1, "Statistic": "Sum"}
ALARM |= {"Threshold": 0, "ComparisonOperator": "GreaterThanThreshold", "AlarmDescription": "it rings: see x"}
RINGS = f"{STACK}-pkg-shop-Loud"  # moto has no alarms of stacks
FUNCTION = f"arn:aws:lambda:us-east-1:123456789012:function:{STACK}"
OUTPUTS: dict[str, Any] = {"TablePrefix": "se-", "WorkerArn": f"{FUNCTION}-Worker"}
OUTPUTS |= {"DeadLetterQueueUrl": {"Ref": "DeadLetterQueue"}}
ROWS: tuple[tuple[Table, dict[str, Any]], ...] = (
    *((EXECUTIONS, {"job_id": f"j{number}", "state": "dead", "parameters": "canary"}) for number in range(3)),
    (EXECUTIONS, {"job_id": "j4", "state": "running"}),
    (WSS_CONNECTIONS, {"endpoint_id": "acme", "connection_id": "c1", "status": "active"}),
    (
        PACKAGES,
        {
            "function_arn": f"{FUNCTION}-pkg-shop",
            "item": "pointer",
            "package": "shop",
            "release": 7,
            "changed_at": 1_790_000_000,
            "pins": {},
        },
    ),
)
CALLED: dict[str, Any] = {"service": "http", "method": "GET", "endpoint_id": "acme", "cold_start": False}
CALLED |= {"status": 200, "total_ms": 10}
RAN = {"service": "worker", "function": "hello", "cold_start": False, "status": 200, "total_ms": 8}

type Status = Callable[..., Result]


@pytest.fixture
def deployment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """A stack with tables, a dead letter and an alarm that rings."""
    found = Deployment(stack=STACK, endpoint_url=pointed_at("moto", request, monkeypatch))
    with made_tables(str(found.endpoint_url)) as dynamodb:
        for table, row in ROWS:
            dynamodb.put_item(TableName=f"se-{table.name}", Item=to_item(row))
        stacks, alarms = found.client("cloudformation"), found.client("cloudwatch")
        create_stack(stacks, STACK, OUTPUTS, resources={"DeadLetterQueue": {"Type": "AWS::SQS::Queue"}})
        found.client("sqs").send_message(QueueUrl=found.output("DeadLetterQueueUrl"), MessageBody="dead")
        for name in (RINGS, f"{STACK}-pkg-shop-Calm", f"{STACK}ing-pkg-shop-Other"):
            alarms.put_metric_alarm(AlarmName=name, **ALARM)
        for name in (RINGS, f"{STACK}ing-pkg-shop-Other"):
            alarms.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a test")
        yield found
        stacks.delete_stack(StackName=STACK)


@pytest.fixture
def written(deployment: Deployment) -> Iterator[Written]:
    """Calls of two tenants: one is slow, one has a failure; an old one was three hours ago."""
    with written_logs(deployment.client("logs")) as written:
        for number in range(8):
            tenant = "acme" if number % 2 else "slow"
            slow = {"total_ms": 900} if tenant == "slow" else {}
            written.put_records(
                "HttpGateway", {**CALLED, "endpoint_id": tenant} | slow, later=-1_000 * number - 1
            )
            written.put_records("packages/shop", {**RAN, "package": "shop"}, later=-1_000 * number - 2)
        written.put_records("HttpGateway", CALLED | {"status": 500}, later=-500)
        written.put_records("HttpGateway", CALLED | {"endpoint_id": "old", "status": 404}, later=-10_800_000)
        written.put_records(
            "Worker", {**RAN, "status": 500, "cold_start": True}, {"message": "printed"}, later=-500
        )
        yield written


@pytest.fixture
def status(deployment: Deployment) -> Status:
    """Run `silvaengine status` with arguments."""

    def run(*arguments: str) -> Result:
        command = ["status", *arguments, "--stack", STACK, "--endpoint-url", str(deployment.endpoint_url)]
        return CliRunner(mix_stderr=False).invoke(cli, command, env={"COLUMNS": "80"}, catch_exceptions=False)

    return run


def test_the_numbers_are_those_of_the_lines(written: Written, status: Status) -> None:
    """Counted by service, function and tenant; what failed stands first, then what is slow."""
    facts = json.loads(status("--json").stdout)
    assert {name: each["calls"] for name, each in facts["services"].items()} == {"http": 9, "worker": 9}
    assert facts["services"]["worker"]["cold_starts"] == 1
    assert list(facts["tenants"]) == ["acme", "slow"]
    assert facts["tenants"]["acme"] == {
        "calls": 5,
        "refused": 0,
        "failed": 1,
        "cold_starts": 0,
        "per_second": pytest.approx(5 / 300, abs=0.01),
        "p50_ms": 10,
        "p99_ms": 10,
    }
    assert facts["tenants"]["slow"]["p99_ms"] == 900
    assert {name: each["failed"] for name, each in facts["functions"].items()} == {
        "hello": 1,
        "shop/hello": 0,
    }
    assert facts["lines"] == 18
    assert facts["covers_all"]


def test_rows_queues_and_alarms_are_counted(written: Written, status: Status) -> None:
    """Each alarm that rings is there with what it means."""
    facts = json.loads(status("--json").stdout)
    assert facts["ledger"] == {"dead": 3, "running": 1}
    assert facts["sockets"] == {"active": 1}
    assert facts["queues"] == {"dead jobs": 1}
    assert facts["alarms"] == {RINGS: "it rings: see x"}
    assert [(each["package"], each["release"]) for each in facts["packages"]] == [("shop", 7)]


def test_a_person_sees_one_screen(written: Written, status: Status) -> None:
    """Eighty columns, and all of it; a tenant that is slow since some time is found by one command."""
    shown = status("--since", "1m", "--top", "1")
    lines = shown.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) < 40
    assert re.fullmatch(r"read: 18 lines of the last 1 min \d s", lines[0])
    assert [line.split()[0] for line in lines if line.startswith(("acme", "slow"))] == ["acme"]
    assert lines[-5:-1] == [
        "sockets: 1 active",
        "jobs: 3 dead, 1 running",
        "queues: 1 dead jobs",
        "alarms: 1",
    ]
    assert lines[-1] == f"  {RINGS}: it rings: see x"
    assert found_in(shown.stdout) == []


def test_no_more_lines_are_read_than_asked_for(written: Written, status: Status) -> None:
    """The last are; of how long a time they are is said."""
    shown = status("--since", "1d", "--lines", "1").stdout.splitlines()[0]
    assert shown == "read: 18 lines of the last 10 s, no further back than --lines"
    facts: dict[str, Any] = json.loads(status("--since", "1d", "--json").stdout)
    assert facts["tenants"]["old"]["refused"] == 1


def test_watching_shows_it_anew_until_ctrl_c(
    written: Written, status: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time with what was written meanwhile."""

    def pause(_seconds: float) -> None:
        if pauses:
            raise KeyboardInterrupt
        pauses.append(1)
        written.put_records("Worker", RAN, later=-1)

    pauses = list[int]()
    monkeypatch.setattr("silvaengine_cli.commands.status.time.sleep", pause)
    shown = status("--watch")
    assert shown.exit_code == 0
    assert [line.split()[1] for line in shown.stdout.splitlines() if "lines of" in line] == ["18", "19"]
