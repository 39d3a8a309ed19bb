"""Metrics of log lines: what counts and what doesn't, by what it is counted, and who shows it."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.cli.package_files import PLATFORM

from silvaengine.observability.logging import InvocationLog
from silvaengine.observability.printed import MARK
from silvaengine.websocket.broadcasts import BroadcastCounts
from silvaengine_cli.preflight.stack import Stack
from silvaengine_cli.preflight.template import Resources
from silvaengine_cli.publishing.monitoring import metric_filters

from .conftest import LAMBDAS, TEMPLATE, ResourcesWith
from .filter_pattern import matches, select
from .test_template import of_type

EVERYTHING = {"IsolatedWorker": "true", "TenantMetrics": "true", "Dashboard": "true", "MakeFifoQueue": "true"}
NAMESPACE = "SilvaEngine/silvaengine"
FUNCTION = {"endpoint_id": "acme", "area": "core", "function": "hello"}
SENT = BroadcastCounts(3, 0, 0)._asdict()

type Line = dict[str, Any]

OK, SLOW = {"service": "worker", "status": 200}, {"service": "http", "status": 504}
REFUSED, LIMITED = {"service": "http", "status": 404}, {"service": "http", "status": 429}
FAILED, JOB = {"service": "worker", "status": 500}, {"job_id": "x", "attempt": 2}
SWEPT = {"service": "sweeper", "status": 200, "lag": 70, "seen": 3, "buried": 1, "dispatched": 2}
IDLE = {"service": "sweeper", "status": 200, "lag": 0}
# The lines that a filter counts, each with its value, and those that it doesn't.
CASES: dict[str, tuple[list[tuple[Line, float | None]], list[Line]]] = {
    "Latency": ([(OK, None), (SLOW, None), (FAILED, None)], []),
    "ClientErrors": ([(REFUSED, 1), (LIMITED, 1)], [OK, SLOW, FAILED]),
    "Throttles": ([(LIMITED, 1)], [OK, REFUSED, {**SLOW, "status": 503}]),
    "Failures": ([(SLOW, 1), (FAILED, 1)], [OK, REFUSED, LIMITED]),
    "Excess": ([(SLOW, 1), (FAILED, 1)], [OK, REFUSED, LIMITED]),
    "Served": ([(OK, -0.05), (REFUSED, -0.05)], [SLOW, FAILED]),
    "ColdStarts": ([({**OK, "cold_start": True}, 1)], [{**OK, "cold_start": False}]),
    "Attempts": ([(OK | JOB, 1), (FAILED | JOB, 1)], [OK, FAILED]),
    "FailedAttempts": ([(FAILED | JOB, 1), ({**OK, **JOB, "status": 404}, 1)], [OK | JOB, FAILED]),
    "Duplicates": ([(OK | JOB | {"duplicate": True}, 1)], [OK | JOB]),
    "LateWrites": ([(OK | JOB | {"late": True}, 1)], [OK | JOB]),
    "Replies": ([({**OK, "gone": False}, 1)], [OK, {**OK, "gone": True}]),
    "Pushes": ([({**OK, "service": "broadcaster", **SENT}, 3)], [{**OK, "sent": 0}]),
    "FailedPushes": ([({**OK, "service": "broadcaster", "failed": 2}, 2)], [{**OK, **SENT}]),
    "Lag": ([(SWEPT, 70), (IDLE, 0)], [{"service": "sweeper", "status": 503}]),
    "Retries": ([(SWEPT, 2)], [IDLE]),
    "DeadJobs": ([(SWEPT, 1)], [IDLE]),
}
NO_LINES = [
    "START RequestId: 1 Version: $LATEST",
    '{"level": "ERROR", "logger": "shop", "message": "status 500", "request_id": "1"}',
    '{"status": 500, "cold_start": true, "attempt": 1}',  # what a function prints
    '{"total_ms": null, "status": "500"}',
    '{"duplicate": true, "late": true, "gone": false, "sent": 3, "failed": 2}',
    '{"lag": 70, "dispatched": 2, "buried": 1}',
    '{"service": "http", "endpoint_id": "victim", "status": 500, "total_ms": 1}' + MARK,
]


@pytest.fixture(scope="module")
def filters(resources_with: ResourcesWith) -> dict[str, dict[str, Any]]:
    """The metric filters of a stack that has all of them."""
    made = of_type(resources_with(**EVERYTHING), "AWS::Logs::MetricFilter")
    return {name: each["Properties"] for name, each in made.items()}


def row(name: str) -> str:
    """Return which of the template's metrics a filter makes."""
    return max((each for each in CASES if name.endswith(f"{each}Filter")), key=len)


