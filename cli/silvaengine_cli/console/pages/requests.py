"""Requests: what `silvaengine logs` shows, and one request's story, which `silvaengine trace` tells."""

import shlex
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
from starlette.requests import Request

from silvaengine_cli.console.session import Session
from silvaengine_cli.console.views import Context, Look, render_part
from silvaengine_cli.http import function_url
from silvaengine_cli.logs import Line, LogReader, LogTail
from silvaengine_cli.logs.choice import Choice, check_name, check_status, statuses_of
from silvaengine_cli.logs.reading import MOST_READ, grouped_lines, last_lines, last_requests
from silvaengine_cli.logs.tail import LATE_MS
from silvaengine_cli.logs.times import Since
from silvaengine_cli.screen import in_sources, kind_of, own_frames, path_of, tone_of
from silvaengine_cli.traces.finding import check_id, find_traces
from silvaengine_cli.traces.spans import Span, in_order
from silvaengine_cli.traces.timeline import notes
from silvaengine_tasks.usage.log_events import SERVICES

SINCE, STORY_SINCE = "10m", "1d"
MOST_REQUESTS = 100  # that a page shows at first
MOST_LINES = 1000  # about so many are added at once
KEPT_LINES = 1000  # in a page
MOST_CHARACTERS = 5000  # of a message or a traceback, but in its story
NAMES = ("endpoint", "function", "service", "status", "request", "errors", "since")
"""What is asked for, as options of `silvaengine logs` name it."""
API_KEY = '"x-api-key: $API_KEY"'


class Row(NamedTuple):
    """A line as the page shows it."""

    line: Line
    tone: str
    kind: str
    path: str
    status: str
    is_cold: bool
    error: str
    story: str
    """The id by which its story is found; empty where it has none."""
    message: str
    traceback: str
    is_below: bool
    """Whether it is a record below its request's line."""


class Bar(NamedTuple):
    """A span as the page draws it, in per cent of the trace's time."""

    span: Span
    row: Row
    depth: int
    at: float
    """Milliseconds from the trace's begin."""
    notes: str
    begin: float
    width: float
    records: Sequence[Row]


def show(session: Session, request: Request) -> Context:
    """Return the last requests of a time that are asked for, the newest first."""
    query, now = request.query_params, int(time.time() * 1000)
    asked = {name: query[name].strip() for name in NAMES if query.get(name, "").strip()}
    context: dict[str, Any] = {"asked": asked, "since": asked.get("since", SINCE), "now": now}
    context |= {"services": sorted({*SERVICES.values()}), "most": KEPT_LINES, "skipped": 0, "is_open": False}
    try:
        choice, since = _choice(asked), _since(context["since"])
    except click.UsageError as error:
        return context | {"refusal": error.format_message()}
    until, reader = _milliseconds(query.get("until")), LogReader.of(session.deployment)
    groups, earlier = last_lines(reader, choice, since, until, MOST_REQUESTS)
    is_live = "until" not in query and query.get("follow") != "no"
    command = session.command("logs", *_options(asked), *(["--follow"] if is_live else []))
    found = {"rows": _newest_first(groups), "earlier": earlier, "is_live": is_live}
    return context | found | {"refusal": None, "command": command}


def watch(session: Session, request: Request) -> Look:
    """Return what looks for requests that are new since the page was made, or since its last event."""
    query = request.query_params
    asked = {name: query[name] for name in NAMES if name in query}
    choice = _choice(asked)
    seen = _milliseconds(request.headers.get("last-event-id") or query.get("from"))
    tail = LogTail(
        LogReader.of(session.deployment),
        pattern=choice.pattern,
        since=seen and seen - LATE_MS,  # the page knows those that it has
        wants=lambda line: not line.is_invocation or choice.wants(line),
        most=MOST_READ,
    )

    def look() -> str:
        lines = tail.new_lines()
        found = grouped_lines(lines, choice)
        shown, until = last_requests(found, MOST_LINES, lines[0].timestamp + 1 if tail.skipped else 0)
        skipped = tail.skipped + sum(map(len, found)) - sum(map(len, shown))
        context = {"asked": asked, "skipped": skipped, "until": until, "is_open": False}
        return render_part("lines.html", rows=_newest_first(shown), **context)

    return look


