"""``usage``: what tenants used, for people and for billing systems."""

import csv
import sys
from collections.abc import Mapping

import click

from silvaengine_cli.deployment import Deployment, list_options
from silvaengine_cli.output import print_table
from silvaengine_cli.usage.period import Period, period_options, refresh_option
from silvaengine_cli.usage.totals import BYTES, COUNTS, UsageTable, describe_period, title, usage_facts

SHOWN = ("calls", "errors", "jobs", "messages", "worker ms", "GB-s", "bytes in", "bytes out", "meters")


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
    facts = [usage_facts(owner, usage) for owner, usage in totals.usages.items()]
    if as_csv:
        _print_csv(period, ["endpoint_id", *function], facts)
        return
    columns = ("endpoint", *function, *SHOWN)
    value = {**describe_period(period, totals), "usage": facts}
    print_table(title(period, totals), columns, map(_cells, facts), value, as_json=as_json, wide=wide)


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
