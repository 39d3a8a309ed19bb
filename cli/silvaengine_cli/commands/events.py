"""``events``: send one to the tasks Lambda, look at those that failed for good, replay them."""

import json
from pathlib import Path
from typing import Any

import click

from silvaengine.ledger.execution import Execution
from silvaengine_cli.events import SOURCES, DeadEvent, DeadEvents, sample, send
from silvaengine_cli.executions import Executions
from silvaengine_cli.output import json_option, print_json, print_table
from silvaengine_cli.target import Deployment, target_options

COLUMNS = ("id", "from", "endpoint_id", "function", "attempts", "cause")


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
    help="In the sample's place.",
)
@click.option("--print", "only_print", is_flag=True, help="Print the sample event and send nothing.")
@target_options
def send_(target: Deployment, source: str, path: Path | None, only_print: bool) -> None:
    """Invoke the tasks Lambda with an event of SOURCE, and print its answer. Exits with 1 when it failed.

    The samples are for the demo's functions; print one and edit it for your own.

    \b
    Examples:
      silvaengine events send s3 --local
      silvaengine events send sqs --print > event.json
      silvaengine events send sqs --file event.json --stack silvaengine
    """
    event = _read(path) if path else sample(source)
    if only_print:
        print_json(event)
        return
    taken, answer = send(target, event)
    print_json(answer)
    if not taken:
        raise click.exceptions.Exit(1)


@events.command()
@click.option("--limit", default=100, show_default=True, help="At most so many.")
@json_option
@target_options
def dead(target: Deployment, limit: int, as_json: bool) -> None:
    """List the events that failed for good, with what the ledger knows of the cause.

    A record without a route never came to the ledger; the tasks Lambda's log has its cause.

    \b
    Examples:
      silvaengine events dead --local
      silvaengine events dead --json --stack silvaengine
    """
    queues = DeadEvents(target)
    found = list(queues.look(limit))
    executions = list(Executions(target).all()) if found else []
    rows = [_facts(event, _execution_of(event, queues, executions)) for event in found]
    if as_json:
        print_json(rows)
    else:
        print_table(f"{len(rows)} dead events", COLUMNS, [list(row.values()) for row in rows])


@events.command()
@click.option("--dlq", is_flag=True, required=True, help="Those in the dead-letter queues.")
@click.option("--limit", default=100, show_default=True, help="At most so many.")
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@target_options
def replay(target: Deployment, dlq: bool, limit: int, yes: bool) -> None:  # noqa: ARG001 - says what is replayed
    """Let events that failed for good come anew, and take them out of the dead-letter queues.

    A message goes back to its queue, another event to the tasks Lambda. What was done before isn't done again
    where the event has its old ids; a message gets a new one.

    \b
    Examples:
      silvaengine events replay --dlq --local
    """
    queues = DeadEvents(target)
    found = list(queues.look(limit))
    if found and not yes:
        click.confirm(f"Replay {len(found)} events?", abort=True, err=True)
    for event in found:
        click.echo(f"{event.message['MessageId']}: {queues.replay(event)}")
    click.echo(f"{len(found)} events")


def _read(path: Path) -> dict[str, Any]:
    try:
        event = json.loads(path.read_text())
    except ValueError as error:
        raise click.ClickException(f"{path} is not JSON: {error}") from None
    if not isinstance(event, dict):
        raise click.ClickException(f"{path} is no event: its JSON is not an object")
    return event


def _execution_of(event: DeadEvent, queues: DeadEvents, executions: list[Execution]) -> Execution | None:
    if event.kind != "message":
        return None
    arn = queues.source_arn(event)
    return next((each for each in executions if event.is_of(each, arn)), None)


def _facts(event: DeadEvent, execution: Execution | None) -> dict[str, Any]:
    return {
        "id": event.message["MessageId"],
        "from": event.kind,
        "endpoint_id": execution.endpoint_id if execution else event.attribute("endpoint_id"),
        "function": execution.function if execution else event.attribute("funct"),
        "attempts": execution.attempts if execution else "",
        "cause": _cause(event, execution),
    }


def _cause(event: DeadEvent, execution: Execution | None) -> str:
    if execution is not None:
        return execution.cause or str(json.loads(execution.result or "{}").get("error_type", ""))
    told = event.body.get("responsePayload") if isinstance(event.body, dict) else None
    return str(told.get("errorMessage", "")) if isinstance(told, dict) else ""
