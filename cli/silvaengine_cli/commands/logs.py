"""``logs``: what a deployment's Lambdas have written, by request."""

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click

from silvaengine_cli.client_options import checked
from silvaengine_cli.deployment import Deployment, limit_option, operator_options
from silvaengine_cli.logs import Line, LogReader, LogTail
from silvaengine_cli.logs.choice import Choice, by_request, requests_pattern
from silvaengine_cli.logs.groups import log_groups
from silvaengine_cli.logs.tail import pause_of
from silvaengine_cli.logs.times import since_option
from silvaengine_cli.output import console
from silvaengine_cli.screen import NORMAL, VERBOSE, Screen
from silvaengine_tasks.usage.log_events import SERVICES

# docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/CommonErrors.html
PASSING = ("ThrottlingException", "ServiceUnavailable", "ServiceUnavailableException", "InternalFailure")
GROUPS_SECONDS = 60.0  # until a package that was published meanwhile is followed, too

type Show = Callable[[Iterable[Line]], None]


def _check_status(text: str | None) -> str | None:
    if text is None or re.fullmatch(r"[1-5](xx|\d\d)", text):
        return text
    raise ValueError(f"{text!r}: expected a status such as 404, or 5xx")


def _check_name(text: str | None) -> str | None:
    if text is None or re.fullmatch(r'[^"\\\s]+', text):
        return text
    raise ValueError(f"{text!r}: expected a name without spaces, quotes and backslashes")


@click.command()
@click.option("--follow", "-f", is_flag=True, help="Show what is written from now on, until Ctrl-C.")
@click.option("--endpoint", callback=checked(_check_name), help="Only calls of this endpoint.")
@click.option("--function", callback=checked(_check_name), help="Only calls of this function.")
@click.option(
    "--service", type=click.Choice([*dict.fromkeys(SERVICES.values())]), help="Only lines of this service."
)
@click.option(
    "--status", callback=checked(_check_status), metavar="STATUS", help="Only this status: 404, or 5xx."
)
@click.option("--errors", is_flag=True, help="Only what failed: a status from 500 on, or failed records.")
@click.option(
    "--request", callback=checked(_check_name), metavar="ID", help="Only this request, trace or job, whole."
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
    choice = Choice(endpoint, function, service, _statuses(status), errors, request)
    reader = open_reader(deployment)
    show = _print_json if as_json else _show_on(Screen(console(), Path.cwd(), VERBOSE if verbose else NORMAL))
    all_services = verbose or as_json or request is not None
    grouped = partial(by_request, choice=choice, all_services=all_services)
    if follow:
        _follow(deployment, reader, choice, lambda lines: show(grouped(lines)))
        return
    found = [*grouped(_read(reader, since, choice))]
    show(found[-limit:])
    if len(found) > limit:
        click.echo(f"{len(found) - limit} earlier lines are left out: --limit", err=True)
    if not found:
        click.echo("nothing was written since then that is asked for: --since goes further back", err=True)


def _read(reader: LogReader, since: int, choice: Choice) -> Iterable[Line]:
    """Return the lines, and the records of a job, which name its request alone."""
    lines = reader.lines(since, pattern=choice.pattern)
    if choice.request is None:
        return lines
    found = [*lines]
    requests = {line.record.get("request_id") for line in found if choice.wants(line)}
    others = {str(each) for each in requests - {None, choice.request}}
    return reader.lines(since, pattern=requests_pattern(others | {choice.request})) if others else found


def open_reader(deployment: Deployment) -> LogReader:
    """Return the reader of a deployment's logs; raise ClickException for a stack without any."""
    reader = LogReader.of(deployment)
    if not reader.groups:
        raise click.ClickException(f"stack {deployment.stack!r} ({deployment.stack_status}) has no logs yet")
    return reader


def _follow(deployment: Deployment, reader: LogReader, choice: Choice, show: Show) -> None:
    tail, looked_at = LogTail(reader, pattern=choice.pattern), time.monotonic()
    try:
        while True:
            with until_it_passes():
                show(tail.new_lines())
            time.sleep(pause_of(deployment))
            if time.monotonic() - looked_at > GROUPS_SECONDS:
                with until_it_passes():
                    reader.groups, looked_at = dict(log_groups(deployment)), time.monotonic()
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


def _statuses(text: str | None) -> range | None:
    if text is None:
        return None
    first = int(text.replace("xx", "00"))
    return range(first, first + (100 if text.endswith("xx") else 1))


def _print_json(lines: Iterable[Line]) -> None:
    for line in lines:
        click.echo(json.dumps({"timestamp": line.timestamp, "lambda": line.function, **line.record}))


def _show_on(screen: Screen) -> Show:
    def show(lines: Iterable[Line]) -> None:
        for line in lines:
            (screen.show_line if line.is_invocation else screen.show)(line)

    return show
