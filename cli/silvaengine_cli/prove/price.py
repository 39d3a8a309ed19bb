"""What a run costs at the most."""

from silvaengine_cli.costs.prices import cost
from silvaengine_cli.preflight.stack import Stack

_HOURS_OF_A_MONTH = 730
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_billing.html
_MONTHLY = {
    "secret_months": "AWS::SecretsManager::Secret",
    "alarm_months": "AWS::CloudWatch::Alarm",
    "composite_alarm_months": "AWS::CloudWatch::CompositeAlarm",
    "metric_months": "AWS::Logs::MetricFilter",
}
# Secrets, alarms and metrics are counted from the template and charged by the hour.
_USED = {
    "lambda_requests": 50_000,
    "rest_requests": 20_000,
    "websocket_messages": 5_000,
    "websocket_minutes": 500,
    "table_writes": 100_000,
    "table_reads": 100_000,
    "queue_requests": 20_000,
    "topic_requests": 100,
    "bus_events": 1_000,
    "object_writes": 1_000,
    "object_reads": 1_000,
    "secret_requests": 1_000,
    "log_gigabytes": 0.1,
}
_GB_SECONDS = 20_000


def cost_of_run(stack: Stack, hours: int) -> float:
    """Return what a run costs at the most, in US dollars, if its stack is there for some hours."""
    months = hours / _HOURS_OF_A_MONTH
    monthly = {name: len(stack.of_type(kind)) * months for name, kind in _MONTHLY.items()}
    return cost({**_USED, **monthly, f"lambda_gb_seconds_{stack.parameters['Architecture']}": _GB_SECONDS})
