"""Jobs: those of the ledger, one of them, and what retries, cancels and purges them."""

from collections.abc import Callable
from urllib.parse import quote

import click
from starlette.requests import Request

from silvaengine.ledger.execution import LARGEST, LIVE, Execution
from silvaengine_cli.console.paging import part_of_table
from silvaengine_cli.console.session import Session
from silvaengine_cli.console.views import Action, Context
from silvaengine_cli.jobs import STATES, Jobs, error_of, facts_of, log_group

SORTED = 1000  # jobs that are read at once
TIMES = ("created_at", "changed_at", "due_at", "expires_at")


def show(session: Session, request: Request) -> Context:
    """Return a part of the jobs, the latest change first as far as they are read at once."""
    asked = {name: request.query_params.get(name, "").strip() for name in ("state", "endpoint")}

    def read(after: tuple[str, ...] | None) -> tuple[list[Execution], tuple[str, ...] | None]:
        return Jobs(session.deployment).part(SORTED, asked["state"], asked["endpoint"], after)

    part = part_of_table(read, _newest_first, request.query_params.get("after"))
    return {"part": part, "asked": asked, "states": STATES}


def show_one(session: Session, request: Request) -> Context:
    """Return what `jobs show` says of a job."""
    job = Jobs(session.deployment).find(request.path_params["job_id"])
    facts = facts_of(job) | {"log group": log_group(job.aws_lambda_arn)}
    return {
        "job": job,
        "facts": facts | {name: getattr(job, name) for name in TIMES if name in facts},
        "times": TIMES,
        "error": error_of(job),
        "is_live": job.state in LIVE,
        "values": session.command("jobs", "show", job.job_id, "--values"),
    }


def retry(session: Session, request: Request) -> Action:
    """Return what accepts a dead or failed job again."""
    effect = "It has all its attempts again, and starts within a minute. What was done may be done again."
    return _of_one(session, request, "retry", effect, Jobs.retry)


def cancel(session: Session, request: Request) -> Action:
    """Return what ends a job that has not ended."""
    effect = "If it waits it never runs; if it runs, what comes of it is discarded."
    return _of_one(session, request, "cancel", effect, Jobs.cancel)


def purge(session: Session, request: Request) -> Action:
    """Return what deletes settled jobs."""
    jobs, state = Jobs(session.deployment), request.query_params.get("state", "")
    days = request.query_params.get("days", "")
    if state not in STATES[2:] or not (days.isascii() and days.isdecimal()):
        raise click.ClickException(f"say which of {', '.join(STATES[2:])}, and since how many days")

    def carry_out() -> str:
        return f"{sum(map(jobs.purge, jobs.settled(int(days), state)))} jobs deleted"

    effect = "They are deleted before they expire, and their idempotency keys are forgotten with them."
    command = session.command("jobs", "purge", "--state", state, "--older-than", days)
    title = f"Purge {state} jobs that ended {days} days ago or earlier"
    return Action(title, effect, command, "Purge", carry_out, f"/jobs?state={state}")


def _newest_first(job: Execution) -> str:
    return f"{LARGEST - job.changed_at:012}{job.job_id}"


def _of_one(
    session: Session, request: Request, name: str, effect: str, change: Callable[[Jobs, str], str]
) -> Action:
    jobs = Jobs(session.deployment)
    job_id = jobs.find(request.path_params["job_id"]).job_id

    def carry_out() -> str:
        if (outcome := change(jobs, job_id)) not in ("accepted", "cancelled"):
            raise click.ClickException(f"{job_id}: {outcome}")
        return f"{job_id}: {outcome}"

    command, back = session.command("jobs", name, job_id), f"/jobs/{quote(job_id, safe='')}"
    name = name.capitalize()
    return Action(f"{name} job {job_id}", effect, command, f"{name} it", carry_out, back)
