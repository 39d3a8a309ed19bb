"""What a run, or a number of calls, costs by a dated list of prices."""

import tomllib
from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from silvaengine_cli.preflight.stack import Stack

_FILE = Path(__file__).with_name("prices.toml")
_HOURS_OF_A_MONTH = 730
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_billing.html
_MONTHLY = {
    "secret_months": "AWS::SecretsManager::Secret",
    "alarm_months": "AWS::CloudWatch::Alarm",
    "metric_months": "AWS::Logs::MetricFilter",
}


@cache
def _content() -> Mapping[str, Any]:
    return tomllib.loads(_FILE.read_text())


def dated() -> date:
    """Return when the prices were read."""
    read: date = _content()["read"]
    return read


def cost(quantities: Mapping[str, float]) -> float:
    """Return what quantities cost, in US dollars; their names are those of the list."""
    prices = _content()["prices"]
    parts = (amount * prices[name]["usd"] / prices[name]["per"] for name, amount in quantities.items())
    return float(sum(parts))


def cost_of_run(stack: Stack, hours: int) -> float:
    """Return what a run costs at the most, in US dollars, if its stack is there for some hours."""
    run = {**_content()["run"]}
    run[f"lambda_gb_seconds_{stack.parameters['Architecture']}"] = run.pop("lambda_gb_seconds")
    months = hours / _HOURS_OF_A_MONTH
    return cost(run | {name: len(stack.of_type(kind)) * months for name, kind in _MONTHLY.items()})
