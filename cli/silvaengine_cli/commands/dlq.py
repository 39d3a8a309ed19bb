"""``dlq``: the messages that tell of jobs which were given up."""

import click

from silvaengine_cli.executions import DeadLetter, DeadLetterQueue, Executions
from silvaengine_cli.output import json_option, print_json, print_table
from silvaengine_cli.target import Deployment, target_options

COLUMNS = ("job_id", "endpoint_id", "function", "cause", "attempts", "request_id")


@click.group()
def dlq() -> None:
    """Look at the dead-letter queue, and redrive what it tells of.

    \b
    Examples:
      silvaengine dlq list --stack silvaengine
      silvaengine dlq redrive --function report --stack silvaengine
    """


@dlq.command("list")
@click.option("--limit", default=100, show_default=True, help="At most so many.")
@json_option
@target_options
def list_(target: Deployment, limit: int, as_json: bool) -> None:
    """List messages. They stay in the queue, hidden from others for twenty seconds.

    \b
    Examples:
      silvaengine dlq list --local
      silvaengine dlq list --limit 500 --json --stack silvaengine
    """
    letters = list(DeadLetterQueue(target).look(limit))
    if as_json:
        print_json([letter.facts for letter in letters])
        return
    rows = [[letter.facts.get(name, "") for name in COLUMNS] for letter in letters]
    print_table(f"{len(letters)} dead letters", COLUMNS, rows)


@dlq.command()
@click.option("--function", help="Only jobs of this function.")
@click.option("--endpoint", help="Only jobs of this endpoint.")
@click.option("--cause", help="Only jobs that died of this, such as outcome_unknown.")
@click.option("--limit", default=100, show_default=True, help="At most so many messages are looked at.")
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@json_option
@target_options
def redrive(
    target: Deployment,
    function: str | None,
    endpoint: str | None,
    cause: str | None,
    limit: int,
    yes: bool,
    as_json: bool,
) -> None:
    """Accept the dead jobs of the queue anew and take their messages out of it.

    A job whose outcome is not known may have had its effect. A message whose job is no longer dead, or no
    longer in the ledger, is taken out as well.

    \b
    Examples:
      silvaengine dlq redrive --local
      silvaengine dlq redrive --function report --cause RuntimeError --stack silvaengine
    """
    queue, executions = DeadLetterQueue(target), Executions(target)
    wanted = {"function": function, "endpoint_id": endpoint, "cause": cause}
    letters = [letter for letter in queue.look(limit) if _is_wanted(letter, wanted)]
    if letters and not yes:
        click.confirm(f"Retry the jobs of {len(letters)} messages?", abort=True, err=True)
    done = []
    for letter in letters:
        job_id = str(letter.facts.get("job_id", ""))
        done.append((job_id, executions.retry(job_id)))
        queue.delete(letter)
    if as_json:
        print_json(dict(done))
        return
    for job_id, what in done:
        click.echo(f"{job_id}: {what}")
    click.echo(f"{sum(what == 'accepted' for _, what in done)} jobs are accepted anew")


def _is_wanted(letter: DeadLetter, wanted: dict[str, str | None]) -> bool:
    return "job_id" in letter.facts and all(
        value in (None, letter.facts.get(name)) for name, value in wanted.items()
    )