def transformation(properties: dict[str, Any]) -> dict[str, Any]:
    """Return what a filter makes of a line; there is one in each: API_PutMetricFilter.html."""
    (only,) = properties["MetricTransformations"]
    return dict(only)


def dimension(properties: dict[str, Any]) -> str:
    """Return by what a filter's metric is counted."""
    (only,) = transformation(properties)["Dimensions"]
    assert only["Value"] == f"$.{only['Key']}"
    return str(only["Key"])


def test_every_filter_is_tried(filters: dict[str, dict[str, Any]]) -> None:
    """No metric of the template is without lines that count and, where there are any, lines that don't."""
    assert {row(name) for name in filters} == CASES.keys()


@pytest.mark.parametrize("name", CASES)
def test_a_filter_counts_its_lines_and_no_others(
    name: str, filters: dict[str, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Lines as the Lambdas write them count with their value; records and what functions print don't."""

    def written(fields: Line) -> str:
        log = InvocationLog(fields["service"])
        log.add(**FUNCTION | fields)
        log.emit()
        return capsys.readouterr().out

    counting, others = CASES[name]
    made = [each for filter_name, each in filters.items() if row(filter_name) == name]
    for properties in made:
        pattern, value = properties["FilterPattern"], transformation(properties)["MetricValue"]
        for fields, wanted in counting:
            line = written(fields)
            assert matches(pattern, line), (pattern, line)
            found = select(value, json.loads(line)) if value.startswith("$") else float(value)
            assert found == (json.loads(line)["total_ms"] if wanted is None else wanted)
            assert isinstance(select(f"$.{dimension(properties)}", json.loads(line)), str)
        for line in [*map(written, others), *NO_LINES]:
            assert not matches(pattern, line), (pattern, line)


SHARES = [(0, 0, False), (1, 0, False), (4, 0, False), (5, 0, True), (5, 10, True), (6, 100, False)]


@pytest.mark.parametrize(("failed", "served", "rings"), [*SHARES, (50, 1_000, False), (60, 1_000, True)])
def test_excess_failures_are_a_share(
    failed: int, served: int, *, rings: bool, filters: dict[str, dict[str, Any]], resources: Resources
) -> None:
    """Few failures ring no alarm, whatever their share is, and neither do many that are below a twentieth."""
    values = {
        row(name): float(transformation(each)["MetricValue"])
        for name, each in filters.items()
        if transformation(each)["MetricName"] == "ExcessFailures"
    }
    total = failed * values["Excess"] + served * values["Served"]
    alarms = [each["Properties"] for each in of_type(resources, "AWS::CloudWatch::Alarm").values()]
    thresholds = {each["Threshold"] for each in alarms if "ExcessFailures" in str(each)}
    assert [total > threshold for threshold in thresholds] == [rings]


def test_no_metric_names_a_tenant_unless_asked_for() -> None:
    """By default metrics are of services and functions; TenantMetrics adds the worker's by tenant."""

    def counted_by(**parameters: str) -> set[tuple[str, str]]:
        stack = Stack.of(TEMPLATE, "silvaengine", {"IsolatedWorker": "true", **parameters})
        made = [each["Properties"] for each in stack.of_type("AWS::Logs::MetricFilter").values()]
        return {(dimension(each), each["LogGroupName"]["Ref"]) for each in made}

    workers = {"WorkerLogs", "WorkerIsolatedLogs"}
    usual = {("service", f"{name}Logs") for name in LAMBDAS} | {("function", name) for name in workers}
    assert counted_by() == usual
    assert counted_by(TenantMetrics="true") == usual | {("endpoint_id", name) for name in workers}


def test_a_stack_has_metrics_of_its_own(filters: dict[str, dict[str, Any]]) -> None:
    """The namespace is the stack's; a filter with a dimension has no default value."""
    made = [transformation(each) for each in filters.values()]
    assert {each["MetricNamespace"] for each in made} == {NAMESPACE}
    assert not any("DefaultValue" in each for each in made)
    assert max(len(each["FilterPattern"]) for each in filters.values()) <= 1024


def test_a_published_package_has_the_metrics_of_the_worker(filters: dict[str, dict[str, Any]]) -> None:
    """By package instead of by service; its functions and tenants are counted with those of the worker."""
    platform = replace(PLATFORM, stack="silvaengine", tenant_metrics=True)
    made = {name: each["Properties"] for name, each in metric_filters(platform, "WorkerLogs").items()}
    workers = {
        name.replace("Worker", "Package"): json.loads(json.dumps(each).replace("service", "package"))
        for name, each in filters.items()
        if each["LogGroupName"] == {"Ref": "WorkerLogs"}
    }
    assert made == workers
    assert {dimension(each) for each in made.values()} == {"package", "function", "endpoint_id"}
    usual = metric_filters(replace(platform, tenant_metrics=False), "PackageLogs").values()
    assert {dimension(each["Properties"]) for each in usual} == {"package", "function"}


def test_the_dashboard_shows_metrics_that_are_made(
    resources_with: ResourcesWith, filters: dict[str, dict[str, Any]]
) -> None:
    """Its body is JSON, and each metric in it is one of a filter's, by that dimension."""
    (dashboard,) = of_type(resources_with(**EVERYTHING), "AWS::CloudWatch::Dashboard").values()
    assert dashboard["Condition"] == "ShowsDashboard"
    body = re.sub(r"\$\{[\w.]+}", "x", dashboard["Properties"]["DashboardBody"]["Fn::Sub"])
    made = {(dimension(each), transformation(each)["MetricName"]) for each in filters.values()}
    shown = set()
    for widget in json.loads(body)["widgets"]:
        for ((metric,),) in [widget["properties"]["metrics"]] if widget["type"] == "metric" else []:
            (schema,) = re.findall(rf'\{{"{NAMESPACE}",(\w+)}}', metric["expression"])
            names = re.findall(r'"(\w+)"', metric["expression"])
            shown |= {(schema, name) for name in names}
    assert len(shown) > 10
    assert shown <= made


def test_saved_queries_read_fields_that_lines_have(resources_with: ResourcesWith) -> None:
    """A query names fields that are in some line, and log groups that the stack makes."""
    resources = resources_with()
    queries = of_type(resources, "AWS::Logs::QueryDefinition")
    assert len(queries) == 4
    known = {"service", "status", "total_ms", "cold_start", "error", "error_type", "request_id", *FUNCTION}
    grammar = {"filter", "stats", "fields", "sort", "limit", "by", "as", "and", "desc"}
    for query in queries.values():
        text = query["Properties"]["QueryString"]
        names = set(re.findall(r"(?<![@\w'])[a-z_]+(?![\w('])", text))
        assert names - grammar - {"tenant", *re.findall(r"as (\w+)", text)} <= known
        assert {each["Ref"] for each in query["Properties"]["LogGroupNames"]} <= resources.keys()
        assert query["Condition"] == "IsAws"
