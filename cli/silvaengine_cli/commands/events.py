"""``events``: send one to the tasks Lambda, list those that failed for good, replay them."""

import json
from pathlib import Path
from typing import Any

import click

from silvaengine_cli.dead_letters import DeadEvents
from silvaengine_cli.deployment import Deployment, deployment_options, limit_option, list_options
from silvaengine_cli.events import BOUND, SOURCES, first_binding, sample, send
from silvaengine_cli.output import Detail, Id, print_json, print_table

COLUMNS = ("id", "from", "endpoint_id", "function", "attempts", "cause", Detail("error"), Detail("log"))


@click.group()
def events() -> None:
    """Send events, and replay those that failed for good.

    \b
    Examples:
      silvaengine events send sqs --local
      silvaengine events replay --dlq --stack silvaengine
    """


@events.command("send")
@click.argument("source", type=click.Choice(SOURCES))
@click.option(
    "--file",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="An event to send instead of the sample.",
)
@click.option(
    "--function", help=f"Let the sample come from what this function is bound to ({', '.join(BOUND)})."
)
@click.option("--print", "only_print", is_flag=True, help="Print the sample event and send nothing.")
@deployment_options
def send_(
    deployment: Deployment, source: str, path: Path | None, function: str | None, only_print: bool
) -> None:
    """Invoke the tasks Lambda with an event of SOURCE, and print its response. Exits with 1 when it failed.

    The samples are for the demo's functions; print one and edit it for your own.

    \b
    Examples:
      silvaengine events send s3 --local
      silvaengine events send schedule --function nightly --local
      silvaengine events send sqs --print > event.json
      silvaengine events send sqs --file event.json --stack silvaengine
    """
    if function and (path or source not in BOUND):
        raise click.UsageError(f"--function is for samples of {', '.join(BOUND)}")
    bound = first_binding(deployment, source, function) if function else ()
    event = _read(path) if path else sample(source, *bound)
    if only_print:
        print_json(event)
        return
    succeeded, response = send(deployment, event)
    print_json(response)
    if not succeeded:
        raise click.exceptions.Exit(1)


@events.command()
@limit_option("How many to list.")
@list_options
def dead(deployment: Deployment, limit: int, as_json: bool, wide: bool) -> None:
    """List the events that failed for good, with the cause where the ledger has it, and where the log is.

    A record without a binding never reached the ledger; the tasks Lambda's log has its cause.

    \b
    Examples:
      silvaengine events dead --local
      silvaengine events dead --json --stack silvaengine
    """
    rows = DeadEvents(deployment).look(limit)
    cells = ([Id(row["id"]), *list(row.values())[1:]] for row in rows)
    print_table(f"{len(rows)} dead events", COLUMNS, cells, rows, as_json=as_json, wide=wide)
    if rows and not as_json:
        logs = sorted({row["log"].partition(",")[0] for row in rows})
        click.echo(f"\nTheir logs: {', '.join(logs)}; --wide has their request ids.")


@events.command()
@click.option("--dlq", is_flag=True, required=True, help="Those in the dead-letter queues.")
@limit_option("How many to replay.")
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@deployment_options
def replay(deployment: Deployment, dlq: bool, limit: int, yes: bool) -> None:  # noqa: ARG001 - only says what is replayed
    """Send events that failed for good again, and delete them from the dead-letter queues.

    A message goes back to its queue, any other event to the tasks Lambda. What was done before isn't done
    again where the event keeps its ids; a message gets a new one.

    \b
    Examples:
      silvaengine events replay --dlq --local
    """
    queues = DeadEvents(deployment)
    messages = list(queues.receive(limit))
    if messages and not yes:
        click.confirm(f"Replay {len(messages)} events?", abort=True, err=True)
    for event in messages:
        click.echo(f"{event.message['MessageId']}: {queues.replay(event)}")
    click.echo(f"{len(messages)} events")


def _read(path: Path) -> dict[str, Any]:
    try:
        event = json.loads(path.read_text())
    except ValueError as error:
        raise click.ClickException(f"{path} is not JSON: {error}") from None
    if not isinstance(event, dict):
        raise click.ClickException(f"{path} is not an event: its JSON is not an object")
    return event