def show_story(session: Session, request: Request) -> Context:
    """Return what ran for a request, a trace or a job, as bars, with what was logged in each."""
    id_, since = request.path_params["id"], request.query_params.get("since", STORY_SINCE)
    context = {"id": id_, "since": since, "is_open": True}
    context |= {"command": session.command("trace", id_, "--since", since)}
    try:
        begin = _since(since)
        check_id(id_)
        found = find_traces(LogReader.of(session.deployment), session.deployment, id_, begin)
    except (click.ClickException, ValueError) as error:
        said = error.format_message() if isinstance(error, click.ClickException) else str(error)
        return context | {"refusal": said, "traces": ()}
    traces = [_trace(name, spans, session) for name, spans in found.items()]
    return context | {"refusal": None, "traces": traces}


def _choice(asked: Mapping[str, str]) -> Choice:
    """Return what is asked for; raise UsageError as the command does."""
    try:
        endpoint, function, service, request = (
            check_name(asked.get(name)) for name in ("endpoint", "function", "service", "request")
        )
        statuses = statuses_of(check_status(asked.get("status")))
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    return Choice(endpoint, function, service, statuses, "errors" in asked, request)


def _since(text: str) -> int:
    return Since().convert(text, None, None)


def _milliseconds(text: str | None) -> int | None:
    if text is None or not text.isdecimal() or len(text) > len("1234567890123"):
        return None
    return int(text)


def _options(asked: Mapping[str, str]) -> list[str]:
    pairs = (["--errors"] if name == "errors" else [f"--{name}", value] for name, value in asked.items())
    return [text for pair in pairs for text in pair]


def _newest_first(groups: Iterable[Sequence[Line]]) -> list[Row]:
    """Return rows, those of a request in their order."""
    return [
        _row(line, is_below=group[0].is_invocation and line is not group[0])
        for group in reversed([*groups])
        for line in group
    ]


def _row(line: Line, *, is_below: bool = False, project: Path | None = None) -> Row:
    """Return a line's row; in a story, for which the project is given, it is whole."""
    record = line.record
    trace, most = str(record.get("traceback") or ""), MOST_CHARACTERS
    if project:
        trace, most = in_sources(trace, line.function, project), sys.maxsize
    try:
        story = check_id(str(record.get("request_id")))
    except ValueError:
        story = ""
    return Row(
        line=line,
        tone=tone_of(line),
        kind=kind_of(record) if line.is_invocation else "",
        path=path_of(record) if line.is_invocation else "",
        status=str(record.get("status", "")),
        is_cold=bool(record.get("cold_start")),
        error=str(record.get("error") or record.get("error_type") or ""),
        story=story,
        message=_cut(str(record.get("message", "")), most),
        traceback=_cut(own_frames(trace), most),
        is_below=is_below,
    )


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}… and {len(text) - most:,} characters more"


def _trace(name: str, spans: Sequence[Span], session: Session) -> dict[str, Any]:
    begin = min(span.begin for span in spans)
    took = max(span.end for span in spans) - begin
    bars = [_bar(depth, span, begin, took) for depth, span in in_order(spans)]
    knows_url = session.deployment.has_output("ApiUrl")
    calls = (_as_curl(each, session) for each in spans if knows_url and "method" in each.record)
    return {
        "id": name,
        "begin": begin / 1000,
        "took": took,
        "lambdas": len({span.line.function for span in spans}),
        "cold": sum(bool(span.record.get("cold_start")) for span in spans),
        "bars": bars,
        "curl": next(calls, None),
    }


def _bar(depth: int, span: Span, begin: float, took: float) -> Bar:
    share = 100 / max(took, 1)
    at, project = span.begin - begin, Path.cwd()
    records = [_row(line, is_below=True, project=project) for line in span.records]
    width = max(span.milliseconds * share, 0.5)
    return Bar(span, _row(span.line), depth, at, notes(span), at * share, width, records)


def _as_curl(span: Span, session: Session) -> str:
    """Return a request's command line, of what its line knows: neither its parameters nor its key."""
    record = span.record
    names = (str(record.get(name)) for name in ("area", "endpoint_id", "function"))
    url = function_url(session.deployment.output("ApiUrl"), *names)
    return f"curl -X {shlex.quote(str(record['method']))} -H {API_KEY} {shlex.quote(url)}"
