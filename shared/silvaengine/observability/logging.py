"""What an operator reads: one structured line per invocation, and log records as JSON lines.

Nothing here takes a payload, a setting or a header, so that none can be written; what a record or a traceback
quotes of them is redacted.
"""

import json
import logging
import sys
import time
from collections.abc import Callable
from itertools import count
from typing import Any

from silvaengine.context import CurrentInvocation, current_invocation
from silvaengine.observability.redaction import redact
from silvaengine.settings import Settings

TEXT_LIMIT = 16_384  # characters of a message and of a traceback, which may quote whole payloads
NAMESPACE = "SilvaEngine"

_invocations = count()


class InvocationLog:
    """Collects the fields of an invocation's line; ``emit`` writes it.

    Args:
        service: the Lambda's name in the line, such as ``http``.
        encode: returns the line's JSON text.
    """

    def __init__(self, service: str, encode: Callable[[Any], str] = json.dumps) -> None:
        self._encode = encode
        self._started = self._entered = time.perf_counter()
        self._stage = ""
        self._metrics: list[dict[str, str]] = []
        self._fields: dict[str, Any] = {"service": service, "cold_start": next(_invocations) == 0}

    def fields(self, **fields: str | float | bool | None) -> None:
        """Add fields: ids, tenant, area, function, status."""
        self._fields |= fields

    def count(self, metric: str, value: float = 1, *, function_name: str) -> None:
        """Add a number that CloudWatch makes a metric of, by the Lambda's name, in the namespace SilvaEngine.

        docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
        """
        self._metrics.append({"Name": metric})
        self._fields |= {metric: value, "function_name": function_name}

    def enter(self, stage: str) -> None:
        """Begin a stage, which lasts until the next one or the end: ``{stage}_ms`` of the line."""
        now = time.perf_counter()
        if self._stage:
            self._fields[self._stage] = _milliseconds(now - self._entered)
        self._stage, self._entered = f"{stage}_ms", now

    def emit(self) -> None:
        """Write the line, with ``total_ms`` since this object was made."""
        self.enter("total")
        self._fields["total_ms"] = _milliseconds(self._entered - self._started)
        if self._metrics:
            directive = {"Namespace": NAMESPACE, "Dimensions": [["function_name"]], "Metrics": self._metrics}
            self._fields["_aws"] = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
        sys.stdout.write(self._encode(self._fields) + "\n")
        sys.stdout.flush()


def _milliseconds(seconds: float) -> float:
    return int(seconds * 100_000) / 100  # round takes four times as long


class _JsonLines(logging.Formatter):
    """A record as one JSON object, under the request id of the running call where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        running = _running()
        settings = getattr(record, "settings", None) or (running and running.settings)
        line = {
            "level": record.levelname,
            "logger": record.name,
            "message": redact(_bounded(record.getMessage()), settings),
        }
        request_id = getattr(record, "request_id", None) or (running and running.request_id)
        if request_id:
            line["request_id"] = request_id
        if record.exc_info:
            line["traceback"] = redact(_bounded(self.formatException(record.exc_info)), settings)
        return json.dumps(line)


def _bounded(text: str) -> str:
    """Leave out the middle of a long text; a traceback tells most at its two ends."""
    half = TEXT_LIMIT // 2
    return text if len(text) <= TEXT_LIMIT else f"{text[:half]} [...] {text[-half:]}"


def _running() -> CurrentInvocation | None:
    try:
        return current_invocation()
    except LookupError:
        return None


def configure_logging(settings: Settings) -> None:
    """Let the root logger write JSON lines to stdout, instead of any handler that the runtime attached."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_JsonLines())
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    # It tells at every cold start where it found credentials, and at DEBUG what it sends.
    logging.getLogger("botocore").setLevel(logging.WARNING)
