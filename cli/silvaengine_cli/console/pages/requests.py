"""Requests: what `silvaengine logs` shows, and one request's story, which `silvaengine trace` tells."""

import shlex
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from starlette.requests import Request

from silvaengine_cli.console.session import Session
from silvaengine_cli.console.views import Context, Look, render_part
from silvaengine_cli.http import function_url
from silvaengine_cli.logs import Line, LogReader, LogTail
from silvaengine_cli.logs.choice import choice_of
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
MOST_CHARACTERS = 5000  # of a message or a traceback, but in its trace
NAMES = ("endpoint", "function", "service", "status", "request", "errors", "since")
"""What is asked for, as options of `silvaengine logs` name it."""
SERVICE_NAMES = ("", *sorted({*SERVICES.values()}))
API_KEY = '"x-api-key: $API_KEY"'


begin_of = Since()
HELPERS = {"tone_of": tone_of, "kind_of": kind_of, "path_of": path_of}  # of templates


def show(session: Session, request: Request) -> Context:
    """Return what is asked for; the live part brings it, unless `?follow=no` or `?until=` asks for a time."""
    query = request.query_params
    asked = {name: query[name].strip() for name in NAMES if query.get(name, "").strip()}
    is_live = "until" not in query and query.get("follow") != "no"
    context: dict[str, Any] = {"asked": asked, "services": SERVICE_NAMES, "most": KEPT_LINES}
    try:
        choice, since = choice_of(asked), begin_of(asked.get("since", SINCE))
    except (click.UsageError, ValueError) as error:
        return context | {"refusal": str(error)}
    command = session.command("logs", *_options(asked), *(["--follow"] if is_live else []))
    context |= {"refusal": None, "command": command, "is_live": is_live}
    if is_live:
        return context
    reader, until = LogReader.of(session.deployment), _milliseconds(query.get("until"))
    return context | _lines(asked, *last_lines(reader, choice, since, until, MOST_REQUESTS))


def watch(session: Session, request: Request) -> Look:
    """Return what looks for the last requests and then for new ones, or since a lost connection."""
    query = request.query_params
    asked = {name: query[name] for name in NAMES if name in query}
    choice, since = choice_of(asked), begin_of(asked.get("since", SINCE))
    seen = _milliseconds(request.headers.get("last-event-id"))
    reader = LogReader.of(session.deployment)
    tail = LogTail(
        reader,
        pattern=choice.pattern,
        since=(seen or int(time.time() * 1000)) - LATE_MS,  # the page knows those that it has
        wants=lambda line: not line.is_invocation or choice.wants(line),
        most=MOST_READ,
    )

    def look() -> str:
        nonlocal seen
        lines = tail.new_lines()
        if seen is None:  # what was written since the tail's look comes by its next one, too
            last = last_lines(reader, choice, since, None, MOST_REQUESTS)
            seen = 0
            return render_part("lines.html", **_lines(asked, *last))
        found = grouped_lines(lines, choice)
        shown, until = last_requests(found, MOST_LINES, lines[0].timestamp + 1 if tail.skipped else 0)
        skipped = tail.skipped + sum(map(len, found)) - sum(map(len, shown))
        return render_part("lines.html", **_lines(asked, shown, until, skipped))

    return look


def show_story(session: Session, request: Request) -> Context:
    """Return what ran for a request, a trace or a job, as bars, with what was logged in each."""
    id_, since = request.path_params["id"], request.query_params.get("since", STORY_SINCE)
    command = session.command("trace", id_, "--since", since)
    context = {"id": id_, "since": since, "command": command, "traces": (), "refusal": None, "is_open": True}
    try:
        begin = begin_of(since)
        check_id(id_)
        found = find_traces(LogReader.of(session.deployment), session.deployment, id_, begin)
    except (click.ClickException, ValueError) as error:
        return context | {"refusal": str(error)}
    traces = [_trace(name, spans, session) for name, spans in found.items()]
    return context | HELPERS | {"traces": traces}


def _lines(
    asked: Mapping[str, str], groups: Iterable[Sequence[Line]], until: int | None, skipped: int | None = None
) -> dict[str, Any]:
    """Return what the template of lines shows: the newest request first, its records below it.

    Where there are earlier ones they are those ``until`` then. ``skipped`` counts lines that came since the
    last look; for a page's first lines it is None.
    """
    rows = [
        _row(line, is_below=group[0].is_invocation and line is not group[0])
        for group in reversed([*groups])
        for line in group
    ]
    facts = {"asked": asked, "since": asked.get("since", SINCE), "until": until, "skipped": skipped}
    return {"rows": rows, "is_open": False, **facts, **HELPERS}


def _milliseconds(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and len(text) <= len("1234567890123") else None


def _options(asked: Mapping[str, str]) -> list[str]:
    pairs = (["--errors"] if name == "errors" else [f"--{name}", value] for name, value in asked.items())
    return [text for pair in pairs for text in pair]


def _row(line: Line, *, is_below: bool = False, project: Path | None = None) -> dict[str, Any]:
    """Return what is shown of a line, whole in a trace, for which the project is given."""
    record = line.record
    trace, most = str(record.get("traceback") or ""), MOST_CHARACTERS
    if project:
        trace, most = in_sources(trace, line.function, project), sys.maxsize
    try:
        story = check_id(str(record.get("request_id")))
    except ValueError:  # nothing by which its trace is found
        story = ""
    message, traceback = _cut(str(record.get("message", "")), most), _cut(own_frames(trace), most)
    return {"line": line, "is_below": is_below, "story": story, "message": message, "traceback": traceback}


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}… and {len(text) - most:,} characters more"


def _trace(name: str, spans: Sequence[Span], session: Session) -> dict[str, Any]:
    begin, project = min(span.begin for span in spans), Path.cwd()
    knows_url = session.deployment.has_output("ApiUrl")
    calls = (_as_curl(each, session) for each in spans if knows_url and "method" in each.record)
    return {
        "id": name,
        "begin": begin,
        "took": max(span.end for span in spans) - begin,
        "lambdas": len({span.line.function for span in spans}),
        "cold": sum(bool(span.record.get("cold_start")) for span in spans),
        "spans": [
            (depth, span, notes(span), [_row(line, is_below=True, project=project) for line in span.records])
            for depth, span in in_order(spans)
        ],
        "curl": next(calls, None),
    }


def _as_curl(span: Span, session: Session) -> str:
    """Return a request's command line, of what its line knows: neither its parameters nor its key."""
    record = span.record
    names = (str(record.get(name)) for name in ("area", "endpoint_id", "function"))
    url = function_url(session.deployment.output("ApiUrl"), *names)
    return f"curl -X {shlex.quote(str(record['method']))} -H {API_KEY} {shlex.quote(url)}"
