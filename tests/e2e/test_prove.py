"""`silvaengine prove` with a local engine as the account: it ends with results, and with nothing left."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest

from silvaengine_cli.deployment import Deployment
from silvaengine_cli.engine import LocalEngine, local_engine
from silvaengine_cli.prove import AREAS, deploying, leftovers
from silvaengine_cli.prove.names import new_name
from silvaengine_cli.prove.run import Run, perform, phases

from .conftest import double_of

PROJECT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "from silvaengine_cli.main import main; main()", "prove"]


@pytest.fixture
def account(engine_program: Path, tmp_path: Path, pytestconfig: pytest.Config) -> Iterator[LocalEngine]:
    """An engine for one test: a function that outlives its stack may make its log group anew."""
    state = tmp_path / "account" / "state"
    with local_engine(engine_program, state, double=double_of(pytestconfig)) as running:
        yield running


@pytest.fixture(autouse=True)
def _nothing_stays(account: LocalEngine) -> Iterator[None]:
    """Whatever a test did, the account is as empty as before."""
    yield
    assert leftovers.find(account.client, bool) == []
    # What isn't found by a run's name would be seen here.
    assert account.client("cloudformation").describe_stacks()["Stacks"] == []
    for service, listing, member in (
        ("lambda", "list_functions", "Functions"),
        ("lambda", "list_event_source_mappings", "EventSourceMappings"),
        ("dynamodb", "list_tables", "TableNames"),
        ("s3", "list_buckets", "Buckets"),
        ("logs", "describe_log_groups", "logGroups"),
        ("logs", "describe_metric_filters", "metricFilters"),
        ("secretsmanager", "list_secrets", "SecretList"),
        ("sns", "list_subscriptions", "Subscriptions"),
        ("apigateway", "get_rest_apis", "items"),
    ):
        assert getattr(account.client(service), listing)().get(member, []) == [], (service, member)


def prove(account: LocalEngine, *arguments: str) -> subprocess.Popen[str]:
    """Start the command."""
    return subprocess.Popen(
        [*COMMAND, "--endpoint-url", account.url, "--yes", *arguments],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.timeout(900)
@pytest.mark.parametrize("areas", [pytest.param(AREAS, marks=pytest.mark.nightly), ("http",)])
def test_a_run_shows_what_an_engine_can(account: LocalEngine, tmp_path: Path, areas: Sequence[str]) -> None:
    """Each id passes or says why it can't here; the answers are those that were recorded before."""
    options = [] if areas == AREAS else [part for area in areas for part in ("--only", area)]
    process = prove(account, "--to", str(tmp_path), *options)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    (path,) = (tmp_path / "evidence").iterdir()
    evidence = json.loads(path.read_text())
    assert (evidence["account"], path.name.endswith("-local.json")) == ("local engine", True)
    assert {each["area"] for each in evidence["results"]} == set(areas)
    assert all(each["reason"] for each in evidence["results"] if each["outcome"] == "skip")
    assert {each["outcome"] for each in evidence["results"]} == {"pass", "skip"}
    recorded, kept = (
        {path.name: strip(path) for path in folder.iterdir()}
        for folder in (tmp_path / "tests" / "parity", PROJECT / "tests" / "parity")
    )
    assert recorded == kept


def strip(path: Path) -> object:
    """Return an answer without where it was recorded."""
    return {name: value for name, value in json.loads(path.read_text()).items() if name != "recorded_on"}


def test_more_than_the_budget_is_refused(account: LocalEngine) -> None:
    """Nothing is made where a run might cost more than it may."""
    process = prove(account, "--budget", "0.01")
    output, _ = process.communicate()
    assert process.returncode == 1
    assert "the budget is $0.01" in output


@pytest.mark.nightly
def test_ctrl_c_in_the_middle_leaves_nothing(account: LocalEngine) -> None:
    """A run that is interrupted while its stack is made takes everything back."""
    process = prove(account)
    stacks = account.client("cloudformation")
    deadline = time.monotonic() + 240
    while not stacks.describe_stacks()["Stacks"] and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate()
    assert process.returncode == 1
    assert "nothing stays" in output


@pytest.mark.timeout(300, method="thread")
def test_a_failure_leaves_nothing(account: LocalEngine, tmp_path: Path) -> None:
    """What was made before it is deleted, and the failure is told."""

    def fail(run: Run) -> None:
        deploying.make_sources(run.deployment, run.name)
        raise click.ClickException("injected")

    with pytest.raises(click.ClickException, match="deploy failed"):
        perform(run_on(account, tmp_path), {"deploy": fail})


@pytest.mark.nightly
@pytest.mark.timeout(900, method="thread")
@pytest.mark.parametrize("failing", ["deploy", "registry", *AREAS])
def test_a_failure_in_any_phase_leaves_nothing(account: LocalEngine, tmp_path: Path, failing: str) -> None:
    """Whichever phase fails after its work, the account is empty afterwards, and the failure is told."""
    run = run_on(account, tmp_path)

    def fail(run: Run) -> None:
        steps[failing](run)
        raise click.ClickException("injected")

    steps = phases(run)
    with pytest.raises(click.ClickException, match=f"{failing} failed"):
        perform(run, {**steps, failing: fail})


@pytest.mark.timeout(300, method="thread")
def test_what_a_run_kept_is_swept_once_it_has_expired(account: LocalEngine, tmp_path: Path) -> None:
    """A sweep leaves runs alone that may still exist, and takes the others, a secret to be deleted, too."""
    client = account.client
    past, future = (new_name(datetime.now(UTC) + timedelta(hours=hours)) for hours in (-1, 1))
    for name in (past, future):
        client("s3").create_bucket(Bucket=f"{name}-inbox")
        client("s3").put_bucket_versioning(
            Bucket=f"{name}-inbox", VersioningConfiguration={"Status": "Enabled"}
        )
        for body in (b"1", b"2"):
            client("s3").put_object(Bucket=f"{name}-inbox", Key="x", Body=body)
        client("s3").delete_object(Bucket=f"{name}-inbox", Key="x")
        client("secretsmanager").create_secret(Name=f"{name}-key-pepper", SecretString="x")
        client("secretsmanager").delete_secret(SecretId=f"{name}-key-pepper")
        client("logs").create_log_group(logGroupName=f"/aws/lambda/{name}-Worker")
    for arguments in ((), ("--run", future)):
        process = prove(account, "--sweep", *arguments)
        output, _ = process.communicate()
        assert process.returncode == 0, output
        assert "3 deleted" in output


def run_on(account: LocalEngine, folder: Path) -> Run:
    """Return a run with the engine as its account."""
    name = new_name(datetime.now(UTC) + timedelta(hours=1))
    return Run(name, Deployment(stack=name, endpoint_url=account.url), PROJECT, folder)
