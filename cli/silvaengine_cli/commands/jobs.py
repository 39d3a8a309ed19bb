"""``jobs``: what the ledger holds, and what an operator can do about it."""

from datetime import UTC, datetime
from typing import Any

import click

from silvaengine.ledger.execution import DAY, LIVE, Execution
from silvaengine_cli.executions import Executions
from silvaengine_cli.output import json_option, print_json, print_table
from silvaengine_cli.target import Deployment, target_options

STATES = ("accepted", "running", "succeeded", "failed", "dead")
COLUMNS = ("job", "state", "endpoint", "function", "attempts", "cause", "created", "changed")
HIDDEN = ("owner", "effect", "content", "result", "principal", "digest")


@click.group()
def jobs() -> None:
    """Look at jobs, and retry or purge them.

    Jobs are calls that the ledger holds: asynchronous ones, and those with an Idempotency-Key.

    \b
    Examples:
      silvaengine jobs list --state dead --stack silvaengine
      silvaengine jobs show 3f2a… --local
      silvaengine jobs retry 3f2a… --stack silvaengine
      silvaengine jobs purge --older-than 7 --stack silvaengine
    """


@jobs.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only jobs that stand so.")
@click.option("--endpoint", help="Only jobs of this endpoint.")
@click.option("--limit", default=50, show_default=True, help="At most so many, the latest change first.")
@json_option
@target_options
def list_(target: Deployment, state: str | None, endpoint: str | None, limit: int, as_json: bool) -> None:
    """List jobs, the latest change first. The whole ledger is read.

    \b
    Examples:
      silvaengine jobs list --local
      silvaengine jobs list --state dead --endpoint acme --stack silvaengine
      silvaengine jobs list --json
    """
    found = [each for each in Executions(target).all() if _wanted(each, state, endpoint)]
    found.sort(key=lambda each: each.changed_at, reverse=True)
    if as_json:
        print_json([_facts(each) for each in found[:limit]])
    else:
        print_table(f"{len(found)} jobs", COLUMNS, map(_cells, found[:limit]))


@jobs.command()
@click.argument("job_id")
@click.option(
    "--values", is_flag=True, help="Show what was asked and answered, too; it may hold personal data."
)
@json_option
@target_options
def show(target: Deployment, job_id: str, values: bool, as_json: bool) -> None:
    """Show a job: where it stands, whose it is, how often it was tried and why it was given up.

    \b
    Examples:
      silvaengine jobs show 3f2a… --local
      silvaengine jobs show 3f2a… --values --json
    """
    execution = Executions(target).ledger.get(job_id)
    if execution is None:
        raise click.ClickException(f"there is no job {job_id}")
    facts = _facts(execution)
    if values:
        facts |= {"content": execution.content, "result": execution.result}
    if as_json:
        print_json(facts)
    else:
        print_table(job_id, ("", ""), list(facts.items()))


@jobs.command()
@click.argument("job_ids", nargs=-1, required=True)
@json_option
@target_options
def retry(target: Deployment, job_ids: tuple[str, ...], as_json: bool) -> None:
    """Accept dead or failed jobs anew, with all their attempts; the sweeper hands them over within a minute.

    A job whose outcome is not known may have had its effect: retrying it may repeat the effect. Exits with 1
    when a job could not be retried.

    \b
    Examples:
      silvaengine jobs retry 3f2a… --local
      silvaengine jobs retry 3f2a… 91bc… --stack silvaengine
    """
    executions = Executions(target)
    done = {job_id: executions.retry(job_id) for job_id in job_ids}
    if as_json:
        print_json(done)
    else:
        for job_id, what in done.items():
            click.echo(f"{job_id}: {what}")
    if set(done.values()) != {"accepted"}:
        raise click.exceptions.Exit(1)


@jobs.command()
@click.option("--older-than", default=7, show_default=True, metavar="DAYS", help="Settled so many days ago.")
@click.option("--state", type=click.Choice(STATES[2:]), help="Only jobs that ended so.")
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@json_option
@target_options
def purge(target: Deployment, older_than: int, state: str | None, yes: bool, as_json: bool) -> None:
    """Delete settled jobs before their time is over. Their idempotency keys are forgotten with them.

    \b
    Examples:
      silvaengine jobs purge --older-than 3 --stack silvaengine
      silvaengine jobs purge --state dead --older-than 0 --yes --local
    """
    executions = Executions(target)
    limit = executions.ledger.now() - older_than * DAY
    found = [
        each
        for each in executions.all()
        if each.state not in LIVE and each.changed_at <= limit and _wanted(each, state, None)
    ]
    if found and not yes:
        click.confirm(f"Delete {len(found)} jobs?", abort=True, err=True)
    deleted = sum(executions.purge(each) for each in found)
    if as_json:
        print_json({"deleted": deleted})
    else:
        click.echo(f"{deleted} jobs deleted")


def _wanted(execution: Execution, state: str | None, endpoint: str | None) -> bool:
    return state in (None, execution.state) and endpoint in (None, execution.endpoint_id)


def _facts(execution: Execution) -> dict[str, Any]:
    """Return what tells nothing of the call's content and lets nobody move it."""
    row = {name: value for name, value in execution.to_row().items() if name not in HIDDEN}
    times = ("created_at", "changed_at", "due_at", "expires_at")
    return row | {name: _time(row[name]) for name in times if name in row}


def _cells(execution: Execution) -> tuple[Any, ...]:
    return (
        execution.job_id,
        execution.state,
        execution.endpoint_id,
        execution.function,
        execution.attempts,
        execution.cause or "",
        _time(execution.created_at),
        _time(execution.changed_at),
    )


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).isoformat(timespec="seconds")
