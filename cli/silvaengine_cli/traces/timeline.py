"""A trace on a console: a line for each span, and below it why it failed."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from silvaengine_cli.logs.reader import Record
from silvaengine_cli.output import plain, utc_time
from silvaengine_cli.screen import VERBOSE, Screen, kind_of, path_of, tone_of
from silvaengine_cli.traces.spans import Span, in_order

_NUMBERS = ("sent", "gone", "failed")  # of a broadcast's connections
_TIMES = 19  # columns


def print_timeline(trace_id: str, spans: Sequence[Span], console: Console) -> None:
    """Print the spans of a trace, and what was logged in them."""
    tree, begin = in_order(spans), min(span.begin for span in spans)
    screen = Screen(console, Path.cwd(), VERBOSE)
    took = max(span.end for span in spans) - begin
    lambdas = len({span.line.function for span in spans})
    console.print(f"trace {trace_id}", soft_wrap=True)
    console.print(
        f"{utc_time(begin / 1000)}, {took:,.0f} ms, {len(spans)} spans of {lambdas} Lambdas", soft_wrap=True
    )
    console.print(Text(f"{'at ms':>9} {'took':>8}", "dim"))
    for depth, span in tree:
        record = span.record
        status = str(record.get("status", ""))
        times = f"{span.begin - begin:9,.0f} {span.milliseconds:8,.1f}"
        what = f"{kind_of(record)} {path_of(record)}".rstrip()
        for text, style in (
            (f"{times} {'  ' * depth}{status} {what}", tone_of(span.line)),
            (f"{' ' * _TIMES}{'  ' * depth}    {notes(span)}", "dim"),
        ):
            console.print(Text(plain(text).replace("\n", "\\n"), style), soft_wrap=True)
        for line in span.records:
            screen.show(line)


def notes(span: Span) -> str:
    """Return what a span's line says besides: the Lambda, release, attempt, steps, errors."""
    record = span.record
    said = [span.line.function, "cold" if record.get("cold_start") else "warm"]
    if "release" in record:
        said.append(f"{record.get('package')}@{record['release']}")
    if "job_id" in record:
        said.append(f"job {record['job_id']}, attempt {record.get('attempt')}")
    if "read_from" in record:
        said.append(f"read from {record['read_from']}")
    said += [f"{name} {value:g} ms" for name, value in span.steps.items()]
    if record["service"] == "broadcaster":
        said += [f"{name} {record[name]}" for name in _NUMBERS if name in record]
    elif "gone" in record:
        said.append("client gone" if record["gone"] else "pushed")
    error = record.get("error") or record.get("error_type")
    return ", ".join([*said, *([str(error)] if error else [])])


def as_json(trace_id: str, spans: Sequence[Span]) -> dict[str, object]:
    """Return a trace for machines: spans in order, with all that their lines and log records say."""
    return {
        "trace_id": trace_id,
        "spans": [
            {
                "span_id": span.id,
                "parent_id": span.parent_id or None,
                "depth": depth,
                "lambda": span.line.function,
                "begin": span.begin,
                "end": span.end,
                "line": span.record,
                "records": [_record(line.timestamp, line.record) for line in span.records],
            }
            for depth, span in in_order(spans)
        ],
    }


def _record(timestamp: int, record: Record) -> dict[str, object]:
    return {"timestamp": timestamp, **record}
