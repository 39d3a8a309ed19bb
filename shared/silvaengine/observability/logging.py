"""Logs: one structured line for each invocation, and log records as JSON lines.

Nothing here takes a payload, a setting or a header, so none can be written; what a record or a traceback
quotes of them is redacted.
"""

import json
import logging
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from itertools import count
from os import urandom
from time import perf_counter_ns

from silvaengine.context import CurrentInvocation, current_invocation, read_from
from silvaengine.observability.printed import keep_apart, write_line
from silvaengine.observability.redaction import redact
from silvaengine.protocol.json_codec import encode_by_loaded, standard_encoder
from silvaengine.protocol.trace_context import LENGTH, SAMPLED, TRACE_ID
from silvaengine.settings import MEMORY_MB, Settings

UUID_LENGTH = 36  # of an id of Lambda's own, which has hyphens
TEXT_LIMIT = 16_384  # characters of a message and of a traceback, which may quote whole payloads

# By which an invocation's time is billed. As text: to encode a number more costs a worker's call 1 %.
_END = f',"memory_mb":{MEMORY_MB}}}\n'

_DIGITS = [f"{number:02}" for number in range(100)]  # to format a float costs twice as much
_quote = json.encoder.encode_basestring_ascii
encode_line = standard_encoder()
_invocations = count()
_first_span = int.from_bytes(urandom(8)) >> 1  # of this process's: random ones would cost each call ten times


class InvocationLog:
    """The fields of an invocation's log line, collected until ``emit`` writes it: the line is its span.

    ``fields`` are tenant, area, function, status and others; those of each request are set there, for a tenth
    of what ``add`` costs. ``request_id`` is of the call that the invocation is. It is the trace's id, too,
    until a caller's trace is followed; only then the line has a ``trace_id``.

    Args:
        service: the Lambda's name in the line, such as ``http``.
        encode: returns the line's JSON text.
    """

    def __init__(self, service: str, encode: Callable[[dict[str, object]], str] = encode_line) -> None:
        number = next(_invocations)
        self._encode = encode
        self._began = perf_counter_ns()
        self._step, self._step_began, self._times = "", 0, ""
        self._span_id = (_first_span + number).to_bytes(8).hex()
        self._caller: str | None = None
        self.request_id = ""
        self.fields: dict[str, object] = {"service": service, "cold_start": number == 0, "status": 200}

    @property
    def traceparent(self) -> str:
        """This span's trace context, for the calls that it makes."""
        caller = self._caller
        if caller is None:
            return f"00-{self._own_trace}-{self._span_id}-{SAMPLED}"
        return f"{caller[:36]}{self._span_id}{caller[52:]}"

    @property
    def _own_trace(self) -> str:
        request_id = self.request_id
        return request_id.replace("-", "") if len(request_id) == UUID_LENGTH else request_id

    def follow(self, traceparent: object) -> None:
        """Make the invocation a span of its caller's trace; without one it stays in its own."""
        if isinstance(traceparent, str) and len(traceparent) == LENGTH:
            self._caller = traceparent

    def _ids(self) -> str:
        """Return the ids as JSON; the span's are hex digits, which need no encoder."""
        request_id, caller, span_id = self.request_id, self._caller, self._span_id
        if caller is not None and caller[3:35] == request_id:
            return f',"request_id":"{request_id}","span_id":"{span_id}","parent_id":"{caller[36:52]}"'
        ids = f',"request_id":{_quote(request_id)},"span_id":"{span_id}"'
        if caller is not None:
            return f'{ids},"parent_id":"{caller[36:52]}","trace_id":"{caller[3:35]}"'
        return ids if len(request_id) != UUID_LENGTH else f'{ids},"trace_id":"{self._own_trace}"'

    def add(self, **fields: str | float | bool | Mapping[str, float] | None) -> None:
        """Add fields."""
        self.fields |= fields

    def begin_step(self, step: str) -> None:
        """Begin a step, which lasts until the next one or the end; the line has its ``{step}_ms``."""
        now = perf_counter_ns()
        if self._step:
            hundredths = (now - self._step_began) // 10_000
            self._times += f',"{self._step}_ms":{hundredths // 100}.{_DIGITS[hundredths % 100]}'
        self._step, self._step_began = step, now

    def emit(self) -> None:
        """Write the line, with ``total_ms`` since this object was made."""
        self.begin_step("")
        if read_from:
            self.add(read_from=" ".join(sorted(read_from)))
            read_from.clear()
        hundredths = (self._step_began - self._began) // 10_000
        times = f'{self._times},"total_ms":{hundredths // 100}.{_DIGITS[hundredths % 100]}'
        write_line(f"{self._encode(self.fields)[:-1]}{self._ids()}{times}{_END}", sys.stdout)


def encode_shared(fields: dict[str, object]) -> str:
    """Return what ``encode_by_loaded`` does of a line's fields, kept for the next one with the same."""
    try:
        return _encode_kept(*fields, *fields.values())
    except TypeError:  # one has members, and so is no key
        return encode_by_loaded(fields)


@lru_cache(128)
def _encode_kept(*names_and_values: object) -> str:
    half = len(names_and_values) // 2
    return encode_by_loaded(dict(zip(names_and_values[:half], names_and_values[half:], strict=True)))


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
