"""What an operator asks of a deployment that runs: why, who, and what is broken, by one command each."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from click.testing import CliRunner, Result

from silvaengine_cli import deploy
from silvaengine_cli.deployment import Deployment as CommandLine
from silvaengine_cli.main import cli

from ..canaries import TEXTS, found_in
from .conftest import Deployment
from .registry_rows import API_KEY

KEY = {"x-api-key": API_KEY}


def run(deployment: Deployment, *command: str, columns: str = "120") -> Result:
    """Run a command on the stack."""
    where = ["--stack", deploy.LOCAL_STACK, "--endpoint-url", deployment.engine.url]
    return CliRunner(mix_stderr=False).invoke(cli, [*command, *where], env={"COLUMNS": columns})


@pytest.fixture(scope="module")
def request_id(deployment: Deployment) -> str:
    """The id of a request that failed, after one that went well and one that tells secrets."""
    deployment.api.post("/core/e2e/tell", {"how": "fail", "texts": list(TEXTS.values())}, KEY)
    deployment.api.get("/core/e2e/arguments", KEY)
    failed = deployment.api.get("/core/e2e/fail", KEY)
    assert failed.status == 500
    return failed.headers["x-request-id"]


def test_why_a_request_failed(deployment: Deployment, request_id: str) -> None:
    """The request's line, the worker's, and under it what the function raised, with its place."""
    shown = run(deployment, "logs", "--request", request_id).stdout
    assert "GET        /core/e2e/fail" in shown
    assert "RuntimeError" in shown
    assert "e2e_functions.py" in shown
    assert "arguments" not in shown
    lines = [json.loads(line) for line in run(deployment, "logs", "--errors", "--json").stdout.splitlines()]
    of_request = [line for line in lines if line["request_id"] == request_id]
    assert {line.get("service") for line in of_request} >= {"http", "worker"}
    assert all(line["status"] >= 500 or line.get("failed") for line in lines if "service" in line)


def test_how_the_deployment_does(deployment: Deployment, request_id: str) -> None:
    """Calls, failures and times by tenant and function, jobs, queues, and an alarm that rings."""
    target = CommandLine(stack=deploy.LOCAL_STACK, endpoint_url=deployment.engine.url)
    alarm = next(iter(target.resources("AWS::CloudWatch::Alarm").values()))
    alarms = deployment.engine.client("cloudwatch")
    alarms.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="a test")
    try:
        facts = json.loads(run(deployment, "status", "--top", "1000", "--json").stdout)
    finally:
        alarms.set_alarm_state(AlarmName=alarm, StateValue="OK", StateReason="a test")
    assert facts["services"]["http"]["calls"] >= 3
    assert facts["functions"]["fail"]["failed"] >= 1
    assert facts["tenants"]["e2e"]["failed"] >= 2
    assert facts["tenants"]["e2e"]["p99_ms"] >= facts["tenants"]["e2e"]["p50_ms"] > 0
    assert facts["queues"].keys() >= {"dead jobs", "dead events", "waiting events"}
    assert alarm in facts["alarms"]


@contextmanager
def deaf(deployment: Deployment) -> Iterator[None]:
    """Let a queue bring nothing."""
    target = CommandLine(stack=deploy.LOCAL_STACK, endpoint_url=deployment.engine.url)
    uuid = next(iter(target.resources("AWS::Lambda::EventSourceMapping").values()))
    functions = deployment.engine.client("lambda")
    functions.update_event_source_mapping(UUID=uuid, Enabled=False)
    try:
        yield
    finally:
        functions.update_event_source_mapping(UUID=uuid, Enabled=True)


def test_what_is_broken(deployment: Deployment) -> None:
    """A source that brings nothing, a rule that stands, functions that can't be imported where they run."""
    config = {"module_name": "gone", "methods": ["GET"]}
    worker = deployment.outputs.worker_arn
    deployment.rows.put("functions", aws_lambda_arn=worker, function="gone", area="core", config=config)
    with deaf(deployment):
        done = run(deployment, "doctor", "--json")
    found: list[Any] = json.loads(done.stdout)
    assert done.exit_code == 1
    for part in (
        "gone:gone can't be imported by silvaengine-local-Worker: ",
        " is Disabled, so that its events wait: `aws lambda update-event-source-mapping --enabled",
        " is DISABLED, nothing comes: `aws events enable-rule",  # the sweeper's, in these tests
    ):
        assert any(part in finding for finding in found), found
    assert not [finding for finding in found if finding.startswith("table") or "not checked" in finding]


def test_t13_no_secret_is_shown(deployment: Deployment, request_id: str) -> None:
    """Whatever tests have sent and let fail: not by any of these commands."""
    commands = (["logs", "--verbose"], ["logs", "--json"], ["status"], ["status", "--json"], ["doctor"])
    shown = [run(deployment, *command).output for command in commands]
    assert all(shown)
    assert found_in("\n".join(shown)) == []
