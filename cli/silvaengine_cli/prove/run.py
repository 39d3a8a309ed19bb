"""One run: its phases one after the other, and the end of all that they made, whatever happened."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import click

from silvaengine_cli.deployment import Deployment
from silvaengine_cli.leash import leashed
from silvaengine_cli.prove import AREAS, deploying, leftovers
from silvaengine_cli.prove.names import expiry
from silvaengine_cli.registry.apply import apply_file

_ENDED = (0, 1)  # pytest's exit codes: all passed, some failed
_ENDING = (signal.SIGTERM, signal.SIGHUP)  # besides Ctrl-C


@dataclass(frozen=True, slots=True)
class Run:
    """A run; ``results`` grows as it goes."""

    name: str
    deployment: Deployment
    checkout: Path
    folder: Path
    areas: tuple[str, ...] = AREAS
    results: list[dict[str, Any]] = field(default_factory=list)

    @property
    def project(self) -> Path:
        """The copy of the project that is deployed."""
        return self.folder / "project"

    @property
    def answers(self) -> Path:
        """The folder of the answers that tests record."""
        return self.folder / "answers"

    @property
    def tags(self) -> dict[str, str]:
        """What the stack, and on AWS everything in it, is tagged with."""
        return {"silvaengine-prove": self.name, "expires": f"{expiry(self.name):%Y-%m-%dT%H:%MZ}"}


def deploy(run: Run) -> None:
    """Build a copy of the project and deploy it."""
    project = deploying.copy_with_functions(run.checkout, run.project)
    deploying.build(project)
    values = deploying.make_sources(run.deployment, run.name)
    deploying.deploy(project, run.deployment, run.name, values, run.tags)
    target = {
        "stack": run.name,
        "region": run.deployment.region,
        "endpoint_url": run.deployment.endpoint_url,
        "project": str(project),
        "parameters": values,
        "tags": run.tags,
        "answers": str(run.answers),
        "results": str(run.folder / "results.jsonl"),
    }
    (run.folder / "target.json").write_text(json.dumps(target))


def apply_registry(run: Run) -> None:
    """Make the tests' functions known."""
    text = (run.checkout / deploying.TESTS / "registry.yaml").read_text()
    path = run.folder / "registry.yaml"
    path.write_text(text.replace("RUN", run.name))
    apply_file(path, run.deployment.tables(), run.deployment.worker_arn)


def prove(run: Run, area: str) -> None:
    """Run an area's tests; add what came of them to the run's results."""
    results = run.folder / "results.jsonl"
    results.unlink(missing_ok=True)
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout", "1800"),
        *("--target", str(run.folder / "target.json"), str(deploying.TESTS / f"test_{area}.py")),
    ]
    with (
        (run.folder / f"{area}.log").open("w+") as log,
        leashed(command, cwd=run.checkout, stdout=log, stderr=subprocess.STDOUT) as process,
    ):
        status = process.wait()
        log.seek(0)
        printed = log.read()
    new = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    run.results.extend(new)
    if status not in _ENDED or not new:
        raise click.ClickException(f"the tests didn't end:\n{printed[-3000:]}")
    if any(each["outcome"] == "fail" for each in new):
        click.echo(printed, err=True)


def phases(run: Run) -> Mapping[str, Callable[[Run], None]]:
    """Return a run's phases by their names, in their order."""
    areas = {area: lambda run, area=area: prove(run, area) for area in run.areas}
    return {"deploy": deploy, "registry": apply_registry, **areas}


def perform(run: Run, steps: Mapping[str, Callable[[Run], None]], *, keep: bool = False) -> None:
    """Carry out a run's phases, then delete all that it has made, also after a failure, Ctrl-C or its expiry.

    Raises:
        ClickException: a phase failed, or something stays; its message says what.
    """
    try:
        with _ended_at(expiry(run.name)):
            for name, step in steps.items():
                _carry_out(run, name, step)
    finally:
        if keep:
            click.echo(f"kept; to delete it: silvaengine prove --sweep --run {run.name}")
        else:
            _tear_down(run)


def _carry_out(run: Run, name: str, step: Callable[[Run], None]) -> None:
    before, start = len(run.results), time.monotonic()
    try:
        step(run)
    except click.ClickException as error:
        click.echo(error.message, err=True)  # before the tear down, which may have errors of its own
        raise click.ClickException(f"{name} failed") from error
    new = [each["outcome"] for each in run.results[before:]]
    counts = "".join(f", {new.count(outcome)} {outcome}" for outcome in sorted(set(new)))
    click.echo(f"{name}: {time.monotonic() - start:.0f} s{counts}")


def _tear_down(run: Run) -> None:
    start = time.monotonic()
    with _handled(signal.SIG_IGN, signal.SIGINT, *_ENDING):
        click.echo("tear down; Ctrl-C doesn't interrupt it")
        left = leftovers.delete(run.deployment.client, run.name.__eq__)
    if left:
        raise click.ClickException("these stay:\n" + "\n".join(f"  {each}" for each in left))
    click.echo(f"tear down: {time.monotonic() - start:.0f} s, nothing stays")


@contextmanager
def _ended_at(end: datetime) -> Iterator[None]:
    """Raise in the block when its time is over, or at a signal to end."""

    def stop(number: int, _frame: object) -> NoReturn:
        is_over = number == signal.SIGALRM
        raise click.ClickException("the run has expired" if is_over else signal.Signals(number).name)

    with _handled(stop, signal.SIGALRM, *_ENDING):
        signal.setitimer(signal.ITIMER_REAL, max((end - datetime.now(UTC)).total_seconds(), 0.001))
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)


@contextmanager
def _handled(handler: Callable[[int, Any], Any] | signal.Handlers, *numbers: int) -> Iterator[None]:
    """Have signals handled so, as long as the block lasts."""
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
