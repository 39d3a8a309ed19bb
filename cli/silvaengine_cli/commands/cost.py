"""``cost``: what tenants cost, and what a million requests would."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import click

from silvaengine_cli.costs.bill import Setup, bill, price
from silvaengine_cli.costs.per_million import FUNCTION_MS, rows
from silvaengine_cli.costs.prices import Prices, read_prices
from silvaengine_cli.deployment import Deployment, list_options
from silvaengine_cli.output import print_table
from silvaengine_cli.usage.period import Period, period_options, refresh_option
from silvaengine_cli.usage.totals import UsageTable, describe_period, title

PARTS = ("API", "Lambda", "logs", "jobs", "sent")


class Cost(NamedTuple):
    """What a tenant cost, by the parts of the bill."""

    endpoint_id: str
    usd: Mapping[str, float]
    requests: int

    @property
    def total_usd(self) -> float:
        """All parts together."""
        return sum(self.usd.values())

    def facts(self) -> dict[str, object]:
        """Return the cost for machines."""
        return {**self._asdict(), "total_usd": self.total_usd}

    def cells(self) -> tuple[str, ...]:
        """Return the cost for people; a million requests cost what those that there were did on average."""
        per_million = f"{self.total_usd / self.requests * 1_000_000:.2f}" if self.requests else ""
        parts = (_dollars(self.usd[part]) for part in PARTS)
        return (self.endpoint_id, *parts, _dollars(self.total_usd), per_million)


@click.command()
@click.argument("endpoint", required=False)
@period_options
@refresh_option
@click.option(
    "--prices",
    "prices_file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Prices of another Region, as docs/cost.md shows.  [default: us-east-1's]",
)
@click.option("--per-million", is_flag=True, help="What a million requests would cost; reads no deployment.")
@list_options
def cost(
    deployment: Deployment,
    endpoint: str | None,
    period: Period,
    refresh: bool,
    prices_file: Path | None,
    per_million: bool,
    as_json: bool,
    wide: bool,
) -> None:
    """Show what ENDPOINT, or each one, costs in a month.

    In US dollars at list prices, for what `usage` counts. What is there without calls is not in it: alarms,
    secrets, storage. With --per-million it shows what a million requests cost by the levers of a deployment,
    and elsewhere.

    \b
    Examples:
      silvaengine cost acme --month 2026-11 --stack silvaengine
      silvaengine cost --month 2026-11 --prices eu.toml --stage prod
      silvaengine cost --per-million
    """
    prices = read_prices(prices_file)
    if per_million:
        _print_per_million(prices, as_json=as_json, wide=wide)
        return
    table = UsageTable(deployment)
    if refresh or (deployment.is_local and deployment.has_output("UsageArn")):
        table.refresh()
    totals, setup = table.totals(period, endpoint), Setup.of(deployment)
    costs = [
        Cost(owner.endpoint_id, price(bill(usage.amounts, setup), prices), usage.amounts["requests"])
        for owner, usage in totals.usages.items()
    ]
    value = {
        **describe_period(period, totals),
        "prices": {"region": prices.region, "read": prices.read},
        "total_usd": sum(each.total_usd for each in costs),
        "costs": [each.facts() for each in costs],
    }
    columns = ("endpoint", *PARTS, "total $", "$ per million requests")
    heading = f"{title(period, totals)}; prices of {prices.region}, {prices.read}"
    cells = (each.cells() for each in costs)
    print_table(heading, columns, cells, value, as_json=as_json, wide=wide)


def _print_per_million(prices: Prices, *, as_json: bool, wide: bool) -> None:
    found = rows(prices)
    value = [
        {"system": name, "usd": {f"{ms} ms": usd for ms, usd in zip(FUNCTION_MS, costs, strict=True)}}
        for name, costs in found
    ]
    cells = [(name, *(f"{usd:.2f}" for usd in costs)) for name, costs in found]
    columns = ("$ per million requests", *(f"{ms:,} ms" for ms in FUNCTION_MS))
    print_table(
        f"prices of {prices.region}, {prices.read}", columns, cells, value, as_json=as_json, wide=wide
    )


def _dollars(usd: float) -> str:
    return f"{usd:.2f}" if usd >= 10 or not usd else f"{usd:.6f}"
