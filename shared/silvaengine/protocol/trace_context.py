"""W3C trace context: the trace that a call belongs to, and the span that made it, as one text.

A ``traceparent`` is ``00-<trace id>-<span id of the caller>-<flags>``: www.w3.org/TR/trace-context/, section
3.2. Of the flags only *sampled* has a meaning; ``tracestate`` isn't passed on.
"""

from typing import NamedTuple

SAMPLED, NOT_SAMPLED = "01", "00"

_LENGTHS = [2, 32, 16, 2]  # hex digits of version, trace id, span id and flags


class Caller(NamedTuple):
    """Who made a call: its trace, its span, and the flags that are passed on."""

    trace_id: str
    span_id: str
    flags: str


def read_traceparent(value: object) -> Caller | None:
    """Return what a ``traceparent`` says; None for what isn't a valid one, after which a trace begins anew.

    Of a version after 00 only the four fields that it begins with are read.
    """
    if not isinstance(value, str):
        return None
    fields = value.split("-", 4)
    digits = "".join(fields[:4])
    if [*map(len, fields[:4])] != _LENGTHS or not _is_hex(digits):
        return None
    version, trace_id, span_id, flags = fields[:4]
    if version == "ff" or (version == "00" and len(fields) > 4):
        return None
    if not trace_id.strip("0") or not span_id.strip("0"):
        return None
    return Caller(trace_id, span_id, SAMPLED if int(flags, 16) & 1 else NOT_SAMPLED)


def is_trace_id(text: str) -> bool:
    """Return whether a text is a trace's id, as a request's id is, too."""
    return len(text) == 32 and _is_hex(text) and bool(text.strip("0"))


def _is_hex(digits: str) -> bool:
    """Return whether a text is of hex digits in lower case."""
    try:
        return bytes.fromhex(digits).hex() == digits
    except ValueError:
        return False
