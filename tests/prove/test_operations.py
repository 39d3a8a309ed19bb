"""What an operator sees: log lines, metrics, alarms, dead jobs."""

import time

import pytest

from silvaengine_cli.usage.period import Period
from silvaengine_cli.usage.totals import UsageTable
from silvaengine_tasks.usage.rows import HOUR

from .conftest import Figures, Target, eventually


def test_a_call_is_a_line_of_the_log(target: Target) -> None:
    """The gateway's line about a request has the id that the client got."""
    since = time.time() - 5
    request_id = target.api.get("/core/prove/echo").headers["x-request-id"]
    lines = eventually(
        lambda: [line for line in target.logged("HttpGateway", since) if request_id in line], bool, 60
    )
    assert len([line for line in lines if "total_ms" in line]) == 1


def test_usage_is_counted_from_the_lines(target: Target) -> None:
    """The roll-up may read the logs, AWS takes its pattern, and each call is counted once."""
    table, now = UsageTable(target.deployment), int(time.time()) // HOUR

    def calls() -> int:
        table.refresh()
        usages = table.totals(Period(now, now + 2), "prove").usages
        return sum(usage.amounts["calls"] for usage in usages.values())

    before = eventually(calls, lambda seen: calls() == seen, 120)
    for _ in range(3):
        assert target.api.get("/core/prove/echo").status == 200
    assert eventually(calls, lambda seen: seen >= before + 3, 120) == before + 3


@pytest.mark.aws_only("the local engine makes no metric of a log line")
@pytest.mark.proves("failures-metric")
def test_a_failed_call_raises_the_metric(target: Target) -> None:
    """Filters of the log make a metric of calls that failed, and the alarms go off that are made of it."""
    for _ in range(20):
        assert target.api.get("/core/prove/fail").status == 500
    names = [
        target.resource(f"{name}Alarm") for name in ("WorkerFailures", "FunctionFailures", "UsersAffected")
    ]
    alarms = target.client("cloudwatch")

    def quiet() -> list[str]:
        found = alarms.describe_alarms(AlarmNames=names, AlarmTypes=["MetricAlarm", "CompositeAlarm"])
        states = [*found["MetricAlarms"], *found["CompositeAlarms"]]
        return [each["AlarmName"] for each in states if each["StateValue"] != "ALARM"]

    assert eventually(quiet, [].__eq__, 900) == []


@pytest.mark.aws_only("the local engine makes no metric of a log line")
@pytest.mark.proves("log-metrics")
def test_the_sweepers_lines_are_metrics(target: Target) -> None:
    """What the sweeper writes into its line is a metric."""
    metrics = target.client("cloudwatch")
    listed = eventually(
        lambda: metrics.list_metrics(
            Namespace=f"SilvaEngine/{target.stack}",
            MetricName="SweeperLag",
            Dimensions=[{"Name": "service", "Value": "sweeper"}],
        )["Metrics"],
        bool,
        600,
    )
    assert listed


@pytest.mark.aws_only("the local engine's alarms have no state")
@pytest.mark.proves("sweeper-lag-alarm")
def test_a_new_stack_rings_no_alarm_for_the_sweeper(target: Target) -> None:
    """In the minutes after a first deployment the alarm on the sweeper hasn't gone off."""
    name = target.resource("SweeperLagAlarm")
    (alarm,) = target.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    assert alarm["StateValue"] != "ALARM"


def test_a_dead_job_is_told(target: Target) -> None:
    """A job that has failed for good is dead, and the queue has a message."""
    accepted = target.api.post("/core/prove/fail_later", {})
    path = f"/core/prove/job_status?job_id={accepted.json()['job_id']}"
    ended = eventually(
        lambda: target.api.get(path).json(), lambda job: job["status"] in {"failed", "dead"}, 180
    )
    assert ended["status"] in {"failed", "dead"}
    sqs, url = target.client("sqs"), target.output("DeadLetterQueueUrl")
    job_id = accepted.json()["job_id"]

    def told() -> list[str]:
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=1)
        return [each["Body"] for each in messages.get("Messages", ()) if job_id in each["Body"]]

    assert eventually(told, bool, 240)


@pytest.mark.proves("access-logs")
def test_a_request_is_a_line_of_the_access_log(target: Target) -> None:
    """API Gateway writes a line about a request, where the account has its role for that."""
    if "AccessLogs" not in target.parameters:
        pytest.skip("needs API Gateway's CloudWatch role in the account's settings, which a run doesn't make")
    assert target.api.get("/core/prove/echo?word=logged").status == 200
    logs, group = target.client("logs"), f"/aws/apigateway/{target.stack}"
    assert eventually(lambda: logs.filter_log_events(logGroupName=group)["events"], bool, 120)


@pytest.mark.proves("isolated-events")
def test_an_isolated_worker_takes_events(target: Target) -> None:
    """Lambda takes an invocation without waiting of a function in tenant isolation mode."""
    response = target.client("lambda").invoke(
        FunctionName=target.output("WorkerIsolatedArn"),
        InvocationType="Event",
        TenantId="prove",
        Payload=b"{}",
    )
    assert response["StatusCode"] == 202


@pytest.mark.proves("arm64")
def test_it_runs_on_arm64(target: Target) -> None:
    """What was built for arm64 runs there."""
    if target.parameters["Architecture"] != "arm64":
        pytest.skip("deployed for x86_64; for arm64: ARCHITECTURE=arm64 silvaengine prove")
    configuration = target.client("lambda").get_function_configuration(
        FunctionName=target.output("WorkerArn")
    )
    assert configuration["Architectures"] == ["arm64"]
    assert target.api.get("/core/prove/echo").status == 200


@pytest.mark.proves("index-lag")
def test_the_index_follows_the_table(target: Target, figures: Figures) -> None:
    """A job is in the sweeper's index soon after it was accepted; the figure is how soon."""
    job_id = target.api.post("/core/prove/rest", {"seconds": 5}).json()["job_id"]
    start, tables = time.monotonic(), target.client("dynamodb")

    def indexed() -> bool:
        pages = tables.get_paginator("scan").paginate(
            TableName=target.table("executions"), IndexName="due-index"
        )
        return any(item["job_id"]["S"] == job_id for page in pages for item in page["Items"])

    assert eventually(indexed, bool, 5)
    figures["seconds"] = round(time.monotonic() - start, 2)
