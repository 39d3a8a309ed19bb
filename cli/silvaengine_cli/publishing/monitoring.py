"""What watches a package: the metrics of its log lines, which are those of the worker, and its alarms.

The patterns are the platform's, from its template's ``Metrics``.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from silvaengine_cli.platform_sources import platform_file
from silvaengine_cli.preflight.template import declared_in
from silvaengine_cli.publishing.platform import Platform

type Resources = dict[str, dict[str, Any]]

ALARMS = ("PackageErrorsAlarm", "PackageThrottlesAlarm", "PackageFailuresAlarm")
_OF_PACKAGE = (
    *("Latency", "ClientErrors", "Throttles", "Failures", "Excess", "Served", "ColdStarts"),
    *("Attempts", "FailedAttempts", "Duplicates", "LateWrites", "Replies"),
)
_OF_FUNCTION = ("Latency", "ClientErrors", "Failures", "Excess", "Served")
_OF_TENANT = ("Latency", "ClientErrors", "Failures")


def metric_filters(platform: Platform, log_group: str) -> Resources:
    """Return the filters that make metrics of the lines in a log group, which is named by its logical id."""
    return {
        **dict(_filters(platform, log_group, "Package", "package", _OF_PACKAGE)),
        **dict(_filters(platform, log_group, "PackageFunction", "function", _OF_FUNCTION)),
        **(
            dict(_filters(platform, log_group, "PackageTenant", "endpoint_id", _OF_TENANT))
            if platform.tenant_metrics
            else {}
        ),
    }


def _filters(
    platform: Platform, log_group: str, prefix: str, dimension: str, metrics: Iterable[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    declared = declared_in(platform_file("template.yaml"), "Mappings")["Mappings"]["Metrics"]
    for each in metrics:
        transformation = {
            "MetricNamespace": _namespace(platform),
            "MetricName": declared[each]["Name"],
            "MetricValue": declared[each]["Value"],
            "Dimensions": [{"Key": dimension, "Value": f"$.{dimension}"}],
        }
        properties = {
            "LogGroupName": {"Ref": log_group},
            "FilterPattern": declared[each]["Pattern"],
            "MetricTransformations": [transformation],
        }
        yield f"{prefix}{each}Filter", {"Type": "AWS::Logs::MetricFilter", "Properties": properties}


def alarms(platform: Platform, package: str, function: str) -> Resources:
    """Return the worker's alarms, of errors, throttles and failed calls, for a Lambda by its logical id."""
    name = platform.function_name(package)
    lambdas = {
        "Namespace": "AWS/Lambda",
        "Dimensions": [{"Name": "FunctionName", "Value": {"Ref": function}}],
        "Period": 60,
        "Threshold": 0,
    }
    excess = {
        "Namespace": _namespace(platform),
        "MetricName": "ExcessFailures",
        "Dimensions": [{"Name": "package", "Value": package}],
        "Period": 300,
        "Threshold": 4,
    }
    made = (
        _alarm(platform, f"{name} crashed or was too slow", "errors", lambdas | {"MetricName": "Errors"}),
        _alarm(platform, f"{name} is throttled", "throttles", lambdas | {"MetricName": "Throttles"}),
        _alarm(platform, f"More than 5 % of what {name} does fails", "failures", excess),
    )
    return dict(zip(ALARMS, made, strict=True))


def _alarm(platform: Platform, text: str, kind: str, metric: Mapping[str, Any]) -> dict[str, Any]:
    properties = {
        "AlarmDescription": f"{text}: docs/operations.md#{kind}alarm",
        "AlarmActions": [platform.topic],
        "Statistic": "Sum",
        "EvaluationPeriods": 1,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
        **metric,
    }
    return {"Type": "AWS::CloudWatch::Alarm", "Properties": properties}


def _namespace(platform: Platform) -> str:
    return f"SilvaEngine/{platform.stack}"
