"""Spans: the lines of invocations, with the log records that were written meanwhile."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import NamedTuple

from silvaengine_cli.logs import Line
from silvaengine_cli.logs.reader import Record

_HEX_IDS = re.compile(r"[0-9a-f]{32}(?:[0-9a-f]{16}){1,2}")
_NOT_STEPS = {"total_ms"}


class Span(NamedTuple):
    """An invocation; its times are epoch milliseconds."""

    line: Line
    records: Sequence[Line] = ()

    @property
    def record(self) -> Record:
        """The invocation's line."""
        return self.line.record

    @property
    def id(self) -> str:
        """Its 16 hex digits; an invocation of 0.2 and before has said none."""
        return str(self.record.get("span_id") or sha256(self.line.event_id.encode()).hexdigest()[:16])

    @property
    def parent_id(self) -> str:
        """The span that made the call, perhaps none of this deployment's; empty for none."""
        return str(self.record.get("parent_id") or "")

    @property
    def end(self) -> float:
        """When its line was written."""
        return float(self.line.timestamp)

    @property
    def begin(self) -> float:
        """When it began."""
        return self.end - self.milliseconds

    @property
    def milliseconds(self) -> float:
        """How long it took."""
        return float(self.record.get("total_ms") or 0)

    @property
    def steps(self) -> dict[str, float]:
        """The milliseconds of its steps."""
        return {
            name.removesuffix("_ms"): value
            for name, value in self.record.items()
            if name.endswith("_ms") and name not in _NOT_STEPS
        }


def trace_of(record: Record) -> str:
    """Return the id of the trace that a line or a record belongs to; empty for none."""
    return str(record.get("trace_id") or record.get("request_id") or "").replace("-", "")


def read_spans(lines: Iterable[Line]) -> Iterator[Span]:
    """Yield the spans of lines in order of time, each with what its instance has written since the last one.

    An instance serves one invocation at a time. One that Lambda has ended has no line, and is no span; nor is
    a line with ids that aren't: a collector would refuse all that are sent with it.
    """
    written = defaultdict[tuple[str, str], list[Line]](list)
    for line in lines:
        instance = line.function, line.stream
        if line.is_invocation:
            span = Span(line, tuple(written.pop(instance, ())))
            if _HEX_IDS.fullmatch(f"{trace_of(line.record)}{span.id}{span.parent_id}"):
                yield span
        else:
            written[instance].append(line)


def in_order(spans: Iterable[Span]) -> list[tuple[int, Span]]:
    """Return spans with their depths: each before those that it has called, these in the order they began."""
    ordered = sorted(spans, key=lambda span: span.begin)
    ids = {span.id for span in ordered}
    below = defaultdict[str, list[Span]](list)
    for span in ordered:
        below[span.parent_id if span.parent_id in ids - {span.id} else ""].append(span)

    def walk(parent_id: str, depth: int) -> Iterator[tuple[int, Span]]:
        for span in below.pop(parent_id, ()):
            yield depth, span
            yield from walk(span.id, depth + 1)

    return [*walk("", 0)]
