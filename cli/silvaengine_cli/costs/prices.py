"""A dated list of prices, and what quantities cost by it."""

import tomllib
from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import click

_FILE = Path(__file__).with_name("prices.toml")


class Prices(NamedTuple):
    """US dollars for one of each thing that AWS bills, by name; ``read`` is when they were looked up."""

    region: str
    read: date
    usd: Mapping[str, float]

    def cost(self, quantities: Mapping[str, float]) -> float:
        """Return what quantities cost, in US dollars; their names are those of the list."""
        return float(sum(amount * self.usd[name] for name, amount in quantities.items()))


@cache
def read_prices(file: Path | None = None) -> Prices:
    """Return our list, or another Region's, of which each price that it lacks is ours.

    Raises:
        ClickException: the file isn't such a list; the message names what is wrong in it.
    """
    ours = _read(_FILE)
    if file is None:
        return ours
    theirs = _read(file)
    if unknown := theirs.usd.keys() - ours.usd.keys():
        raise click.ClickException(f"{file}: no such price: {', '.join(sorted(unknown))}")
    return theirs._replace(usd={**ours.usd, **theirs.usd})


def _read(file: Path) -> Prices:
    try:
        content = tomllib.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise click.ClickException(f"{file}: {error}") from None
    if not isinstance(content.get("region"), str) or type(content.get("read")) is not date:
        raise click.ClickException(f'{file}: expected region = "eu-central-1" and read = 2026-11-30')
    prices = content.get("prices")
    if not isinstance(prices, dict):
        raise click.ClickException(f"{file}: expected a table [prices]")
    return Prices(
        content["region"], content["read"], {name: _usd(file, name, prices[name]) for name in prices}
    )


def _usd(file: Path, name: str, price: Any) -> float:  # noqa: ANN401 - as TOML has it
    match price:
        case {"usd": int() | float() as usd, "per": int() as per} if usd >= 0 and per > 0:
            return usd / per
    raise click.ClickException(f"{file}: prices.{name}: expected {{usd = 3.50, per = 1_000_000}}")


def cost(quantities: Mapping[str, float]) -> float:
    """Return what quantities cost by our list."""
    return read_prices().cost(quantities)


def dated() -> date:
    """Return when our list was looked up."""
    return read_prices().read
