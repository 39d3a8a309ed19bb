"""Counting: what one log line says that its tenant used.

Amounts are whole numbers, and functions' own meters decimals, so that sums don't depend on the order.
"""

import json
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from silvaengine.context import METER_LIMIT
from silvaengine.named_tuple import NamedTuple

NOBODY = "-"  # whose requests name no tenant, or one that nothing has admitted them to
NO_FUNCTION = "-"
MOST_METERS = 100  # names in a row, which DynamoDB holds to 400 KB
OTHER_METERS = "other"
LONGEST_MS, MOST_MB = 900_000, 10_240  # docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
DECIMALS = 12  # of a meter: 28 digits in all, which sums keep; DynamoDB holds 38, and nothing below 1e-130
LONGEST_NAME = 100  # characters: a sort key of two such names and the stack's has at most 1,024 bytes
EVENT_BYTES = 26  # docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html

_decode = json.JSONDecoder(parse_float=Decimal).decode
_HANDSHAKES = frozenset({"authorizer", "$connect", "$disconnect"})


class Owner(NamedTuple):
    """Whose usage it is: a tenant's, by a function."""

    endpoint_id: str
    function: str


class Usage:
    """Amounts and a function's own meters, by name; ``add`` sums up."""

    __slots__ = ("amounts", "meters")

    def __init__(self) -> None:
        self.amounts: Counter[str] = Counter()
        self.meters: dict[str, Decimal] = {}

    def add(self, amounts: Mapping[str, int], meters: Mapping[str, Decimal]) -> None:
        """Add a line's amounts; meters beyond a hundred names count as ``other``."""
        self.amounts.update(amounts)
        for name, amount in meters.items():
            known = name if name in self.meters or len(self.meters) < MOST_METERS else OTHER_METERS
            self.meters[known] = self.meters.get(known, Decimal(0)) + amount


class Line(NamedTuple):
    """What one invocation used."""

    owner: Owner
    amounts: Mapping[str, int]
    meters: Mapping[str, Decimal]


def read_line(message: str, service: str) -> Line | None:
    """Return what a line of this service says; None for any other text in a log.

    ``invocations``, ``mb_us`` (megabytes of memory times microseconds) and ``log_bytes`` are of every Lambda,
    ``calls``, ``errors``, ``jobs`` and ``worker_…`` of workers, ``requests`` and ``messages`` of gateways,
    ``pushes`` of the broadcaster.
    """
    try:
        record = _decode(message)
    except (ValueError, ArithmeticError, RecursionError):
        return None
    if not isinstance(record, dict) or "total_ms" not in record or record.get("service") != service:
        return None
    microseconds = min(int(_number(record, "total_ms") * 1000), LONGEST_MS * 1000)
    used = microseconds * min(int(_number(record, "memory_mb")), MOST_MB)
    amounts = {"invocations": 1, "mb_us": used, "log_bytes": len(message.encode()) + EVENT_BYTES}
    meters: Mapping[str, Decimal] = {}
    match service:
        case "worker" if not record.get("duplicate") and record.get("function"):
            is_error = _number(record, "status") >= 400
            is_job = "job_id" in record and record.get("attempt") == 1
            amounts |= {"calls": 1, "errors": int(is_error), "jobs": int(is_job)}
            amounts |= {"worker_us": microseconds, "worker_mb_us": used}
            meters = _meters(record.get("meters"))
        case "http" if "method" in record:
            amounts |= {"requests": 1, **_bytes(record)}
        case "websocket" if record.get("route") not in _HANDSHAKES:
            amounts |= {"messages": 1, **_bytes(record)}
        case "broadcaster":
            amounts["pushes"] = int(_number(record, "sent"))
    return Line(_owner(record), amounts, meters)


def _owner(record: Mapping[str, Any]) -> Owner:
    """Return whose line it is. A path may name anybody: only what was admitted counts for its tenant."""
    match record["service"]:
        case "http":
            is_known = "key_id" in record or "operation" in record
            is_called = "invoke_ms" in record
        case "websocket":
            is_known = record.get("route") != "authorizer" or record.get("policy") == "Allow"
            is_called = "invoke_ms" in record
        case "broadcaster":
            is_known, is_called = "sent" in record, False
        case _:
            is_known = is_called = True
    endpoint_id, function = record.get("endpoint_id"), record.get("function")
    return Owner(
        _name(endpoint_id, NOBODY) if is_known else NOBODY,
        _name(function, NO_FUNCTION) if is_called and is_known else NO_FUNCTION,
    )


def _name(value: object, default: str) -> str:
    """Return a name as the table takes it: JSON may hold halves of surrogate pairs, which UTF-8 may not."""
    if not isinstance(value, str) or not value:
        return default
    return value[:LONGEST_NAME].encode(errors="replace").decode()


def _bytes(record: Mapping[str, Any]) -> dict[str, int]:
    return {name: int(_number(record, name)) for name in ("bytes_in", "bytes_out")}


def _number(record: Mapping[str, Any], name: str) -> Decimal:
    """Return an amount as DynamoDB holds it, or zero for what is none."""
    value = record.get(name)
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not 0 < value <= METER_LIMIT:
        return Decimal(0)
    number = Decimal(value)
    return round(number, DECIMALS).normalize() if number % 1 else number


def _meters(meters: object) -> Mapping[str, Decimal]:
    known = meters if isinstance(meters, dict) else {}
    return {_name(name, OTHER_METERS): _number(known, name) for name in known}
