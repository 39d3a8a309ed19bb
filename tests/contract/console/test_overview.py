"""The page Overview of a made-up stack."""

import re
from collections.abc import Iterator

import pytest

from silvaengine.tables import EXECUTIONS, PACKAGES
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.registry.tables import to_item

from ..log_groups import STACK, Written, written_logs
from .visitor import Visitor

__all__ = ["STACK"]
HTML = "<img src=x onerror=alert(1)>"
CALLED = {"service": "http", "method": "GET", "endpoint_id": "acme", "cold_start": True, "status": 200}
ALARM = {"Namespace": "n", "MetricName": "m", "Period": 60, "EvaluationPeriods": 1, "Statistic": "Sum"}
ALARM |= {"Threshold": 0, "ComparisonOperator": "GreaterThanThreshold", "AlarmDescription": HTML}


@pytest.fixture
def written(deployment: Deployment) -> Iterator[Written]:
    """Logs without a line."""
    with written_logs(deployment.client("logs")) as written:
        yield written


@pytest.mark.usefixtures("written")
def test_an_empty_deployment_says_what_to_do(console: Visitor) -> None:
    """The first answer waits for nothing; what it reads later shows that there is nothing yet."""
    assert "Reading the last hour" in console.get("/").text
    whole = console.get("/?whole=1").text
    assert "silvaengine invoke" in whole
    assert "Needs attention" not in whole


def test_it_shows_what_status_shows(console: Visitor, deployment: Deployment, written: Written) -> None:
    """Calls by service, function and tenant, and charts whose last minutes have them."""
    written.put_records("HttpGateway", *[CALLED | {"total_ms": 10}] * 3, later=-100)
    written.put_records("HttpGateway", CALLED | {"total_ms": 90, "status": 500}, later=-50)
    page = console.get("/?whole=1").text
    row = re.search(r'<th scope="row">.*?>http</a>.*?</tr>', page, re.DOTALL)
    assert row
    assert re.findall(r">([\d,]+)\s*<", row[0]) == ["4", "0", "1", "10", "90", "4"]
    assert "/requests?service=http&amp;since=1h&amp;errors=on" in page
    charts = [each.replace("&#34;", '"') for each in re.findall(r'data-chart="([^"]*)"', page)]
    assert len(charts) == 6
    assert re.search(r'"http": \[[0, ]*[1-4]', charts[0])


def test_it_names_first_what_is_wrong(console: Visitor, deployment: Deployment, written: Written) -> None:
    """Alarms that ring, dead jobs and failed calls, each with the way to it; what others wrote is text."""
    dynamodb, cloudwatch = deployment.client("dynamodb"), deployment.client("cloudwatch")
    dynamodb.put_item(TableName=f"se-{EXECUTIONS.name}", Item=to_item({"job_id": "j", "state": "dead"}))
    pointer = {"function_arn": f"x-{HTML}", "item": "pointer", "package": HTML, "release": 7, "pins": {}}
    dynamodb.put_item(TableName=f"se-{PACKAGES.name}", Item=to_item(pointer | {"changed_at": 1_790_000_000}))
    cloudwatch.put_metric_alarm(AlarmName=f"{STACK}-pkg-loud", **ALARM)
    cloudwatch.set_alarm_state(AlarmName=f"{STACK}-pkg-loud", StateValue="ALARM", StateReason="a test")
    written.put_records("HttpGateway", CALLED | {"total_ms": 9, "endpoint_id": HTML}, later=-50)
    written.put_records("packages/shop", {"service": "worker", "function": HTML, "total_ms": 9}, later=-50)
    page = console.get("/?whole=1").text
    assert "<strong>1 dead job</strong>" in page
    assert 'href="/jobs?state=dead"' in page
    assert f"{STACK}-pkg-loud</strong> is in alarm. &lt;img" in page
    assert "<img src=x" not in page
    assert page.count("&lt;img src=x onerror=alert(1)&gt;") == 4
    cloudwatch.delete_alarms(AlarmNames=[f"{STACK}-pkg-loud"])


def test_a_live_part_says_what_changes_alone(console: Visitor, written: Written) -> None:
    """Once, and anew when a call came."""
    with console.listen("/overview/numbers") as events:
        first = b"".join(iter(events.readline, b"\n")).decode()
        assert "No calls yet" in first
        written.put_records("HttpGateway", CALLED | {"total_ms": 9}, later=-50)
        later = (b"".join(iter(events.readline, b"\n")).decode() for _ in range(10))
        assert any(">acme</a>" in event for event in later)
