"""Spans sent to an OpenTelemetry collector: OTLP over HTTP, as JSON.

opentelemetry.io/docs/specs/otlp/#otlphttp; names are those of the semantic conventions for FaaS and HTTP:
opentelemetry.io/docs/specs/semconv/faas/faas-spans/ and .../semconv/http/http-spans/.
"""

from collections.abc import Iterable, Mapping
from itertools import batched
from math import isfinite
from typing import Any
from urllib.parse import unquote, urlsplit

import click

from silvaengine.protocol.json_codec import Json
from silvaengine_cli import http
from silvaengine_cli.client_options import parse_json_or_text
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.logs import Line
from silvaengine_cli.traces.spans import Span, trace_of

TRACES_PATH = "/v1/traces"
BATCH = 500  # spans in a request
_INTERNAL, _SERVER, _CONSUMER = 1, 2, 5  # SpanKind
_ERROR = 2  # StatusCode
_TRIGGERS = {
    "sqs": "pubsub", "sns": "pubsub", "events": "pubsub", "s3": "datasource", "dynamodb": "datasource",
    "schedule": "timer",
}  # fmt: skip
_NAMES = {
    "cold_start": "faas.coldstart",
    "method": "http.request.method",
    "principal": "enduser.id",
    "error": "error.type",
    "error_type": "error.type",
}
_OWN = {"service", "span_id", "parent_id", "trace_id", "_aws"}  # said elsewhere, or no one's


def traces_url(url: str) -> str:
    """Return where to send traces: a URL without a path is a collector's, and gets that of traces."""
    return url.rstrip("/") + TRACES_PATH if urlsplit(url).path in ("", "/") else url


def read_headers(text: str) -> dict[str, str]:
    """Return headers as the variable OTEL_EXPORTER_OTLP_HEADERS has them: ``name=value,name=value``.

    opentelemetry.io/docs/specs/otel/protocol/exporter/#specifying-headers-via-environment-variables
    """
    pairs = (pair.partition("=") for pair in text.split(",") if "=" in pair)
    return {name.strip(): unquote(value.strip()) for name, _, value in pairs}


def export(spans: Iterable[Span], url: str, headers: Mapping[str, str], deployment: Deployment) -> int:
    """Send spans, and return how many; raise ClickException where the collector doesn't take all of them."""
    sent = 0
    for some in batched(spans, BATCH, strict=False):
        response = http.send(url, "POST", request(some, deployment), headers)
        answer = parse_json_or_text(response.body.decode(errors="replace") or "{}")
        if response.status != 200:
            raise click.ClickException(f"{url} responded with {response.status}; {sent} spans were sent")
        partial = answer.get("partialSuccess") if isinstance(answer, dict) else None
        if isinstance(partial, dict) and int(partial.get("rejectedSpans") or 0):
            raise click.ClickException(f"{url} refused {partial['rejectedSpans']} of {len(some)} spans")
        sent += len(some)
    return sent


def request(spans: Iterable[Span], deployment: Deployment) -> dict[str, Json]:
    """Return an ExportTraceServiceRequest: a resource for each Lambda, and its spans."""
    by_lambda: dict[str, list[Json]] = {}
    for span in spans:
        by_lambda.setdefault(span.line.function, []).append(_span(span))
    scope = {"name": "silvaengine"}
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(_resource(function, deployment))},
                "scopeSpans": [{"scope": scope, "spans": own}],
            }
            for function, own in by_lambda.items()
        ]
    }


def _resource(function: str, deployment: Deployment) -> dict[str, Any]:
    """Return what is said of a Lambda: opentelemetry.io/docs/specs/semconv/resource/faas/."""
    named = {"service.name": function, "service.namespace": deployment.stack, "faas.name": function}
    region = {"cloud.region": deployment.region} if deployment.region else {}
    return {**named, "cloud.provider": "aws", "cloud.platform": "aws_lambda", **region}


def _span(span: Span) -> Json:
    record = span.record
    status = int(record.get("status") or 0)
    sent: dict[str, Json] = {
        "traceId": trace_of(record),
        "spanId": span.id,
        "name": _name(record),
        "kind": _kind(record),
        "startTimeUnixNano": str(round(span.begin * 1_000_000)),
        "endTimeUnixNano": str(round(span.end * 1_000_000)),
        "attributes": _attributes(_facts(record)),
        "events": [_event(line) for line in span.records],
        "status": {"code": _ERROR} if status >= 500 else {},
    }
    return sent | ({"parentSpanId": span.parent_id} if span.parent_id else {})


def _name(record: Mapping[str, Any]) -> str:
    """Return a span's name, of which there must be few: method and route of a request, else the function."""
    if method := record.get("method"):
        return f"{method} /{record.get('area')}/{{endpoint_id}}/{record.get('function')}"
    return str(record.get("function") or record.get("source") or record.get("route") or record["service"])


def _kind(record: Mapping[str, Any]) -> int:
    if record["service"] == "tasks":
        return _CONSUMER if record.get("source") in _TRIGGERS else _SERVER
    return _INTERNAL if record["service"] in ("sweeper", "usage") else _SERVER


def _facts(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a line's facts by the conventions' names, those that these lack under ``silvaengine``."""
    trigger = "http" if "method" in record else _TRIGGERS.get(str(record.get("source")), "other")
    facts: dict[str, Any] = {"faas.trigger": trigger, "faas.invocation_id": record.get("request_id")}
    if "method" in record:
        facts |= {"http.response.status_code": record.get("status"), "url.scheme": "https"}
        facts["url.path"] = f"/{record.get('area')}/{record.get('endpoint_id')}/{record.get('function')}"
    for name, value in record.items():
        if name not in _OWN:
            facts[_NAMES.get(name, f"silvaengine.{name}")] = value
    return facts


def _event(line: Line) -> Json:
    """Return a log record; one with a traceback is an exception."""
    record = line.record
    time, said = str(line.timestamp * 1_000_000), str(record.get("message", ""))
    if trace := record.get("traceback"):
        last = str(trace).rstrip().rpartition("\n")[2].partition(":")[0]
        facts = {"exception.type": last, "exception.message": said, "exception.stacktrace": trace}
        return {"timeUnixNano": time, "name": "exception", "attributes": _attributes(facts)}
    facts = {"log.severity": record.get("level"), "log.message": said}
    return {"timeUnixNano": time, "name": "log", "attributes": _attributes(facts)}


def _attributes(facts: Mapping[str, Any]) -> list[Json]:
    return [{"key": name, "value": _value(value)} for name, value in facts.items() if value is not None]


def _value(value: Any) -> Json:  # noqa: ANN401 - a JSON value
    match value:
        case bool():
            return {"boolValue": value}
        case int() if -(2**63) <= value < 2**63:
            return {"intValue": str(value)}
        case float() if isfinite(value):
            return {"doubleValue": value}
        case dict():
            return {"kvlistValue": {"values": _attributes(value)}}
        case list():
            return {"arrayValue": {"values": [_value(each) for each in value]}}
    return {"stringValue": str(value).encode(errors="replace").decode()}
