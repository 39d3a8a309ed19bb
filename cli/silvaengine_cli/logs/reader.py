"""Reads log groups, on AWS and on the engine alike.

docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from heapq import merge
from operator import attrgetter
from typing import Any, NamedTuple, Self

from silvaengine.observability.redaction import redact, redact_values
from silvaengine_cli import AwsClient
from silvaengine_cli.client_options import parse_json_or_text
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.logs.groups import log_groups, service_of
from silvaengine_tasks.usage.counting import LONGEST_MS

_PLATFORM_LINES = ("INIT_START ", "START RequestId: ", "END RequestId: ", "REPORT RequestId: ")

_NAMES = frozenset(
    {
        *("request_id", "trace_id", "span_id", "parent_id", "job_id", "endpoint_id", "area", "function"),
        *("method", "route", "source", "package", "level"),
    }
)
_TEXTS = _NAMES | {"message", "traceback"}
_HALF = re.compile("[\ud800-\udfff]")  # of a surrogate pair: JSON may hold it, and no address
_NUMBERS = {"status": 599, "failed": 2**53, "records": 2**53}

FIRST_MS = 10_000
"""Of the part of a time that is read first, its last one; each before it is ``LONGER`` times as long."""
LONGER = 4

PARALLEL = 8  # requests at a time: AWS takes 5 to 25 in a second, of all of an account

type Record = Mapping[str, Any]
type _Page = Mapping[str, Any] | None


class Line(NamedTuple):
    """What a Lambda has written at once."""

    function: str
    """The Lambda's name in the template; a package's is ``packages/shop``."""
    timestamp: int
    """Epoch milliseconds."""
    record: Record
    """An invocation's line, which has a ``service``, or a log record; text is the ``message`` of one."""
    stream: str
    """One instance's log stream on AWS, where lines are in order; the engine has one for each invocation."""
    event_id: str
    """CloudWatch's, by which a line that is read twice is known."""

    @property
    def is_invocation(self) -> bool:
        """Whether it is the one line of an invocation."""
        return "service" in self.record


class LogReader:
    """Reads what Lambdas have written.

    Args:
        logs: the client of CloudWatch Logs.
        groups: log groups by the Lambda's name; one that doesn't exist has no lines.
        find_groups: returns those that there are by now; None where there are no others.
    """

    def __init__(
        self,
        logs: AwsClient,
        groups: Mapping[str, str],
        find_groups: Callable[[], Mapping[str, str]] | None = None,
    ) -> None:
        self._logs = logs
        self.groups = dict(groups)
        self._find_groups = find_groups

    @classmethod
    def of(cls, deployment: Deployment) -> Self:
        """Return the reader of all that a stack's Lambdas and its packages write."""
        find_groups = partial(log_groups, deployment)
        return cls(deployment.client("logs"), find_groups(), find_groups)

    def find_groups(self) -> None:
        """Read from now on what packages write, too, that were published meanwhile."""
        if self._find_groups:
            self.groups |= self._find_groups()

    def lines(
        self,
        since: int,
        until: int | None = None,
        *,
        pattern: str = "",
        functions: Collection[str] | None = None,
    ) -> Iterator[Line]:
        """Return what was written in a time, the oldest first, without Lambda's own lines.

        Groups are read in parallel and a page ahead, so that memory doesn't grow with the time.

        Args:
            since: epoch milliseconds.
            until: likewise, and no longer part of it; None for all that there is.
            pattern: a filter pattern, which narrows what AWS sends; the engine takes those of terms, such as
                ``"0f3a"``, and ignores those of JSON, so the reader of lines filters in any case.
            functions: names of Lambdas; None for all.
        """
        query: dict[str, Any] = {"startTime": since, "filterPattern": pattern}
        if until is not None:
            query["endTime"] = until - 1  # AWS's is part of it
        chosen = [name for name in self.groups if functions is None or name in functions]
        with ThreadPoolExecutor(PARALLEL) as pool:
            try:
                each = [self._ahead(pool, name, query) for name in chosen]
                yield from merge(*each, key=attrgetter("timestamp"))
            finally:
                pool.shutdown(cancel_futures=True)

    def parts(self, since: int, until: int, *, pattern: str) -> Iterator[tuple[int, Iterator[Line]]]:
        """Yield the parts of a time, the last one first, each with its first millisecond and its lines.

        A response of AWS has a megabyte at most, about two thousand lines: who wants the last lines reads
        a part, and the one before it while there are too few.

        Args:
            since: epoch milliseconds.
            until: likewise, and no longer part of it.
            pattern: as in ``lines``.
        """
        begin, length = until, FIRST_MS
        while begin > since:
            end, begin, length = begin, max(begin - length, since), LONGER * length
            yield begin, self.lines(begin, end, pattern=pattern)

    def _ahead(self, pool: ThreadPoolExecutor, function: str, query: Mapping[str, Any]) -> Iterator[Line]:
        pages = self._pages(function, query)
        return _lines(function, pool, pages, pool.submit(next, pages, None))

    def _pages(self, function: str, query: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        filtering = self._logs.get_paginator("filter_log_events")
        try:
            yield from filtering.paginate(logGroupName=self.groups[function], **query)
        except self._logs.exceptions.ResourceNotFoundException:
            self.groups.pop(function, None)


def _lines(
    function: str, pool: ThreadPoolExecutor, pages: Iterator[_Page], reading: Future[_Page]
) -> Iterator[Line]:
    while page := reading.result():
        reading = pool.submit(next, pages, None)
        for event in page["events"]:
            if record := _record(event["message"], service_of(function)):
                yield Line(function, event["timestamp"], record, event["logStreamName"], event["eventId"])


def _record(text: str, service: str) -> Record | None:
    """Return what a function or the platform has written; None for a line of Lambda's own.

    What functions print goes to the log as it is, and from here on without what looks like a secret; what
    merely resembles a line or a record is text.
    """
    if text.startswith(_PLATFORM_LINES):
        return None
    record = parse_json_or_text(text)
    if isinstance(record, dict):
        if str(record.get("type", "")).startswith("platform."):
            return None
        if _is_line(record, service):
            return record
        if "service" not in record and record.get("message") and _has_texts(record):
            cleaned: Record = redact_values(record)
            return cleaned
    return {"message": redact(text.rstrip())}


def _is_line(record: Record, service: str) -> bool:
    """Return whether it is an invocation's line of a Lambda of this service."""
    return (
        record.get("service") == service
        and _is_number(record.get("total_ms"), LONGEST_MS)
        and all(_is_number(record[name], number) for name, number in _NUMBERS.items() if name in record)
        and all(_is_number(record[name], LONGEST_MS) for name in record if name.endswith("_ms"))
        and _has_texts(record)
    )


def _is_number(value: object, most: float) -> bool:
    return isinstance(value, int | float) and 0 <= value <= most


def _has_texts(record: Record) -> bool:
    return all(isinstance(record.get(name), str | None) for name in _TEXTS) and not any(
        _HALF.search(record.get(name) or "") for name in _NAMES
    )
