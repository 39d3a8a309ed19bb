"""``jobs``: list, show, retry and purge the executions that the ledger holds."""

import time
from typing import Any

import click

from silvaengine.ledger.execution import DAY, LIVE, Execution
from silvaengine_cli.deployment import Deployment, limit_option, list_options, operator_options
from silvaengine_cli.jobs import Jobs, error_of, log_of
from silvaengine_cli.output import Detail, Id, Moment, print_result, print_table, utc_time

STATES = ("accepted", "running", "succeeded", "failed", "dead")
COLUMNS = ("job", "state", "endpoint", "function", "changed", "cause", Detail("attempts"), Detail("created"))
HIDDEN = ("owner", "effect", "content", "result", "principal", "digest")


@click.group()
def jobs() -> None:
    """List and show jobs, and retry or purge them.

    Jobs are calls that the ledger holds: asynchronous ones, and those with an Idempotency-Key.

    \b
    Examples:
      silvaengine jobs list --state dead --stack silvaengine
      silvaengine jobs show 3f2a… --local
      silvaengine jobs retry 3f2a… --stack silvaengine
      silvaengine jobs purge --older-than 7 --stack silvaengine
    """


@jobs.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only jobs in this state.")
@click.option("--endpoint", help="Only jobs of this endpoint.")
@limit_option("How many to list, the latest change first.", 50)
@list_options
def list_(
    deployment: Deployment, state: str | None, endpoint: str | None, limit: int, as_json: bool, wide: bool
) -> None:
    """List jobs, the latest change first. The whole ledger is read. Times are UTC.

    \b
    Examples:
      silvaengine jobs list --local
      silvaengine jobs list --state dead --endpoint acme --stack silvaengine
      silvaengine jobs list --json
    """
    executions = [each for each in Jobs(deployment).scan() if _matches(each, state, endpoint)]
    executions.sort(key=lambda each: each.changed_at, reverse=True)
    shown = executions[:limit]
    title = f"{len(executions)} jobs"
    print_table(title, COLUMNS, map(_cells, shown), list(map(_facts, shown)), as_json=as_json, wide=wide)


@jobs.command()
@click.argument("job_id")
@click.option("--values", is_flag=True, help="Show parameters and result, too; they may hold personal data.")
@operator_options
def show(deployment: Deployment, job_id: str, values: bool, as_json: bool) -> None:
    """Show a job: its state, endpoint and attempts, why it failed, and where its log is.

    \b
    Examples:
      silvaengine jobs show 3f2a… --local
      silvaengine jobs show 3f2a… --values --json
    """
    jobs = Jobs(deployment)
    execution = jobs.ledger.get(jobs.full_id(job_id))
    if execution is None:
        raise click.ClickException(f"there is no job {job_id}")
    facts = _facts(execution) | {"error": error_of(execution), "log": log_of(execution)}
    facts = {name: value for name, value in facts.items() if value is not None}
    if values:
        facts |= {"content": execution.content, "result": execution.result}
    print_table(execution.job_id, ("", ""), facts.items(), facts, as_json=as_json)


@jobs.command()
@click.argument("job_ids", nargs=-1, required=True)
@operator_options
def retry(deployment: Deployment, job_ids: tuple[str, ...], as_json: bool) -> None:
    """Accept dead or failed jobs again, with all their attempts; the sweeper starts them within a minute.

    A job with an unknown outcome may have had its effect: retrying it may repeat the effect. Exits with 1
    when a job could not be retried.

    \b
    Examples:
      silvaengine jobs retry 3f2a… --local
      silvaengine jobs retry 3f2a… 91bc… --stack silvaengine
    """
    ledger = Jobs(deployment)
    outcomes = {job_id: ledger.retry(job_id) for job_id in map(ledger.full_id, job_ids)}
    text = "\n".join(f"{job_id}: {outcome}" for job_id, outcome in outcomes.items())
    print_result(outcomes, text, as_json=as_json)
    if set(outcomes.values()) != {"accepted"}:
        raise click.exceptions.Exit(1)


@jobs.command()
@click.option(
    "--older-than",
    default=7,
    type=click.IntRange(0),
    show_default=True,
    metavar="DAYS",
    help="Only jobs settled before.",
)
@click.option("--state", type=click.Choice(STATES[2:]), help="Only jobs in this state.")
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@operator_options
def purge(deployment: Deployment, older_than: int, state: str | None, yes: bool, as_json: bool) -> None:
    """Delete settled jobs before they expire. Their idempotency keys are forgotten with them.

    \b
    Examples:
      silvaengine jobs purge --older-than 3 --stack silvaengine
      silvaengine jobs purge --state dead --older-than 0 --yes --local
    """
    ledger = Jobs(deployment)
    limit = time.time() - older_than * DAY
    settled = [
        each
        for each in ledger.scan()
        if each.state not in LIVE and each.changed_at <= limit and _matches(each, state, None)
    ]
    if settled and not yes:
        click.confirm(f"Delete {len(settled)} jobs?", abort=True, err=True)
    deleted = sum(ledger.purge(each) for each in settled)
    print_result({"deleted": deleted}, f"{deleted} jobs deleted", as_json=as_json)


def _matches(execution: Execution, state: str | None, endpoint: str | None) -> bool:
    return state in (None, execution.state) and endpoint in (None, execution.endpoint_id)


def _facts(execution: Execution) -> dict[str, Any]:
    """Return the attributes that neither show the call's content nor let anybody change the row."""
    row = {name: value for name, value in execution.to_row().items() if name not in HIDDEN}
    times = ("created_at", "changed_at", "due_at", "expires_at")
    return row | {name: utc_time(row[name]) for name in times if name in row}


def _cells(execution: Execution) -> tuple[object, ...]:
    return (
        Id(execution.job_id),
        execution.state,
        execution.endpoint_id,
        execution.function,
        Moment(execution.changed_at),
        execution.cause or "",
        execution.attempts,
        Moment(execution.created_at),
    )
