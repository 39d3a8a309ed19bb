"""``status``: how a deployment does, on one screen."""

import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict
from typing import Any

import click

from silvaengine_cli.commands.logs import until_it_passes
from silvaengine_cli.deployment import Deployment, operator_options
from silvaengine_cli.logs.reading import open_reader
from silvaengine_cli.logs.times import since_option
from silvaengine_cli.output import Moment, print_json, print_table
from silvaengine_cli.publishing.coverage import outcomes_text
from silvaengine_cli.status.numbers import Measured, Numbers, measure, worst
from silvaengine_cli.status.state import State, read_state

COLUMNS = ("", "calls", "per s", "4xx", "failed", "p50 ms", "p99 ms", "cold")
WATCH_SECONDS = 5


@click.command()
@since_option("5m")
@click.option(
    "--lines",
    default=20_000,
    show_default=True,
    type=click.IntRange(1),
    help="How many lines to read, about.",
)
@click.option("--top", default=5, show_default=True, type=click.IntRange(1), help="How many of the worst.")
@click.option("--watch", is_flag=True, help=f"Show it anew every {WATCH_SECONDS} seconds, until Ctrl-C.")
@operator_options
def status(deployment: Deployment, since: int, lines: int, top: int, watch: bool, as_json: bool) -> None:
    """Show how a deployment does, on one screen.

    Rates, failures, times, releases, sockets, jobs, queues and alarms. Rates and times come from the lines
    that the Lambdas have written since then, the last ones first: where there are more than --lines, they are
    those of a shorter time, which is said. Functions are those that ran, tenants are counted by what came in;
    first are those that fail most, then the slowest.

    \b
    Examples:
      silvaengine status --local
      silvaengine status --since 10:00 --top 20 --stage prod
      silvaengine status --watch --stage prod
      silvaengine status --json --stage prod
    """
    reader = open_reader(deployment)
    ago = time.time() * 1000 - since
    try:
        while True:
            with until_it_passes() if watch else nullcontext():
                found = measure(reader, int(time.time() * 1000 - ago) if watch else since, lines)
                state = read_state(deployment)
                if watch:
                    click.clear()
                _show(deployment, found, state, top, as_json=as_json)
            if not watch:
                return
            time.sleep(WATCH_SECONDS)
    except KeyboardInterrupt:
        return


def _show(deployment: Deployment, found: Measured, state: State, top: int, *, as_json: bool) -> None:
    if as_json:
        print_json(_facts(found, top) | asdict(state))
        return
    part = "" if found.covers_all else ", no further back than --lines"
    click.echo(f"{deployment.stack}: {found.lines:,} lines of the last {_span(found.seconds)}{part}")
    for title, numbers in (
        ("services", list(found.services.items())),
        ("functions, the worst", worst(found.functions, top)),
        ("tenants, the worst", worst(found.tenants, top)),
    ):
        if numbers:
            cells = [_cells(name, each, found.seconds) for name, each in numbers]
            print_table(f"\n{title}", COLUMNS, cells, None, as_json=False)
    if state.packages:
        packages = [
            (row["package"], row["release"], Moment(row["changed_at"]), _canary(row))
            for row in state.packages
        ]
        print_table("\npackages", ("package", "release", "since", "canary"), packages, None, as_json=False)
    click.echo()
    least = "" if state.counts_all else " at least"
    click.echo(f"sockets{least}: {_counts(state.sockets)}")
    click.echo(f"jobs{least}: {_counts(state.ledger)}")
    click.echo(f"queues: {_counts(state.queues)}")
    click.echo(f"alarms: {len(state.alarms) or 'none rings'}")
    for name, description in state.alarms.items():
        click.secho(f"  {name}: {description}", fg="red")


def _facts(found: Measured, top: int) -> dict[str, Any]:
    """Return the numbers for machines."""
    return {
        "seconds": found.seconds,
        "lines": found.lines,
        "covers_all": found.covers_all,
        "services": {name: each.facts(found.seconds) for name, each in found.services.items()},
        "functions": {name: each.facts(found.seconds) for name, each in worst(found.functions, top)},
        "tenants": {name: each.facts(found.seconds) for name, each in worst(found.tenants, top)},
    }


def _cells(name: str, numbers: Numbers, seconds: float) -> tuple[object, ...]:
    facts = numbers.facts(seconds)
    times = (f"{facts[each]:.0f}" for each in ("p50_ms", "p99_ms"))
    rate = f"{facts['per_second']:.1f}"
    return (name, f"{numbers.calls:,}", rate, numbers.refused, numbers.failed, *times, numbers.cold_starts)


def _canary(pointer: Mapping[str, Any]) -> str:
    return outcomes_text(pointer["canary"]) if "canary" in pointer else ""


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items()) or "none"


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
