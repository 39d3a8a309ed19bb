"""The rows of usage and their sums."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

import click

from silvaengine.aws.attribute_values import encode_row
from silvaengine.tables import USAGE
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.registry.rows import Row
from silvaengine_cli.registry.tables import from_item
from silvaengine_cli.usage.period import Period
from silvaengine_tasks.usage.counting import Owner, Usage
from silvaengine_tasks.usage.roll_up import LATE_HOURS
from silvaengine_tasks.usage.rows import hour_text, item_key, progress_key

COUNTS = ("requests", "calls", "errors", "jobs", "messages", "pushes")
BYTES = ("bytes_in", "bytes_out")
DAY_HOURS = 24
_MB_US_PER_GB_SECOND = 1024 * 1_000_000
_NO_AMOUNTS = {
    *USAGE.key_names,
    "endpoint_id",
    "function",
    "stack",
    "hour",
    "read_at",
    "expires_at",
    "meters",
}


class Totals(NamedTuple):
    """What was used in a period.

    ``usages`` are by tenant, and by function if that was asked for, of all stacks on the tables.
    ``days`` has the sums of all of them by the days since 1970, in UTC.
    ``last_hour`` is the last one of this stack that was rolled up, None before the first; ``is_final`` says
    that the whole period was, for the last time.
    """

    usages: dict[Owner, Usage]
    days: Mapping[int, Usage]
    last_hour: str | None
    is_final: bool


class UsageTable:
    """The table of usage of a deployment, with the operator's own rights."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._dynamodb = deployment.client("dynamodb")
        self._table = deployment.table_prefix + USAGE.name

    def refresh(self) -> None:
        """Let what was logged until now be rolled up.

        Raises:
            ClickException: the roll-up failed.
        """
        succeeded, response = self._deployment.invoke(self._deployment.output("UsageArn"), "{}")
        if not succeeded:
            raise click.ClickException(f"the roll-up failed ({response.get('errorMessage')}): see its log")

    def totals(self, period: Period, endpoint_id: str | None, *, by_function: bool = False) -> Totals:
        """Return the sums of a period, of one tenant or all."""
        usages, days = defaultdict[Owner, Usage](Usage), defaultdict[int, Usage](Usage)
        for row in self.rows(period, endpoint_id):
            owner = Owner(row["endpoint_id"], row["function"] if by_function else "")
            amounts = {name: int(row[name]) for name in row.keys() - _NO_AMOUNTS}
            for sums in (usages[owner], days[int(row["hour"]) // DAY_HOURS]):
                sums.add(amounts, row.get("meters", {}))
        last = self._last_hour()
        return Totals(
            {owner: usages[owner] for owner in sorted(usages)},
            days,
            None if last is None else f"{hour_text(last)}:00Z",
            last is not None and last >= period.end + LATE_HOURS,
        )

    def _last_hour(self) -> int | None:
        key = encode_row(progress_key(self._deployment.stack))
        response = self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        return int(from_item(response["Item"])["hour"]) if "Item" in response else None

    def rows(self, period: Period, endpoint_id: str | None = None) -> Iterator[Row]:
        """Return the rows of a period, of one tenant or all."""
        condition, names, items = "#month = :month", {"#month": "month"}, {}
        if endpoint_id is not None:
            condition += " AND #item BETWEEN :first AND :end"
            names["#item"] = "item"
            items = {":first": item_key(endpoint_id, period.first), ":end": item_key(endpoint_id, period.end)}
        for month in period.months():
            pages = self._dynamodb.get_paginator("query").paginate(
                TableName=self._table,
                ConsistentRead=True,
                KeyConditionExpression=condition,
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=encode_row({":month": month, **items}),
            )
            found = (from_item(item) for page in pages for item in page["Items"])
            yield from (row for row in found if period.first <= row["hour"] < period.end)


def describe_period(period: Period, totals: Totals) -> dict[str, object]:
    """Return a period and how far it is counted, for machines."""
    since, until = period.texts()
    return {"since": since, "until": until, "last_hour": totals.last_hour, "is_final": totals.is_final}


def title(period: Period, totals: Totals) -> str:
    """Return the same for people."""
    since, until = period.texts()
    reached = f"counted into the hour of {totals.last_hour}" if totals.last_hour else "not counted yet"
    counted = "final" if totals.is_final else reached
    return f"{since} to {until}, {counted}"


def usage_facts(owner: Owner, usage: Usage) -> dict[str, object]:
    """Return what was used, by the names that billing systems get."""
    amounts = usage.amounts
    return {
        "endpoint_id": owner.endpoint_id,
        **({"function": owner.function} if owner.function else {}),
        **{name: amounts[name] for name in COUNTS},
        "worker_ms": Decimal(amounts["worker_us"]) / 1000,
        "gb_seconds": round(Decimal(amounts["worker_mb_us"]) / _MB_US_PER_GB_SECOND, 6),
        **{name: amounts[name] for name in BYTES},
        "meters": dict(sorted(usage.meters.items())),
    }
