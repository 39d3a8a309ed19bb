"""The rows of usage: one for each tenant, hour, function and stack, and what the roll-up remembers."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from silvaengine.aws.table_client import Row, TableReader, TableWriter
from silvaengine.errors import ConditionFailedError
from silvaengine.tables import USAGE
from silvaengine_tasks.usage.counting import Owner, Usage

HOUR = 3600  # seconds
KEEP_SECONDS = 400 * 86_400  # thirteen months, to compare one with the year before
DELETED_SECONDS = 8 * 86_400  # longer than hours are rolled up anew
PROGRESS = "-"  # the month of rows that tell which hour each stack has reached
DELETED = "deleted"  # the month of rows that tell when tenants were deleted


def hour_text(hour: int) -> str:
    """Return an hour, which is a number since 1970, as ``2026-11-30T13``, in UTC."""
    return datetime.fromtimestamp(hour * HOUR, UTC).strftime("%Y-%m-%dT%H")


def month_of(hour: int) -> str:
    """Return the month of an hour as ``2026-11``."""
    return hour_text(hour)[:7]


def item_key(endpoint_id: str, hour: int, *rest: str) -> str:
    """Return a row's sort key, whose rest is the function and the stack, or its beginning."""
    return "#".join((endpoint_id, hour_text(hour), *rest))


def progress_key(stack: str) -> dict[str, str]:
    """Return the key of the row that tells which hour a stack has reached."""
    return {"month": PROGRESS, "item": stack}


def tenant_digest(endpoint_id: str) -> str:
    """Return what stands for a tenant's name where that mustn't be kept."""
    return sha256(endpoint_id.encode(errors="replace")).hexdigest()


def deletion_row(endpoint_id: str, seconds: float) -> Row:
    """Return the row that keeps a tenant's lines until its deletion from being counted again."""
    expires, item = int(seconds) + DELETED_SECONDS, tenant_digest(endpoint_id)
    return {"month": DELETED, "item": item, "at": int(seconds * 1000), "expires_at": expires}


class UsageRows:
    """Writes a stack's usage by absolute values, so that a repetition changes nothing.

    Several stacks may share the tables: each has rows of its own.
    """

    def __init__(self, reader: TableReader, writer: TableWriter, stack: str) -> None:
        self._reader = reader
        self._writer = writer
        self._stack = stack

    def last_hour(self) -> int | None:
        """Return the latest hour that was rolled up, perhaps before it was over; None for none."""
        row = self._reader.get(USAGE, progress_key(self._stack))
        return None if row is None else int(row["hour"])

    def deletions(self) -> Mapping[str, int]:
        """Return when tenants were deleted, in epoch milliseconds, by their digests."""
        return {str(row["item"]): int(row["at"]) for row in self._reader.query(USAGE, DELETED)}

    def write(self, hour: int, owner: Owner, usage: Usage, read_at: int) -> None:
        """Write an owner's usage of an hour, unless what was read later than ``read_at`` has been written.

        What was read of more lines stays, too: a log group goes with its package.

        Raises:
            UnavailableError: the row may have been written, and may be so again.
        """
        row: dict[str, Any] = {
            "month": month_of(hour),
            "item": item_key(owner.endpoint_id, hour, owner.function, self._stack),
            "endpoint_id": owner.endpoint_id,
            "hour": hour,
            "function": owner.function,
            "stack": self._stack,
            "read_at": read_at,
            "expires_at": hour * HOUR + KEEP_SECONDS,
            **{name: amount for name, amount in usage.amounts.items() if amount},
        }
        if usage.meters:
            row["meters"] = usage.meters
        self._unless_later(row, "read_at", "invocations")

    def reach(self, hour: int) -> None:
        """Remember that an hour was rolled up, with all before it."""
        self._unless_later({**progress_key(self._stack), "hour": hour}, "hour")

    def _unless_later(self, row: Row, *names: str) -> None:
        least = " AND ".join(f"#{name} <= :{name}" for name in names)
        condition = f"attribute_not_exists(#month) OR {least}"  # AND binds first
        with suppress(ConditionFailedError):
            self._writer.put(USAGE, row, condition=condition, values={name: row[name] for name in names})
