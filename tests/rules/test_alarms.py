"""Alarms: what each watches, that it is quiet when nothing is wrong, and what the runbook says of it."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import click
import pytest
from tests.unit.cli.package_files import PLATFORM

from silvaengine_cli.costs.prices import read_prices
from silvaengine_cli.main import cli
from silvaengine_cli.preflight.stack import Stack
from silvaengine_cli.publishing.monitoring import alarms, metric_filters

from .conftest import LAMBDAS, PROJECT, TEMPLATE, ResourcesWith
from .test_metrics import NAMESPACE, dimension, transformation
from .test_template import TOPIC, of_kinds, of_type

RUNBOOK = (PROJECT / "docs/operations.md").read_text()
PARTS = ("Means", "Look", "Do")
ARN = "arn:aws:dynamodb:eu-central-1:111122223333:table/orders/stream/1"
EVERYTHING = {
    "IsolatedWorker": "true",
    "MakeFifoQueue": "true",
    "EventStreamArn": ARN,
    "SnsTopicArn": TOPIC,
    "TenantMetrics": "true",
    "TasksFunctionName": "agenttask",
}
PACKAGE = replace(PLATFORM, stack="silvaengine", tenant_metrics=True)

type Properties = dict[str, Any]


@pytest.fixture(scope="module")
def watched() -> dict[str, Properties]:
    """The alarms of a stack and of a package that have all of them."""
    stack = Stack.of(TEMPLATE, "silvaengine", EVERYTHING)
    made = stack.of_type("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")
    return {name: each["Properties"] for name, each in (made | alarms(PACKAGE, "shop", "Shop")).items()}


def sections() -> dict[str, str]:
    """Return the runbook's sections about alarms, by the alarm's name."""
    parts = re.split(r"^#{2,3} ", RUNBOOK, flags=re.MULTILINE)
    named = (part.partition("\n")[::2] for part in parts)
    return {title: text for title, text in named if title.endswith("Alarm")}


def test_each_alarm_leads_to_its_section(watched: dict[str, Properties]) -> None:
    """Its description ends with a link to a section of its name; no section is of no alarm."""
    known, led = sections(), set()
    for name, properties in watched.items():
        text, _, anchor = properties["AlarmDescription"].rpartition(": docs/operations.md#")
        (title,) = (each for each in known if each.lower() == anchor)
        assert text
        assert name.endswith(title)
        led.add(title)
    assert led == known.keys()


@pytest.mark.parametrize("title", sections())
def test_a_section_says_what_it_means_and_what_to_do(title: str) -> None:
    """What it means, how to look, what to do, each in a line."""
    found = re.findall(r"^- \*\*(\w+):\*\* (.+)$", sections()[title], re.MULTILINE)
    assert tuple(part for part, _ in found) == PARTS
    named = set(re.findall(r"`(\w+Alarm)`", sections()[title]))
    stack = Stack.of(TEMPLATE, "silvaengine", EVERYTHING).resources
    assert {name for name in named if name != "FailuresAlarm"} <= stack.keys()


def commands() -> Iterator[str]:
    """Yield the commands that the runbook names."""
    yield from re.findall(r"`silvaengine ([^`]+)`", RUNBOOK)


@pytest.mark.parametrize("command", sorted(set(commands())))
def test_a_command_of_the_runbook_exists(command: str) -> None:
    """With its options: nobody is sent to something that isn't there in the night."""
    name, *words = command.split()
    found = cli.get_command(click.Context(cli), name)
    while isinstance(found, click.Group):  # `trace ID` is `trace show ID`
        found = found.commands[words.pop(0) if words[0] in found.commands else "show"]
    assert found is not None
    options = {option for parameter in found.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


def test_an_idle_deployment_is_quiet(watched: dict[str, Properties]) -> None:
    """Without data nothing rings but the alarm on the sweeper, which runs each minute."""
    silent = {name: each["TreatMissingData"] for name, each in watched.items() if "AlarmRule" not in each}
    assert silent.pop("SweeperLagAlarm") == "breaching"
    assert set(silent.values()) == {"notBreaching"}
    assert watched["HttpLatencyAlarm"]["EvaluateLowSampleCountPercentile"] == "ignore"


def test_each_alarm_tells_the_topic(watched: dict[str, Properties], resources_with: ResourcesWith) -> None:
    """All of them, if there is one."""
    assert {str(each["AlarmActions"]) for each in watched.values()} == {str([TOPIC]), str([PACKAGE.topic])}
    unheard = of_kinds(resources_with(), "AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")
    assert not any("AlarmActions" in each["Properties"] for each in unheard.values())


def test_an_alarm_watches_a_metric_that_is_made(
    watched: dict[str, Properties], resources_with: ResourcesWith
) -> None:
    """A metric of log lines is one of a filter's, by the same dimension."""
    filters = [*of_type(resources_with(**EVERYTHING), "AWS::Logs::MetricFilter").values()]
    filters += metric_filters(PACKAGE, "Logs").values()
    made = {
        (transformation(each["Properties"])["MetricName"], dimension(each["Properties"])) for each in filters
    }
    own = [each for each in watched.values() if each.get("Namespace") == NAMESPACE]
    assert {(each["MetricName"], *(one["Name"] for one in each["Dimensions"])) for each in own} <= made
    assert {each["MetricName"] for each in own} == {"ExcessFailures", "DeadJobs", "SweeperLag"}


@pytest.mark.parametrize("function", LAMBDAS)
def test_every_function_has_its_alarms(watched: dict[str, Properties], function: str) -> None:
    """Errors and throttles by its name, whatever that is, and the share of its service's failures."""
    named = [{"Name": "FunctionName", "Value": {"Ref": function}}]
    found = {each["MetricName"] for each in watched.values() if each.get("Dimensions") == named}
    assert found - {"IteratorAge"} == {"Errors", "Throttles"}
    service = function.removesuffix("Isolated")
    assert watched[f"{service}FailuresAlarm"]["MetricName"] == "ExcessFailures"


def test_a_share_is_of_the_lines_of_that_lambda(watched: dict[str, Properties]) -> None:
    """Each service's alarm watches the name that the Lambda writes into its lines."""
    sources = {name: (PROJECT / each["Properties"]["CodeUri"]) for name, each in LAMBDAS.items()}
    for name, source in sources.items():
        alarm = watched.get(f"{name}FailuresAlarm")
        if alarm is not None:
            ((service,),) = ([each["Value"] for each in alarm["Dimensions"]],)
            texts = [path.read_text() for path in source.rglob("*.py")]
            assert any(re.search(rf'lambda_handler\(\s*"{service}"', text) for text in texts), name


def test_the_worst_function_rings_by_itself(watched: dict[str, Properties]) -> None:
    """One query over all functions, which returns one series: Create_Metrics_Insights_Alarm.html."""
    alarm = watched["FunctionFailuresAlarm"]
    ((query,), threshold) = alarm["Metrics"], alarm["Threshold"]
    assert query["Expression"].startswith("SELECT SUM(ExcessFailures) ")
    assert f'FROM SCHEMA("{NAMESPACE}", function) GROUP BY function ' in query["Expression"]
    assert query["Expression"].endswith("ORDER BY SUM() DESC LIMIT 1")
    assert not alarm.keys() & {"MetricName", "Namespace", "Dimensions", "Period", "Statistic"}
    assert (query["Period"], threshold) == (300, watched["WorkerFailuresAlarm"]["Threshold"])


def test_users_are_affected_by_what_clients_notice(watched: dict[str, Properties]) -> None:
    """The composite alarm names alarms of the stack, and those of the runbook's section."""
    named = set(re.findall(r"\$\{(\w+)}", str(watched["UsersAffectedAlarm"]["AlarmRule"])))
    assert named <= watched.keys()
    said = set(re.findall(r"`(\w+Alarm)`", sections()["UsersAffectedAlarm"]))
    assert named - {"HttpGatewayFailuresAlarm", "WebsocketGatewayFailuresAlarm"} == said - {"FailuresAlarm"}


@pytest.mark.parametrize(("kind", "metric"), [("rest", "5XXError"), ("http", "5xx")])
def test_the_http_api_s_own_failures_and_latency_raise_alarms(kind: str, metric: str) -> None:
    """The share of its 5xx, also those that no Lambda has seen, and its slowest hundredth."""
    made = Stack.of(TEMPLATE, "silvaengine", {"HttpLatencyAlarmMilliseconds": "1500", "ApiKind": kind})
    failures, latency = (made.resources[f"Http{name}Alarm"]["Properties"] for name in ("Failures", "Latency"))
    api = {"rest": {"Name": "ApiName", "Value": "silvaengine"}}.get(
        kind, {"Name": "ApiId", "Value": {"Ref": "HttpApi"}}
    )
    assert failures["Dimensions"] == latency["Dimensions"] == [api, {"Name": "Stage", "Value": "beta"}]
    assert (failures["MetricName"], failures["Statistic"], failures["Threshold"]) == (metric, "Average", 0.05)
    assert failures["EvaluationPeriods"] * failures["Period"] == 600
    assert (latency["ExtendedStatistic"], latency["Threshold"]) == ("p99", "1500")
    assert "Statistic" not in latency


def test_the_page_s_costs_are_those_of_the_template() -> None:
    """Each figure is what the list of prices makes of the template's alarms and metrics."""
    stack = Stack.of(TEMPLATE, "silvaengine", {"TenantMetrics": "true"})
    ringing = len(stack.of_type("AWS::CloudWatch::Alarm"))
    filters = [each["Properties"] for each in stack.of_type("AWS::Logs::MetricFilter").values()]

    def metrics(by: str, group: str) -> int:
        names = {
            transformation(each)["MetricName"]
            for each in filters
            if dimension(each) == by and each["LogGroupName"] == {"Ref": group}
        }
        return len(names)

    service, worker, function, tenant = (
        metrics(*where)
        for where in (
            ("service", "HttpGatewayLogs"),
            ("service", "WorkerLogs"),
            ("function", "WorkerLogs"),
            ("endpoint_id", "WorkerLogs"),
        )
    )
    cost = read_prices().cost
    figures = {
        f"the stack's {ringing + 1} alarms": cost({"alarm_months": ringing, "composite_alarm_months": 1}),
        "each service": cost({"metric_months": service}),
        "each function": cost({"metric_months": function, "alarm_months": 1}),
        "each package": cost({"metric_months": worker, "alarm_months": 3}),
        "each tenant": cost({"metric_months": tenant}),
        "`Dashboard=true`": cost({"dashboard_months": 1}),
    }
    for what, figure in figures.items():
        assert re.search(rf"^\| {what}[^|]*\| {figure:.2f} \|$", RUNBOOK, re.MULTILINE), (what, figure)
    assert f"list prices of us-east-1 of {read_prices().read}" in RUNBOOK


def test_only_the_engine_lacks_what_it_lacks(resources_with: ResourcesWith) -> None:
    """There the function's and the composite alarm and the saved queries aren't made, and nothing else."""
    on_aws = Stack.of(TEMPLATE, "silvaengine", {"Dashboard": "true"}).resources
    local = Stack.of(TEMPLATE, "silvaengine", {"Dashboard": "true", "LocalEndpoint": "http://127.0.0.1:4566"})
    missing = {on_aws[name]["Type"] for name in on_aws.keys() - local.resources.keys()}
    lacked = {
        "CloudWatch::Alarm",
        "CloudWatch::CompositeAlarm",
        "CloudWatch::Dashboard",
        "Logs::QueryDefinition",
    }
    assert missing - {"AWS::SQS::QueuePolicy", "AWS::S3::BucketPolicy"} == {f"AWS::{each}" for each in lacked}
    assert {name for name in on_aws.keys() - local.resources.keys() if name.endswith("Alarm")} == {
        "FunctionFailuresAlarm",
        "UsersAffectedAlarm",
    }
