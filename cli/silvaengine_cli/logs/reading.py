"""Lines read by what is asked for, of a time that is over."""

import time
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
    reader: LogReader, choice: Choice, since: int, until: int | None, most: int
) -> tuple[Sequence[Sequence[Line]], int | None]:
    """Return what is asked for of the end of a time, and where that begins, None for all of the time.

    Args:
        reader: of the deployment's logs.
        choice: what is asked for.
        since: epoch milliseconds.
        until: likewise, and no longer part of it; None for now.
        most: how many requests, about.

    Returns:
        Requests in order of time, each a line and the records below it, and records by themselves.
    """
    later = reader.lines(until, until + LATE_MS, pattern=choice.pattern) if until else ()
    ended_later = {line.record.get("request_id") for line in later if line.is_invocation} - {None}
    end = until or int(time.time() * 1000) + 1
    parts = reader.parts(since, end, pattern=choice.pattern)
    if choice.request:
        parts = iter([(since, (line for line in read_lines(reader, since, choice) if line.timestamp < end))])
    found, begin = deque[Line](maxlen=MOST_READ), end
    requests: Sequence[Sequence[Line]] = ()
    for start, lines in parts:
        found = deque([*deque(lines, MOST_READ), *found], MOST_READ)
        is_full = len(found) == MOST_READ
        grouped = [
            each
            for each in grouped_lines(found, choice)
            if each[0].is_invocation or each[0].record.get("request_id") not in ended_later
        ]
        requests, begin = last_requests(grouped, most, found[0].timestamp + 1 if is_full else start)
        if is_full or begin > start:
            break
    return requests, begin if begin > since else None


def last_requests(
    requests: Sequence[Sequence[Line]], most: int, begin: int
) -> tuple[Sequence[Sequence[Line]], int]:
    """Return the last ones since ``begin``, about so many, and the millisecond since which all are there."""
    if len(requests) > most:
        begin = max(begin, requests[-most][0].timestamp)
    return [each for each in requests if each[0].timestamp >= begin], begin


def grouped_lines(lines: Iterable[Line], choice: Choice) -> list[list[Line]]:
    """Return what is asked for of lines in order of time: requests' lines, each with the records below it."""
    groups = list[list[Line]]()
    for line in by_request(lines, choice, all_services=choice.request is not None):
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
