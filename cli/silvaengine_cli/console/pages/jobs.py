"""Jobs: those of the ledger, one of them, and what retries, cancels and purges them."""

from functools import partial
from urllib.parse import quote

import click
from starlette.requests import Request

from silvaengine.ledger.execution import LARGEST
from silvaengine.ledger.store import WITHDRAWN
from silvaengine_cli.console.paging import SORTED, part_of_table
from silvaengine_cli.console.session import Session
from silvaengine_cli.console.views import Action, Context, number
from silvaengine_cli.jobs import STATES, Jobs, error_of, facts_of, log_group

EFFECTS = {
    "retry": "It gets all its attempts again and starts within a minute. What was done may be done again.",
    "cancel": "If it is waiting it never runs; if it is running, its result is discarded.",
}


def show(session: Session, request: Request) -> Context:
    """Return a part of the jobs, the latest change first as far as they are read at once."""
    asked = {name: request.query_params.get(name, "").strip() for name in ("state", "endpoint")}
    read = partial(Jobs(session.deployment).part, SORTED, asked["state"], asked["endpoint"])
    after = request.query_params.get("after")
    part = part_of_table(read, lambda job: f"{LARGEST - job.changed_at:012}{job.job_id}", after)
    return {"part": part, "asked": asked, "states": STATES}


def show_one(session: Session, request: Request) -> Context:
    """Return what `jobs show` says of a job."""
    job = Jobs(session.deployment).find(request.path_params["job_id"])
    facts = facts_of(job) | {"log group": log_group(job.aws_lambda_arn)}
    may_retry = job.state in ("dead", "failed") and job.cause != WITHDRAWN
    return {"job": job, "facts": facts, "error": error_of(job), "may_retry": may_retry}


def change(name: str, session: Session, request: Request) -> Action:
    """Return what retries or cancels a job."""
    jobs = Jobs(session.deployment)
    job_id = jobs.find(request.path_params["job_id"]).job_id

    def carry_out() -> str:
        outcome = {"retry": jobs.retry, "cancel": jobs.cancel}[name](job_id)
        if outcome not in ("accepted", "cancelled"):
            raise click.ClickException(f"{job_id}: {outcome}")
        return f"{job_id}: {outcome}"

    command, verb = session.command("jobs", name, job_id), name.capitalize()
    return Action(f"{verb} job {job_id}", EFFECTS[name], command, verb, carry_out, f"/jobs/{quote(job_id)}")


def purge(session: Session, request: Request) -> Action:
    """Return what deletes settled jobs."""
    jobs, state = Jobs(session.deployment), request.query_params.get("state", "")
    click.Choice(STATES[2:]).convert(state, None, None)
    days = number(request, "days")

    def carry_out() -> str:
        return f"{sum(map(jobs.purge, jobs.settled(days, state)))} jobs deleted"

    effect = "They are deleted before they expire, and their idempotency keys with them."
    command = session.command("jobs", "purge", "--state", state, "--older-than", str(days))
    title = f"Purge {state} jobs that ended {days} days ago or earlier"
    return Action(title, effect, command, "Purge", carry_out, f"/jobs?state={state}")
