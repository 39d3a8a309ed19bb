"""W3C trace context: the trace that a call belongs to, and the span that made it, as one text.

A ``traceparent`` is ``00-<trace id>-<span id of the caller>-<flags>``: www.w3.org/TR/trace-context/, section
3.2. Of the flags only *sampled* has a meaning; ``tracestate`` isn't passed on.
"""

import re
from functools import cache

SAMPLED = "01"
LENGTH = 55
TRACE_ID = slice(3, 35)  # of a traceparent


def read_traceparent(value: object) -> str | None:
    """Return a caller's ``traceparent``; None for what isn't a valid one, after which a trace begins anew.

    Of a version after 00 only the fields that it begins with are read; what is returned is of version 00.
    """
    match = _pattern().fullmatch(value) if isinstance(value, str) else None
    if match is None or (match["later"] and match["version"] == "00"):
        return None
    return f"00-{match['ids']}-0{int(match['flags'], 16) & 1}"


@cache
def _pattern() -> re.Pattern[str]:
    """Return the pattern, compiled when a caller has sent one."""
    ids = "(?P<ids>(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16})"
    rest = "(?P<flags>[0-9a-f]{2})(?P<later>-.*)?"
    return re.compile(f"(?P<version>(?!ff)[0-9a-f]{{2}})-{ids}-{rest}", re.DOTALL)
