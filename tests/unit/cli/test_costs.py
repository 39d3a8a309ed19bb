"""Prices, bills, and the arithmetic of docs/cost.md."""

import re
from pathlib import Path

import click
import pytest

from silvaengine_cli.costs.bill import JOB_WRITES, MB_US, PLATFORM_BYTES, Setup, bill, price
from silvaengine_cli.costs.per_million import (
    CHAINED,
    FASTAPI,
    GATEWAY,
    HOP_MS,
    LINE_BYTES,
    REQUESTS,
    RUNTIME_MS,
    SYSTEMS,
    WORKER,
    Lambda,
    rows,
)
from silvaengine_cli.costs.prices import read_prices

PROJECT = Path(__file__).parents[3]
PAGE = (PROJECT / "docs/cost.md").read_text()
RESULTS = (PROJECT / "benchmarks/RESULTS.md").read_text()
TOML = 'region = "eu-central-1"\nread = 2026-11-30\n'


def table(heading: str) -> dict[str, list[str]]:
    """Return the rows of the page's table that follows a line, by their first cells."""
    lines = PAGE.partition(heading)[2].partition("| ---")[2].splitlines()[1:]
    found = {}
    for line in lines:
        if not line.startswith("|"):
            break
        name, *cells = (cell.strip() for cell in line.strip("| ").split("|"))
        found[name] = cells
    return found


def number(name: str) -> int:
    """Return an amount of the page's example."""
    return int(table("whose usage in November was")[name][0].replace(",", ""))


def test_the_pages_costs_per_million_are_those_of_the_command() -> None:
    """Each system's, by the function's time."""
    calculated = {name: [f"{usd:.2f}" for usd in costs] for name, costs in rows(read_prices())}
    lines = PAGE.partition("for functions that take so long")[2]
    for name, costs in rows(read_prices()):
        assert f"| {name} | {' | '.join(f'{usd:.2f}' for usd in costs)} |" in lines, name
    assert calculated.keys() == table("for functions that take so long").keys()


def test_the_pages_assumptions_are_those_of_the_code() -> None:
    """What is assumed and measured, and the two levers with a price of their own."""
    assert f"takes {HOP_MS:g} ms beyond" in PAGE
    assert f"takes {RUNTIME_MS} ms for each invocation" in PAGE
    assert f"has {LINE_BYTES - 26} bytes" in PAGE
    usd = read_prices().usd
    assert f"${(usd['rest_requests'] - usd['http_requests']) * REQUESTS:.2f} of each million" in PAGE
    cpu = {each.cpu_ms for system in SYSTEMS for each in system.lambdas} - {0.01}
    assert all(f" {milliseconds:.2f}" in PAGE for milliseconds in cpu)


@pytest.mark.parametrize(
    ("title", "name", "measured"),
    [
        ("With the Invoke, over TLS on a kept connection", "SilvaEngine gateway", GATEWAY),
        ("With the Invoke, over TLS on a kept connection", "bare handler + boto3", CHAINED[0]),
        ("Without the Invoke", "Mangum + FastAPI", FASTAPI[0]),
        ("Worker", "SilvaEngine worker", WORKER),
    ],
)
def test_times_are_about_those_of_the_benchmarks(title: str, name: str, measured: Lambda) -> None:
    """They are of one machine, so half as much again is still the same; more has changed the bill."""
    rows = RESULTS.partition(f"### {title}\n")[2]
    found = re.search(rf"^\| {re.escape(name)} \| ([\d.,]+) ", rows, re.MULTILINE)
    assert found
    assert 1 / 1.5 < measured.cpu_ms * 1_000 / float(found[1].replace(",", "")) < 1.5


def test_the_pages_example_is_billed_as_it_says() -> None:
    """Amounts, their parts of the bill, and its sum."""
    amounts = {
        "requests": number("requests"),
        "messages": number("messages"),
        "jobs": number("jobs"),
        "invocations": number("invocations of all Lambdas"),
        "mb_us": number("GB-s of all Lambdas") * MB_US,
        "log_bytes": number("bytes of lines"),
        "bytes_out": number("bytes out"),
    }
    parts = price(bill(amounts, Setup()), read_prices())
    on_page = table("has this bill on a REST API and x86_64")
    in_all = on_page.pop("in all")[-1]
    assert {name: cells[-1] for name, cells in on_page.items()} == {
        name: f"{usd:.2f}" for name, usd in parts.items()
    }
    assert in_all == f"{sum(parts.values()):.2f}"
    assert f"{PLATFORM_BYTES} bytes for each invocation" in PAGE
    assert JOB_WRITES == 6
    assert "six writes for each" in PAGE


def test_what_the_parameters_decide_is_billed() -> None:
    """An HTTP API, arm64, and no lines of Lambda's own."""
    amounts = {"requests": 1, "invocations": 2, "mb_us": MB_US}
    parts = bill(amounts, Setup("http", "arm64", writes_platform_lines=False))
    assert parts["API"]["http_requests"] == 1
    assert parts["Lambda"] == {"lambda_requests": 2, "lambda_gb_seconds_arm64": 1}
    assert parts["logs"] == {"log_gigabytes": 0}


def test_another_regions_prices_lay_over_ours(tmp_path: Path) -> None:
    """What its list lacks costs what ours says."""
    file = tmp_path / "eu.toml"
    file.write_text(TOML + "[prices]\nlog_gigabytes = {usd = 0.63, per = 1}\n")
    prices, ours = read_prices(file), read_prices()
    assert (prices.region, prices.read.isoformat()) == ("eu-central-1", "2026-11-30")
    assert prices.usd == {**ours.usd, "log_gigabytes": 0.63}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("=", "eu.toml: "),
        ("[prices]\n", "expected region"),
        (TOML, r"expected a table \[prices\]"),
        (TOML + "[prices]\ncoffee = {usd = 1, per = 1}\n", "no such price: coffee"),
        (TOML + "[prices]\nlog_gigabytes = 0.63\n", "prices.log_gigabytes: expected"),
        (TOML + "[prices]\nlog_gigabytes = {usd = -1, per = 1}\n", "prices.log_gigabytes: expected"),
        (TOML + "[prices]\nlog_gigabytes = {usd = 1, per = 0}\n", "prices.log_gigabytes: expected"),
    ],
)
def test_a_list_that_cant_be_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    """The message says which file, which member, and what was expected."""
    file = tmp_path / "eu.toml"
    file.write_text(text)
    with pytest.raises(click.ClickException, match=message):
        read_prices(file)
