"""Numbers made from the lines of invocations, each of which has its status and its milliseconds."""

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from silvaengine_cli.logs import Line, LogReader
from silvaengine_cli.logs.choice import has_failed, is_event
from silvaengine_tasks.usage.log_events import LINES

MINUTE_MS = 60_000


@dataclass(slots=True)
class Numbers:
    """What some lines say together."""

    calls: int = 0
    refused: int = 0
    failed: int = 0
    cold_starts: int = 0
    _milliseconds: list[float] = field(default_factory=list)

    def add(self, line: Line) -> None:
        """Count an invocation's line."""
        record = line.record
        self.calls += 1
        self.refused += 400 <= int(record.get("status", 0)) < 500
        self.failed += has_failed(record)
        self.cold_starts += bool(record.get("cold_start"))
        self._milliseconds.append(float(record.get("total_ms", 0)))

    def percentile(self, share: float) -> float:
        """Return the milliseconds within which this share of the calls ended: the nearest rank."""
        ordered = sorted(self._milliseconds)
        return ordered[max(ceil(share * len(ordered)), 1) - 1] if ordered else 0.0

    def facts(self, seconds: float) -> dict[str, Any]:
        """Return all numbers by their names, with the rate over so many seconds."""
        counts = {name: getattr(self, name) for name in ("calls", "refused", "failed", "cold_starts")}
        times = {"p50_ms": self.percentile(0.5), "p99_ms": self.percentile(0.99)}
        return counts | {"per_second": round(self.calls / seconds, 2)} | times


@dataclass(frozen=True, slots=True)
class Measured:
    """Numbers by service, by function and by tenant, of the seconds that were read."""

    seconds: float
    lines: int
    covers_all: bool
    """Whether all of the time was read that was asked for."""
    services: Mapping[str, Numbers]
    functions: Mapping[str, Numbers]
    tenants: Mapping[str, Numbers]


def measure(reader: LogReader, since: int, most: int) -> Measured:
    """Return the numbers of the time until now, as far back as so many lines go.

    Args:
        reader: of the deployment's logs.
        since: epoch milliseconds.
        most: lines after which no earlier part is read.
    """
    now = int(time.time() * 1000)
    lines, begin = read_back(reader, since, now, most)
    return numbers_of(lines, (now - begin) / 1000, covers_all=begin <= since)


def read_back(reader: LogReader, since: int, until: int, most: int) -> tuple[list[Line], int]:
    """Return the lines of invocations as far back as ``measure`` reads, and since when these are all."""
    found, begin = list[Line](), until
    for start, lines in reader.parts(since, until, pattern=LINES):
        begin = start
        found += [each for each in lines if each.is_invocation]
        if len(found) >= most:
            break
    return found, begin


def numbers_of(lines: Collection[Line], seconds: float, *, covers_all: bool) -> Measured:
    """Return what the lines of so many seconds say."""
    return Measured(
        seconds,
        len(lines),
        covers_all,
        _by(lambda line: line.record.get("service"), lines),
        _by(_function, (line for line in lines if line.record["service"] == "worker")),
        _by(lambda line: line.record.get("endpoint_id"), (line for line in lines if is_event(line.record))),
    )


def by_minute(lines: Iterable[Line], begin: int, end: int) -> Mapping[str, list[Numbers]]:
    """Return the numbers of each minute of a time, in epoch minutes and up to the last one, by service."""
    found = defaultdict[str, list[Numbers]](lambda: [Numbers() for _ in range(begin, end + 1)])
    for line in lines:
        if begin <= (minute := line.timestamp // MINUTE_MS) <= end:
            found[str(line.record["service"])][minute - begin].add(line)
    return found


def _by(name: Callable[[Line], object], lines: Iterable[Line]) -> dict[str, Numbers]:
    numbers = defaultdict[str, Numbers](Numbers)
    for line in lines:
        if value := name(line):
            numbers[str(value)].add(line)
    return dict(numbers)


def _function(line: Line) -> str:
    """Return a function's name, with its package's before it."""
    names = (line.record.get("package"), line.record.get("function"))
    return "/".join(str(name) for name in names if name)


def worst(numbers: Mapping[str, Numbers], most: int | None = None) -> list[tuple[str, Numbers]]:
    """Return those that fail most, and of the others the slowest, the worst first."""
    ordered = sorted(numbers.items(), key=lambda each: (-each[1].failed, -each[1].percentile(0.99), each[0]))
    return ordered[:most]
