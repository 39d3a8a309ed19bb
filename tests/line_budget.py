"""How many bytes the line of an invocation has, from which all numbers are made."""

import json
from statistics import median

from silvaengine.observability.logging import encode_line

LINE_BYTES = 600
# Tests have short names and few; these are as long as in practice, and a line with all of them is rare.
NAMES = {
    "endpoint_id": "customer-0042-production",
    "area": "administration",
    "function": "calculate_monthly_invoice",
    "principal": "auth0|5f7c8ec7c33c6c004bbafe82",
    "package": "billing-documents",
    "release": 1042,
    "parent_id": "00f067aa0ba902b7",
    "memory_mb": 1024,
}


def median_bytes(written: str) -> float:
    """Return how many bytes the lines among what was written would have with names as in practice."""
    lines = [line for line in map(json.loads, written.splitlines()) if "service" in line]
    return median(len(encode_line(line | NAMES)) + 1 for line in lines)
