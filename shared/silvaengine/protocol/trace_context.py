"""W3C trace context: the trace that a call belongs to, and the span that made it, as one text.

A ``traceparent`` is ``00-<trace id>-<span id of the caller>-<flags>``: www.w3.org/TR/trace-context/, section
3.2. Of the flags only *sampled* has a meaning; ``tracestate`` isn't passed on.
"""

import re
from functools import cache

SAMPLED, NOT_SAMPLED = "01", "00"
LENGTH = 55


type Caller = tuple[str, str, str]
"""Who made a call: its trace's id, its span's, and the flags that are passed on."""


def read_traceparent(value: object) -> Caller | None:
    """Return what a ``traceparent`` says; None for what isn't a valid one, after which a trace begins anew.

    Of a version after 00 only the fields that it begins with are read.
    """
    match = _pattern().fullmatch(value) if isinstance(value, str) else None
    if match is None or (match["later"] and match["version"] == "00"):
        return None
    sampled = int(match["flags"], 16) & 1
    return match["trace_id"], match["span_id"], SAMPLED if sampled else NOT_SAMPLED


def trusted_traceparent(value: object) -> Caller | None:
    """Return what another Lambda of the platform says: it has checked what came from outside."""
    if not isinstance(value, str) or len(value) != LENGTH:
        return None
    return value[3:35], value[36:52], value[53:]


@cache
def _pattern() -> re.Pattern[str]:
    """Return the pattern of both, compiled when a caller has sent one."""
    fields = "(?P<trace_id>(?!0{32})[0-9a-f]{32})-(?P<span_id>(?!0{16})[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})"
    return re.compile(f"(?P<version>(?!ff)[0-9a-f]{{2}})-{fields}(?P<later>-.*)?", re.DOTALL)
