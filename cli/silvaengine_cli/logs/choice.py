"""Which lines a person wants to see, and the records that belong to them."""

import logging
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from silvaengine_cli.logs.reader import Line, Record

_IDS = ("request_id", "trace_id", "job_id")


@dataclass(frozen=True, slots=True)
class Choice:
    """What is asked of an invocation's line; None and False ask nothing."""

    endpoint: str | None = None
    function: str | None = None
    service: str | None = None
    statuses: range | None = None
    errors: bool = False
    request: str | None = None

    @property
    def pattern(self) -> str:
        """The filter pattern by which AWS sends no more than these lines, and all records.

        docs.aws.amazon.com/AmazonCloudWatch/latest/logs/matching-terms-json-log-events.html
        """
        if self.request:
            return f'"{self.request}"'
        members = ("endpoint_id", self.endpoint), ("function", self.function), ("service", self.service)
        asked = [f'($.{name} = "{value}")' for name, value in members if value]
        if self.statuses:
            asked.append(f"($.status >= {self.statuses.start}) && ($.status < {self.statuses.stop})")
        if self.errors:
            asked.append("(($.status >= 500) || ($.failed > 0))")
        return f"{{ ($.service NOT EXISTS) || ({' && '.join(asked)}) }}" if asked else ""

    def wants(self, line: Line) -> bool:
        """Return whether a line is asked for; a record by itself, without its invocation's line."""
        record = line.record
        if self.request and self.request not in (record.get(name) for name in _IDS):
            return False
        if not line.is_invocation:
            return not (self.endpoint or self.function or self.service or self.statuses) and (
                not self.errors or level_of(record) >= logging.ERROR
            )
        asked = {"endpoint_id": self.endpoint, "function": self.function, "service": self.service}
        return (
            all(value in (None, record.get(name)) for name, value in asked.items())
            and (self.statuses is None or record.get("status") in self.statuses)
            and (not self.errors or has_failed(record))
        )


def choice_of(asked: Mapping[str, str]) -> Choice:
    """Return what texts ask for, by the names that the options of `silvaengine logs` have.

    Raises:
        ValueError: one is nothing that can be asked for.
    """
    endpoint, function, service, request = (
        check_name(asked.get(name)) for name in ("endpoint", "function", "service", "request")
    )
    statuses = statuses_of(check_status(asked.get("status")))
    return Choice(endpoint, function, service, statuses, "errors" in asked, request)


def check_status(text: str | None) -> str | None:
    """Return a status as it is asked for, such as 404, 5xx or None; raise ValueError for what is none."""
    if text is None or re.fullmatch(r"[1-5](xx|\d\d)", text):
        return text
    raise ValueError(f"{text!r}: expected a status such as 404, or 5xx")


def check_name(text: str | None) -> str | None:
    """Return a name or an id as it is asked for, or None; raise ValueError for what no pattern can hold."""
    if text is None or re.fullmatch(r'[^"\\\s]+', text):
        return text
    raise ValueError(f"{text!r}: expected a name without spaces, quotes and backslashes")


def statuses_of(text: str | None) -> range | None:
    """Return the statuses of a text that was checked."""
    if text is None:
        return None
    first = int(text.replace("xx", "00"))
    return range(first, first + (100 if text.endswith("xx") else 1))


def requests_pattern(ids: Iterable[str]) -> str:
    """Return the filter pattern of all that these requests have written, but for what functions print."""
    return f"{{ {' || '.join(f'($.request_id = "{each}")' for each in sorted(ids))} }}"


def level_of(record: Record) -> int:
    """Return a log record's level; what a function prints is information."""
    return logging.getLevelNamesMapping().get(str(record.get("level")), logging.INFO)


def has_failed(record: Record) -> bool:
    """Return whether an invocation's line tells of a failure, or of records that failed."""
    return bool(record.get("failed")) or int(record.get("status", 0)) >= 500


def is_event(record: Record) -> bool:
    """Return whether an invocation's line is of what came from outside, and no authorization before it."""
    return bool({"method", "route", "source"} & record.keys()) and record.get("route") != "authorizer"


def by_request(lines: Iterable[Line], choice: Choice, *, all_services: bool) -> Iterator[Line]:
    """Yield the lines that are wanted, each followed by the records of its request, whatever wrote them.

    Args:
        lines: in order of time.
        choice: what is wanted.
        all_services: yield the worker's line of a call whose caller's line is there, too.
    """
    lines = list(lines)
    wanted = [line for line in lines if line.is_invocation and choice.wants(line)]
    called = {_request(line) for line in wanted if is_event(line.record)}
    shown = {
        line.event_id
        for line in wanted
        if all_services or is_event(line.record) or "job_id" in line.record or _request(line) not in called
    }
    headed = {_request(line) for line in wanted} - {None}
    records = defaultdict[object, list[Line]](list)
    for line in lines:
        if not line.is_invocation:
            records[_request(line)].append(line)
    for line in lines:
        if line.event_id in shown:
            yield line
            yield from records.pop(_request(line), ())
        elif not line.is_invocation and _request(line) not in headed and choice.wants(line):
            yield line


def _request(line: Line) -> object:
    return line.record.get("request_id")
