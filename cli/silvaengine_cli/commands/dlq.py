"""``dlq``: the messages about dead jobs."""

from collections.abc import Callable

import click

from silvaengine.protocol.json_codec import Json
from silvaengine_cli.dead_letters import DeadJobs, outcomes_text
from silvaengine_cli.deployment import Deployment, limit_option, list_options, operator_options
from silvaengine_cli.output import Id, print_result, print_table

COLUMNS = ("job_id", "endpoint_id", "function", "cause", "attempts", "request_id")


@click.group()
def dlq() -> None:
    """List, retry and purge the messages of dead-letter queues.

    \b
    Examples:
      silvaengine dlq list --stack silvaengine
      silvaengine dlq redrive --function report --stack silvaengine
    """


@dlq.command("list")
@limit_option("How many to list.")
@list_options
def list_(deployment: Deployment, limit: int, as_json: bool, wide: bool) -> None:
    """List messages. They stay in the queue.

    \b
    Examples:
      silvaengine dlq list --local
      silvaengine dlq list --limit 500 --json --stack silvaengine
    """
    letters = DeadJobs(deployment).look(limit)
    print_table(
        f"{len(letters)} dead letters", COLUMNS, map(_cells, letters), letters, as_json=as_json, wide=wide
    )


def choice_options[R](command: Callable[..., R]) -> Callable[..., R]:
    """Add the options that choose messages."""
    function = click.option("--function", help="Only jobs of this function.")
    endpoint = click.option("--endpoint", "endpoint_id", help="Only jobs of this endpoint.")
    cause = click.option("--cause", help="Only jobs that died for this reason, such as outcome_unknown.")
    limit = limit_option("How many messages to read.")
    yes = click.option("--yes", "-y", is_flag=True, help="Don't ask.")
    return function(endpoint(cause(limit(yes(operator_options(command))))))


@dlq.command()
@choice_options
def redrive(deployment: Deployment, limit: int, yes: bool, as_json: bool, **filters: str | None) -> None:
    """Accept the dead jobs of the queue again and delete their messages.

    A job with an unknown outcome may have had its effect. Messages about jobs that are no longer dead, or no
    longer in the ledger, are deleted as well.

    \b
    Examples:
      silvaengine dlq redrive --local
      silvaengine dlq redrive --function report --cause RuntimeError --stack silvaengine
    """
    letters = DeadJobs(deployment)
    messages = letters.receive(limit, filters)
    if messages and not yes:
        click.confirm(f"Retry the jobs of {len(messages)} messages?", abort=True, err=True)
    outcomes = letters.redrive(messages)
    print_result(outcomes, outcomes_text(outcomes), as_json=as_json)


@dlq.command()
@choice_options
def purge(deployment: Deployment, limit: int, yes: bool, as_json: bool, **filters: str | None) -> None:
    """Delete messages of the queue. Their jobs stay dead, and can be retried until they expire.

    \b
    Examples:
      silvaengine dlq purge --local
      silvaengine dlq purge --endpoint acme --yes --stack silvaengine
    """
    letters = DeadJobs(deployment)
    messages = letters.receive(limit, filters)
    if messages and not yes:
        click.confirm(f"Delete {len(messages)} messages?", abort=True, err=True)
    letters.purge(messages)
    print_result({"deleted": len(messages)}, f"{len(messages)} messages deleted", as_json=as_json)


def _cells(letter: dict[str, Json]) -> list[object]:
    ids = ("job_id", "request_id")
    return [Id(letter.get(name, "")) if name in ids else letter.get(name, "") for name in COLUMNS]
