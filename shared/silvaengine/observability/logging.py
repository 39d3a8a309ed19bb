"""Logs: one structured line for each invocation, and log records as JSON lines.

Nothing here takes a payload, a setting or a header, so none can be written; what a record or a traceback
quotes of them is redacted.
"""

import json
import logging
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from os import urandom

from silvaengine.context import CurrentInvocation, current_invocation, read_from
from silvaengine.observability.printed import keep_apart, write_line
from silvaengine.observability.redaction import redact
from silvaengine.protocol.json_codec import standard_encoder
from silvaengine.protocol.trace_context import LENGTH, SAMPLED, TRACE_ID
from silvaengine.settings import MEMORY_MB, Settings

UUID_LENGTH = 36  # of an id of Lambda's own, which has hyphens
TEXT_LIMIT = 16_384  # characters of a message and of a traceback, which may quote whole payloads

# By which an invocation's time is billed. As text: to encode a number more costs a worker's call 1 %.
_END = f',"memory_mb":{MEMORY_MB}}}\n'

encode_line = standard_encoder()
_invocations = count()
_first_span = int.from_bytes(urandom(8)) >> 1  # of this process's: random ones would cost each call ten times


class InvocationLog:
    """The fields of an invocation's log line, collected until ``emit`` writes it: the line is its span.

    ``request_id`` is of the call that the invocation is. It is the trace's id, too, until a caller's trace is
    followed; only then the line has a ``trace_id``.

    Args:
        service: the Lambda's name in the line, such as ``http``.
        encode: returns the line's JSON text.
    """

    def __init__(self, service: str, encode: Callable[[object], str] = encode_line) -> None:
        self._encode = encode
        self._started_at = time.perf_counter()
        self._steps: list[str] = []
        self._times: list[float] = []
        number = next(_invocations)
        self.request_id = ""
        self._span_id = f"{_first_span + number:016x}"
        self._caller: str | None = None
        self._fields: dict[str, object] = {
            "service": service,
            "cold_start": number == 0,
            "request_id": "",
            "status": 200,
        }

    @property
    def traceparent(self) -> str:
        """This span's trace context, for the calls that it makes."""
        caller = self._caller
        if caller is None:
            return f"00-{self._own_trace}-{self._span_id}-{SAMPLED}"
        return f"{caller[:36]}{self._span_id}{caller[52:]}"

    @property
    def _own_trace(self) -> str:
        return self.request_id.replace("-", "")

    def identify(self, request_id: str, traceparent: object = None) -> None:
        """Take the id of the call that the invocation is, and the trace that another Lambda says it is in.

        That one has checked what came from outside.
        """
        self.request_id = self._fields["request_id"] = request_id
        if isinstance(traceparent, str) and len(traceparent) == LENGTH:
            self._caller = traceparent

    def follow(self, traceparent: str | None) -> None:
        """Make the invocation a span of its caller's trace; without one it stays in its own."""
        self._caller = traceparent or self._caller

    def _span_members(self) -> str:
        """Return the span's ids as JSON: hex digits, which need no encoder."""
        ids, request_id, caller = f',"span_id":"{self._span_id}"', self.request_id, self._caller
        if caller is not None:
            ids = f'{ids},"parent_id":"{caller[36:52]}"'
            return ids if caller[3:35] == request_id else f'{ids},"trace_id":"{caller[3:35]}"'
        return ids if len(request_id) != UUID_LENGTH else f'{ids},"trace_id":"{self._own_trace}"'

    def add(self, **fields: str | float | bool | Mapping[str, float] | None) -> None:
        """Add fields: ids, tenant, area, function, status."""
        self._fields |= fields

    def fields(self, *names: str) -> dict[str, object]:
        """Return those of the fields that the line has so far."""
        return {name: self._fields[name] for name in names if name in self._fields}

    def begin_step(self, step: str) -> None:
        """Begin a step, which lasts until the next one or the end; the line has its ``{step}_ms``."""
        self._steps.append(f"{step}_ms")
        self._times.append(time.perf_counter())

    def emit(self) -> None:
        """Write the line, with ``total_ms`` since this object was made."""
        fields, times, end = self._fields, self._times, time.perf_counter()
        for number, step in enumerate(self._steps, 1):
            following = times[number] if number < len(times) else end
            fields[step] = int((following - times[number - 1]) * 100_000) / 100
        if read_from:
            fields["read_from"] = " ".join(sorted(read_from))
            read_from.clear()
        fields["total_ms"] = int((end - self._started_at) * 100_000) / 100
        write_line(f"{self._encode(fields)[:-1]}{self._span_members()}{_END}", sys.stdout)


class _Lines:
    """Lines as a stream, to the stdout that there is now, whatever a function makes of it."""

    def __init__(self) -> None:
        self._out = sys.stdout

    def write(self, line: str) -> None:
        write_line(line, self._out)

    def flush(self) -> None:
        self._out.flush()


class _JsonFormatter(logging.Formatter):
    """A record as one JSON object, with the request id of the running call if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        running = _running()
        settings = getattr(record, "settings", None) or (running and running.settings)
        line = {
            "level": record.levelname,
            "logger": record.name,
            "message": redact(_shortened(record.getMessage()), settings),
        }
        request_id, trace_id = _ids(record, running)
        if request_id:
            line["request_id"] = request_id
        if trace_id and trace_id != request_id:
            line["trace_id"] = trace_id
        if record.exc_info:
            line["traceback"] = redact(_shortened(self.formatException(record.exc_info)), settings)
        return json.dumps(line)


def _shortened(text: str) -> str:
    """Return a text without the middle of a long one: a traceback's two ends say most."""
    half = TEXT_LIMIT // 2
    return text if len(text) <= TEXT_LIMIT else f"{text[:half]} [...] {text[-half:]}"


def _ids(record: logging.LogRecord, running: CurrentInvocation | None) -> tuple[str | None, str | None]:
    """Return the ids of a record's request and of its trace, which is the request's own without another."""
    request_id = getattr(record, "request_id", None) or (running and running.request_id)
    traceparent = getattr(record, "traceparent", None) or (running and running.traceparent)
    return request_id, traceparent[TRACE_ID] if traceparent else request_id


def _running() -> CurrentInvocation | None:
    try:
        return current_invocation()
    except LookupError:
        return None


def _is_sampled(share: float, record: logging.LogRecord) -> bool:
    """Return whether a record is written: all of a trace are, over all Lambdas, or its warnings alone.

    What belongs to no request is written.
    """
    _, trace_id = _ids(record, _running())
    if record.levelno >= logging.WARNING or trace_id is None:
        return True
    from zlib import crc32  # lazy: most deployments write all

    return crc32(trace_id.encode()) < share * 2**32


def configure_logging(settings: Settings) -> None:
    """Make the root logger write JSON lines to stdout, instead of any handler of the runtime's.

    What is printed is kept apart from them.
    """
    keep_apart()
    handler = logging.StreamHandler(_Lines())
    handler.setFormatter(_JsonFormatter())
    if settings.log_sample < 1:
        handler.addFilter(partial(_is_sampled, settings.log_sample))
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    # It logs at every cold start where it found credentials, and at DEBUG what it sends.
    logging.getLogger("botocore").setLevel(logging.WARNING)
