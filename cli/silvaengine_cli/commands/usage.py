"""``usage``: what tenants used, for people and for billing systems."""

import csv
import sys
from collections.abc import Mapping
from decimal import Decimal

import click

from silvaengine_cli.deployment import Deployment, list_options
from silvaengine_cli.output import print_table
from silvaengine_cli.usage.period import Period, period_options, refresh_option
from silvaengine_cli.usage.totals import Totals, UsageTable
from silvaengine_tasks.usage.counting import Owner, Usage

COUNTS = ("requests", "calls", "errors", "jobs", "messages", "pushes")
BYTES = ("bytes_in", "bytes_out")
SHOWN = ("calls", "errors", "jobs", "messages", "worker ms", "GB-s", "bytes in", "bytes out", "meters")
_MB_US_PER_GB_SECOND = 1024 * 1_000_000


@click.command()
@click.argument("endpoint", required=False)
@period_options
@click.option("--by", type=click.Choice(["tenant", "function"]), default="tenant", show_default=True)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, for a billing system.")
@refresh_option
@list_options
def usage(
    deployment: Deployment,
    endpoint: str | None,
    period: Period,
    by: str,
    as_csv: bool,
    refresh: bool,
    as_json: bool,
    wide: bool,
) -> None:
    """Show what ENDPOINT, or each one, used in a month.

    Calls, time, jobs, messages, bytes and what functions meter are counted from the log lines, each hour
    anew: a line counts that is in the log two hours after the end of its hour. With --json `is_final` says
    that nothing of the period will change any more. Times are UTC. What can't be said of any tenant, such as
    requests with a wrong key, is that of "-".

    \b
    Examples:
      silvaengine usage acme --month 2026-11 --stack silvaengine
      silvaengine usage --by function --since 2026-11-30 --local
      silvaengine usage --month 2026-11 --csv --stage prod > november.csv
    """
    if as_csv and as_json:
        raise click.UsageError("--csv goes without --json")
    table = UsageTable(deployment)
    if refresh or (deployment.is_local and deployment.has_output("UsageArn")):
        table.refresh()
    totals = table.totals(period, endpoint, by_function=by == "function")
    function = ["function"] if by == "function" else []
    facts = [_facts(owner, usage) for owner, usage in totals.usages.items()]
    if as_csv:
        _print_csv(period, ["endpoint_id", *function], facts)
        return
    columns = ("endpoint", *function, *SHOWN)
    value = {**describe_period(period, totals), "usage": facts}
    print_table(title(period, totals), columns, map(_cells, facts), value, as_json=as_json, wide=wide)


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


def _facts(owner: Owner, usage: Usage) -> dict[str, object]:
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


def _cells(facts: Mapping[str, object]) -> tuple[object, ...]:
    return tuple(value for name, value in facts.items() if name not in ("requests", "pushes"))


def _print_csv(period: Period, owner: list[str], facts: list[dict[str, object]]) -> None:
    """Print a row for each tenant or function; its own meters are the last columns, ``meter_…``."""
    since, until = period.texts()
    columns = ["since", "until", *owner, *COUNTS, "worker_ms", "gb_seconds", *BYTES]
    rows = []
    for each in facts:
        meters: Mapping[str, object] = each.pop("meters")  # type: ignore[assignment]
        own = {f"meter_{name}": amount for name, amount in meters.items()}
        rows.append({"since": since, "until": until, **each, **own})
    own_names = sorted({name for row in rows for name in row if name.startswith("meter_")})
    writer = csv.DictWriter(sys.stdout, [*columns, *own_names], restval=0, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
