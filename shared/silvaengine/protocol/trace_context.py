"""W3C trace context: the trace that a call belongs to, and the span that made it, as one text.

A ``traceparent`` is ``00-<trace id>-<span id of the caller>-<flags>``: www.w3.org/TR/trace-context/, section
3.2. Of the flags only *sampled* has a meaning; ``tracestate`` isn't passed on.
"""

import re

SAMPLED, NOT_SAMPLED = "01", "00"

_FIELDS = re.compile("(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_LENGTH = 55  # of these fields
_NO_TRACE = "0" * 32


def read_traceparent(value: object) -> tuple[str, str, str] | None:
    """Return the trace id, the caller's span id and the flags that are passed on.

    None for what isn't valid, after which a trace begins anew. Of a version after 00 only the four fields
    that it begins with are read.
    """
    if not isinstance(value, str) or not _FIELDS.match(value):
        return None
    if len(value) > _LENGTH and (value.startswith("00") or value[_LENGTH] != "-"):
        return None
    return value[3:35], value[36:52], SAMPLED if value[54] in "13579bdf" else NOT_SAMPLED


def is_trace_id(text: str) -> bool:
    """Return whether a text is a trace's id, as a request's id is, too."""
    return len(text) == 32 and _is_hex(text) and text != _NO_TRACE


def _is_hex(digits: str) -> bool:
    """Return whether a text is of hex digits in lower case."""
    try:
        return bytes.fromhex(digits).hex() == digits
    except ValueError:
        return False
