"""Lines read by what is asked for, of a time that is over."""

from collections import deque
from collections.abc import Iterable, Sequence

import click

from silvaengine_cli.deployment import Deployment
from silvaengine_cli.logs.choice import Choice, by_request, requests_pattern
from silvaengine_cli.logs.reader import Line, LogReader
from silvaengine_cli.logs.tail import LATE_MS

MOST_READ = 20_000  # lines at a time, some tens of megabytes


def open_reader(deployment: Deployment) -> LogReader:
    """Return the reader of a deployment's logs; raise ClickException for a stack without any."""
    reader = LogReader.of(deployment)
    if not reader.groups:
        raise click.ClickException(f"stack {deployment.stack!r} ({deployment.stack_status}) has no logs yet")
    return reader


def read_lines(reader: LogReader, since: int, choice: Choice) -> Iterable[Line]:
    """Return the lines since then, and the records of a job, which name its request alone."""
    lines = reader.lines(since, pattern=choice.pattern)
    if choice.request is None:
        return lines
    found = [*lines]
    requests = {line.record.get("request_id") for line in found if choice.wants(line)}
    others = {str(each) for each in requests - {None, choice.request}}
    return reader.lines(since, pattern=requests_pattern(others | {choice.request})) if others else found


def last_lines(
    reader: LogReader, choice: Choice, since: int, until: int, most: int
) -> tuple[Sequence[Sequence[Line]], int | None]:
    """Return what is asked for of the end of a time, and where that begins, None for all of the time.

    Args:
        reader: of the deployment's logs.
        choice: what is asked for.
        since: epoch milliseconds.
        until: likewise, and no longer part of it.
        most: how many requests, about.

    Returns:
        Requests in order of time, each a line and the records below it, and records by themselves.
    """
    found, begin, requests = deque[Line](maxlen=MOST_READ), until, list[list[Line]]()
    # A request of that time may have ended after it: by its line its records are known.
    parts = reader.parts(since, until + LATE_MS, pattern=choice.pattern)
    if choice.request:
        parts = iter([(since, iter(read_lines(reader, since, choice)))])
    for start, lines in parts:
        found = deque([*deque(lines, MOST_READ), *found], MOST_READ)
        is_full = len(found) == MOST_READ
        begin = found[0].timestamp + 1 if is_full else start
        grouped = groups_of(by_request(found, choice, all_services=choice.request is not None))
        requests = [each for each in grouped if begin <= each[0].timestamp < until]
        if is_full or len(requests) >= most:
            break
    if len(requests) > most:
        begin = requests[-most][0].timestamp
    return [each for each in requests if each[0].timestamp >= begin], begin if begin > since else None


def groups_of(lines: Iterable[Line]) -> list[list[Line]]:
    """Return lines that ``by_request`` has ordered, those of a request together."""
    groups = list[list[Line]]()
    for line in lines:
        request = line.record.get("request_id")
        if (
            groups
            and not line.is_invocation
            and groups[-1][0].record.get("request_id") == request is not None
        ):
            groups[-1].append(line)
        else:
            groups.append([line])
    return groups
