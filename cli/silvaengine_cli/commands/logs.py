"""``logs``: what a deployment's Lambdas have written, by request."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click

from silvaengine_cli.client_options import checked
from silvaengine_cli.deployment import Deployment, limit_option, operator_options
from silvaengine_cli.logs import Line, LogReader, LogTail
from silvaengine_cli.logs.choice import Choice, by_request, check_name, check_status, statuses_of
from silvaengine_cli.logs.reading import open_reader, read_lines
from silvaengine_cli.logs.tail import pause_of
from silvaengine_cli.logs.times import since_option
from silvaengine_cli.output import console
from silvaengine_cli.screen import NORMAL, VERBOSE, Screen
from silvaengine_tasks.usage.log_events import SERVICES

# docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/CommonErrors.html
PASSING = ("ThrottlingException", "ServiceUnavailable", "ServiceUnavailableException", "InternalFailure")

type Show = Callable[[Iterable[Line]], None]


@click.command()
@click.option("--follow", "-f", is_flag=True, help="Show what is written from now on, until Ctrl-C.")
@click.option("--endpoint", callback=checked(check_name), help="Only calls of this endpoint.")
@click.option("--function", callback=checked(check_name), help="Only calls of this function.")
@click.option(
    "--service", type=click.Choice([*dict.fromkeys(SERVICES.values())]), help="Only lines of this service."
)
@click.option(
    "--status", callback=checked(check_status), metavar="STATUS", help="Only this status: 404, or 5xx."
)
@click.option("--errors", is_flag=True, help="Only what failed: a status from 500 on, or failed records.")
@click.option(
    "--request", callback=checked(check_name), metavar="ID", help="Only this request, trace or job, whole."
)
@since_option("10m")
@limit_option("How many lines, the last ones.", 1000)
@click.option("--verbose", "-v", is_flag=True, help="Show all records and all that a line holds.")
@operator_options
def logs(
    deployment: Deployment,
    follow: bool,
    endpoint: str | None,
    function: str | None,
    service: str | None,
    status: str | None,
    errors: bool,
    request: str | None,
    since: int,
    limit: int,
    verbose: bool,
    as_json: bool,
) -> None:
    """Show what the Lambdas have written, a request a line.

    A request's log records and tracebacks stand under its line, whichever Lambda wrote them. What functions
    print has no request, and is shown where nothing is asked for. With --json each line is an object as it
    was written, with its time in epoch milliseconds and its Lambda.

    \b
    Examples:
      silvaengine logs --local
      silvaengine logs --errors --since 1h --stage prod
      silvaengine logs --endpoint acme --status 4xx --since 10:00 --stage prod
      silvaengine logs --request 3f2a9c… --since 1d --stage prod
      silvaengine logs --follow --function hello --local
    """
    choice = Choice(endpoint, function, service, statuses_of(status), errors, request)
    reader = open_reader(deployment)
    show = _print_json if as_json else _show_on(Screen(console(), Path.cwd(), VERBOSE if verbose else NORMAL))
    all_services = verbose or as_json or request is not None
    grouped = partial(by_request, choice=choice, all_services=all_services)
    if follow:
        _follow(deployment, reader, choice, lambda lines: show(grouped(lines)))
        return
    found = [*grouped(read_lines(reader, since, choice))]
    show(found[-limit:])
    if len(found) > limit:
        click.echo(f"{len(found) - limit} earlier lines are left out: --limit", err=True)
    if not found:
        click.echo("nothing was written since then that is asked for: --since goes further back", err=True)


def _follow(deployment: Deployment, reader: LogReader, choice: Choice, show: Show) -> None:
    tail = LogTail(reader, pattern=choice.pattern)
    try:
        while True:
            with until_it_passes():
                show(tail.new_lines())
            time.sleep(pause_of(deployment))
    except KeyboardInterrupt:
        return


@contextmanager
def until_it_passes() -> Iterator[None]:
    """Say what AWS refuses for a moment, instead of raising it: who watches looks again."""
    from botocore import exceptions  # lazy: slow to import

    try:
        yield
    except (exceptions.HTTPClientError, exceptions.ConnectionError) as error:
        reason = str(error)
    except exceptions.ClientError as error:
        if error.response["Error"]["Code"] not in PASSING:
            raise
        reason = error.response["Error"]["Message"]
    else:
        return
    click.echo(f"not read, and tried again: {reason}", err=True)


def _print_json(lines: Iterable[Line]) -> None:
    for line in lines:
        click.echo(json.dumps({"timestamp": line.timestamp, "lambda": line.function, **line.record}))


def _show_on(screen: Screen) -> Show:
    def show(lines: Iterable[Line]) -> None:
        for line in lines:
            (screen.show_line if line.is_invocation else screen.show)(line)

    return show
