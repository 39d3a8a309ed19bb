"""`silvaengine usage` and `cost` over rows of usage."""

import csv
import io
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from silvaengine.aws.botocore import BotocoreApi
from silvaengine.aws.table_client import TableReader, TableWriter
from silvaengine_cli.engine import REGION
from silvaengine_cli.main import cli
from silvaengine_tasks.usage.counting import Owner, Usage, read_line
from silvaengine_tasks.usage.rows import HOUR, UsageRows

OPTIONS = ["--table-prefix", "se-", "--region", REGION]
NOVEMBER = 1_793_491_200 // HOUR  # 2026-11-01T00
LATE = 30 * 24  # hours

type Run = Callable[..., Result]


def line(tenant: str, function: str, **members: Any) -> Usage:
    """Return the usage of one call of 100.5 ms at 512 MB."""
    record = {"service": "worker", "memory_mb": 512, "total_ms": 100.5, "status": 200, "endpoint_id": tenant}
    read, usage = (
        read_line(json.dumps({**record, "function": function, **members}), "worker"),
        Usage(),
    )
    assert read
    usage.add(read.amounts, read.meters)
    return usage


@pytest.fixture
def run(dynamodb: Any) -> Run:
    """Run a command over what two tenants used in November and at its ends."""
    api = BotocoreApi(dynamodb)
    rows = UsageRows(TableReader(lambda: api, "se-"), TableWriter(lambda: api, "se-"), "silvaengine")
    other = UsageRows(TableReader(lambda: api, "se-"), TableWriter(lambda: api, "se-"), "green")
    for hour in (NOVEMBER - 1, NOVEMBER, NOVEMBER + LATE - 1, NOVEMBER + LATE):
        for function in ("ask", "order"):
            metered = line("acme", function, meters={"tokens": 0.1, "images": 2})
            rows.write(hour, Owner("acme", function), metered, 1)
    other.write(NOVEMBER, Owner("acme", "ask"), line("acme", "ask", status=500), 1)
    rows.write(NOVEMBER, Owner("acme2", "ask"), line("acme2", "ask", job_id="j", attempt=1), 1)
    rows.reach(NOVEMBER + LATE + 1)
    return lambda *arguments: CliRunner().invoke(cli, [*arguments, *OPTIONS])


def usage_of(run: Run, *arguments: str) -> Any:
    """Return what a command prints as JSON."""
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_a_months_usage_is_the_sum_of_its_hours(run: Run) -> None:
    """Of this tenant alone, of all stacks on the tables, to the last digit."""
    november = usage_of(run, "usage", "acme", "--month", "2026-11")
    assert (november["since"], november["until"]) == ("2026-11-01T00:00Z", "2026-12-01T00:00Z")
    (acme,) = november["usage"]
    counts = {"requests": 0, "calls": 5, "errors": 1, "jobs": 0, "messages": 0, "pushes": 0}
    sizes = {"bytes_in": 0, "bytes_out": 0, "worker_ms": 502.5, "gb_seconds": 0.25125}
    assert acme == {"endpoint_id": "acme", **counts, **sizes, "meters": {"images": 8, "tokens": 0.4}}


def test_a_column_shows_what_its_header_says(run: Run) -> None:
    """The table has the numbers of the JSON, each under its name."""
    table = run("usage", "acme", "--month", "2026-11", "--wide").stdout.partition("endpoint  ")
    header, cells = "".join(table[1:]).splitlines()[:2]
    shown = dict(zip(re.split(r"  +", header.strip()), re.split(r"  +", cells.strip()), strict=False))
    assert (shown["calls"], shown["errors"], shown["jobs"]) == ("5", "1", "0")
    assert (shown["worker ms"], shown["GB-s"]) == ("502.5", "0.251250")


def test_usage_is_final_once_its_last_hour_was_read_for_the_last_time(run: Run) -> None:
    """Two hours later; until then it says how far it is."""
    november = usage_of(run, "usage", "--month", "2026-11")
    assert (november["is_final"], november["last_hour"]) == (False, "2026-12-01T01:00Z")
    assert usage_of(run, "usage", "--since", "2026-11-01", "--until", "2026-11-30T23")["is_final"]


def test_functions_and_tenants_are_told_apart(run: Run) -> None:
    """A name that begins like another is another."""
    by_function = usage_of(run, "usage", "--by", "function", "--month", "2026-11")["usage"]
    calls = {(each["endpoint_id"], each["function"]): each["calls"] for each in by_function}
    assert calls == {("acme", "ask"): 3, ("acme", "order"): 2, ("acme2", "ask"): 1}


def test_csv_has_a_column_for_each_meter(run: Run) -> None:
    """Who has none of it has nothing of it."""
    done = run("usage", "--month", "2026-11", "--csv")
    acme, other = csv.DictReader(io.StringIO(done.stdout))
    assert (acme["endpoint_id"], acme["calls"], acme["meter_tokens"]) == ("acme", "5", "0.4")
    assert (other["endpoint_id"], other["jobs"], other["meter_tokens"]) == ("acme2", "1", "0")


def test_csv_of_nothing_has_its_columns(run: Run) -> None:
    """A billing system reads a month without calls as it reads any other."""
    empty = run("usage", "--month", "2090-01", "--csv", "--by", "function").stdout
    assert empty.startswith("since,until,endpoint_id,function,requests,calls,errors,")
    assert empty.count("\n") == 1


def test_what_a_tenant_cost_is_told_by_part(run: Run) -> None:
    """The parts are those of the bill, and the sum is theirs."""
    found = usage_of(run, "cost", "--month", "2026-11")
    acme, other = found["costs"]
    assert sum(acme["usd"].values()) == pytest.approx(acme["total_usd"])
    assert found["total_usd"] == pytest.approx(acme["total_usd"] + other["total_usd"])
    assert acme["usd"]["Lambda"] == pytest.approx(5 * 0.2e-6 + 0.25125 * 0.0000166667)
    assert other["usd"]["jobs"] == pytest.approx(6 * 0.625e-6)
    assert found["prices"]["region"] == "us-east-1"
    shown = run("cost", "acme", "--month", "2026-11").stdout
    assert "acme2" not in shown
    assert "prices of us-east-1" in shown


def test_costs_of_a_million_requests_need_no_deployment() -> None:
    """They come of assumptions and the list of prices."""
    done = CliRunner().invoke(cli, ["cost", "--per-million"])
    assert done.exit_code == 0, done.output
    assert "ApiKind=http" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--month", "2026-13"), "--month': '2026-13': expected a month such as 2026-11"),
        (("--month", "november"), "expected a month such as 2026-11"),
        (("--since", "2026-02-31"), "--since': '2026-02-31': expected a day or an hour in UTC"),
        (("--since", "2026-11-30T13:30"), "expected a day or an hour in UTC"),
        (("--until", "2026-11-30"), "--until needs --since"),
        (("--since", "2026-11-30", "--until", "2026-11-01"), "--since has to be before --until"),
        (("--month", "2026-11", "--since", "2026-11-01"), "--month goes without --since and --until"),
        (("--csv", "--json"), "--csv goes without --json"),
    ],
)
def test_a_period_that_cant_be_is_refused_by_name(arguments: tuple[str, ...], message: str) -> None:
    """Before anything is read."""
    done = CliRunner().invoke(cli, ["usage", *arguments, *OPTIONS])
    assert done.exit_code == 2
    assert message in done.output
