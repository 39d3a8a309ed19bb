"""``dlq``: the messages about dead jobs."""

import click

from silvaengine.protocol.json_codec import Json
from silvaengine_cli.dead_letters import job_facts, receive_each
from silvaengine_cli.deployment import Deployment, limit_option, list_options, operator_options
from silvaengine_cli.jobs import Jobs
from silvaengine_cli.output import Id, print_result, print_table

COLUMNS = ("job_id", "endpoint_id", "function", "cause", "attempts", "request_id")


@click.group()
def dlq() -> None:
    """List the messages of the dead-letter queue, and retry their jobs.

    \b
    Examples:
      silvaengine dlq list --stack silvaengine
      silvaengine dlq redrive --function report --stack silvaengine
    """


@dlq.command("list")
@limit_option("How many to list.")
@list_options
def list_(deployment: Deployment, limit: int, as_json: bool, wide: bool) -> None:
    """List messages. They stay in the queue, hidden from others for twenty seconds.

    \b
    Examples:
      silvaengine dlq list --local
      silvaengine dlq list --limit 500 --json --stack silvaengine
    """
    queue = deployment.output("DeadLetterQueueUrl")
    letters = [job_facts(message) for message in receive_each(deployment.client("sqs"), queue, limit)]
    print_table(
        f"{len(letters)} dead letters", COLUMNS, map(_cells, letters), letters, as_json=as_json, wide=wide
    )


@dlq.command()
@click.option("--function", help="Only jobs of this function.")
@click.option("--endpoint", "endpoint_id", help="Only jobs of this endpoint.")
@click.option("--cause", help="Only jobs that died for this reason, such as outcome_unknown.")
@limit_option("How many messages to read.")
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@operator_options
def redrive(deployment: Deployment, limit: int, yes: bool, as_json: bool, **filters: str | None) -> None:
    """Accept the dead jobs of the queue again and delete their messages.

    A job with an unknown outcome may have had its effect. Messages about jobs that are no longer dead, or no
    longer in the ledger, are deleted as well.

    \b
    Examples:
      silvaengine dlq redrive --local
      silvaengine dlq redrive --function report --cause RuntimeError --stack silvaengine
    """
    sqs, queue = deployment.client("sqs"), deployment.output("DeadLetterQueueUrl")
    messages = [each for each in receive_each(sqs, queue, limit) if _matches(job_facts(each), filters)]
    if messages and not yes:
        click.confirm(f"Retry the jobs of {len(messages)} messages?", abort=True, err=True)
    jobs, outcomes = Jobs(deployment), []
    for message in messages:
        job_id = str(job_facts(message)["job_id"])
        outcomes.append((job_id, jobs.retry(job_id)))
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    lines = [f"{job_id}: {outcome}" for job_id, outcome in outcomes]
    lines.append(f"{sum(outcome == 'accepted' for _, outcome in outcomes)} jobs accepted again")
    print_result(dict(outcomes), "\n".join(lines), as_json=as_json)


def _cells(letter: dict[str, Json]) -> list[object]:
    ids = ("job_id", "request_id")
    return [Id(letter.get(name, "")) if name in ids else letter.get(name, "") for name in COLUMNS]


def _matches(letter: dict[str, Json], filters: dict[str, str | None]) -> bool:
    return "job_id" in letter and all(value in (None, letter.get(name)) for name, value in filters.items())
