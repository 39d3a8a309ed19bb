"""``jobs``: list, show, retry, cancel and purge the executions that the ledger holds."""

from collections.abc import Callable

import click

from silvaengine.ledger.execution import Execution
from silvaengine_cli.deployment import Deployment, limit_option, list_options, operator_options
from silvaengine_cli.jobs import STATES, Jobs, error_of, facts_of, log_of
from silvaengine_cli.output import Detail, Id, Moment, print_result, print_table

COLUMNS = ("job", "state", "endpoint", "function", "changed", "cause", Detail("attempts"), Detail("created"))


@click.group()
def jobs() -> None:
    """List and show jobs, and retry, cancel or purge them.

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
    executions = [
        each
        for each in Jobs(deployment).scan()
        if state in (None, each.state) and endpoint in (None, each.endpoint_id)
    ]
    executions.sort(key=lambda each: each.changed_at, reverse=True)
    shown = executions[:limit]
    title = f"{len(executions)} jobs"
    print_table(title, COLUMNS, map(_cells, shown), list(map(facts_of, shown)), as_json=as_json, wide=wide)


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
    execution = Jobs(deployment).find(job_id)
    facts = facts_of(execution) | {"error": error_of(execution), "log": log_of(execution)}
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
    _change(deployment, job_ids, Jobs.retry, "accepted", as_json=as_json)


@jobs.command()
@click.argument("job_ids", nargs=-1, required=True)
@operator_options
def cancel(deployment: Deployment, job_ids: tuple[str, ...], as_json: bool) -> None:
    """End jobs that have not ended: one that waits never runs, what comes of one that runs is discarded.

    A cancelled job is dead, its cause is Withdrawn. Exits with 1 when a job could not be cancelled.

    \b
    Examples:
      silvaengine jobs cancel 3f2a… --local
      silvaengine jobs cancel 3f2a… 91bc… --stack silvaengine
    """
    _change(deployment, job_ids, Jobs.cancel, "cancelled", as_json=as_json)


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
    settled = ledger.settled(older_than, state)
    if settled and not yes:
        click.confirm(f"Delete {len(settled)} jobs?", abort=True, err=True)
    deleted = sum(ledger.purge(each) for each in settled)
    print_result({"deleted": deleted}, f"{deleted} jobs deleted", as_json=as_json)


def _change(
    deployment: Deployment,
    job_ids: tuple[str, ...],
    change: Callable[[Jobs, str], str],
    wanted: str,
    *,
    as_json: bool,
) -> None:
    """Change jobs and print how that ended for each; exit with 1 unless it ended as wanted for all."""
    ledger = Jobs(deployment)
    outcomes = {job_id: change(ledger, job_id) for job_id in map(ledger.full_id, job_ids)}
    text = "\n".join(f"{job_id}: {outcome}" for job_id, outcome in outcomes.items())
    print_result(outcomes, text, as_json=as_json)
    if set(outcomes.values()) != {wanted}:
        raise click.exceptions.Exit(1)


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
