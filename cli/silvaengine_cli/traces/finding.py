"""The traces in which an id occurs."""

import re

import click

from silvaengine.protocol.trace_context import TRACE_ID, read_traceparent
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.jobs import Jobs
from silvaengine_cli.logs import LogReader
from silvaengine_cli.logs.choice import Choice
from silvaengine_cli.traces.spans import Span, read_spans, trace_of


def check_id(text: str) -> str:
    """Return the whole id of a request, a trace or a job; raise ValueError for what is none."""
    if re.fullmatch(r"[A-Za-z0-9_-]{16,255}", text):
        return text
    raise ValueError(f"{text!r}: expected the id of a request, a trace or a job, whole")


def find_traces(reader: LogReader, deployment: Deployment, id_: str, since: int) -> dict[str, list[Span]]:
    """Return the spans of each trace in which an id occurs: mostly one; raise ClickException for none."""
    asked = Choice(request=id_)
    lines = [line for line in reader.lines(since, pattern=asked.pattern) if asked.wants(line)]
    traces = {trace_of(line.record) for line in lines} - {""}
    if not traces and (execution := Jobs(deployment).ledger.get(id_)):  # it hasn't run yet
        caller = read_traceparent(execution.traceparent)
        traces = {caller[TRACE_ID] if caller else execution.request_id}
        since = min(since, execution.created_at * 1000)
    found = {each: spans for each in traces if (spans := _spans_of(reader, each, since))}
    if not found:
        raise click.ClickException(f"nothing was logged of {id_} since then: --since goes further back")
    return found


def _spans_of(reader: LogReader, trace_id: str, since: int) -> list[Span]:
    lines = reader.lines(since, pattern=f'"{trace_id}"')
    return [*read_spans(line for line in lines if trace_of(line.record) == trace_id)]
