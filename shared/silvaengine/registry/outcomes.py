"""How calls of published functions end: counted in memory, and reported while a canary runs.

An instance keeps the last hour of each package's tenants, in parts of ten minutes. While a canary runs it
writes what its judge needs: of each tenant that the canary covers the calls in the hour before, on the
release that serves the others, and those since, on the canary. It writes within a call that it serves anyway,
at most once in ten seconds, into a row of its own that has all of its counts: so a row that is written again
counts once, no instance waits for another, and what an instance hasn't told yet is late, never wrong.
"""

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from math import inf
from os import urandom
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from silvaengine.aws.table_client import Row, TableWriter, open_dynamodb
from silvaengine.clock import process_clock
from silvaengine.errors import SilvaEngineError
from silvaengine.settings import Settings
from silvaengine.tables import CONFIG_DATA, outcomes_setting_id

if TYPE_CHECKING:
    from silvaengine.registry.canary import Canary
    from silvaengine.registry.releases import Pointer, Release

FAILED = 500  # a call has failed from this status on
PART_SECONDS = 600
HOUR_PARTS = 6
MAX_TENANTS = 1000  # of a package, in memory
REPORT_SECONDS = 10.0
WRITE_SECONDS = 1.0  # for a report, which is tried once: a caller waits for it
NONE = (0, 0)
NOTHING = "{}"

_logger = logging.getLogger(__name__)

type Counts = list[int]
"""Calls, and those of them that failed."""


class Answer(Protocol):
    """What a function answers."""

    @property
    def status(self) -> int:
        """Its HTTP status."""


class Outcomes:
    """Counts how calls end, and reports it.

    Args:
        report: writes a row; it may raise SilvaEngineError.
        clock: returns seconds that go on in a freeze.
    """

    def __init__(self, report: Callable[[Row], object], clock: Callable[[], float] = process_clock) -> None:
        self._report = report
        self._clock = clock
        self._instance = urandom(8).hex()
        self._lock = Lock()
        self._packages: dict[str, _Package] = {}

    def counted[Answered: Answer](
        self, release: "Release", pointer: "Pointer | None", endpoint_id: str, ask: Callable[[], Answered]
    ) -> Answered:
        """Return what a function of a release answers to a tenant, and count how it ends.

        ``pointer`` is the package's while a canary runs. Raises what ``ask`` raises.
        """
        try:
            answer = ask()
        except SilvaEngineError as error:
            self._count(release, pointer, endpoint_id, error.status)
            raise
        self._count(release, pointer, endpoint_id, answer.status)
        return answer

    def _count(self, release: "Release", pointer: "Pointer | None", endpoint_id: str, status: int) -> None:
        now, tally = self._clock(), None
        with self._lock:
            package = self._packages.get(release.package)
            if package is None:
                package = self._packages[release.package] = _Package()
            if pointer is not None and pointer.canary is not None:
                tally = package.follow(pointer.canary, pointer.release, now)
            package.count(endpoint_id, release.number, int(status >= FAILED), now)
            text = tally.due(pointer, now) if tally and pointer else None
        if tally and text:
            self._write(release, tally, text)

    def _write(self, release: "Release", tally: "_Tally", text: str) -> None:
        row = {
            "setting_id": outcomes_setting_id(release.arn.rpartition(":")[0]),
            "variable": f"{tally.started_at}:{self._instance}",
            "value": text,
        }
        try:
            self._report(row)
        except SilvaEngineError as error:
            _logger.warning("How calls of package %r end was not reported: %s", release.package, error.reason)
        else:
            tally.told = text


class _Package:
    """The calls of one package's tenants, and the tally of its last canary."""

    def __init__(self) -> None:
        self._tenants: dict[str, dict[tuple[int, int], Counts]] = {}
        """By part of an hour and release; the tenant that called least lately is the first."""
        self._tally: _Tally | None = None

    def count(self, endpoint_id: str, release: int, failures: int, now: float) -> None:
        """Count a call."""
        place = int(now) // PART_SECONDS, release
        parts = self._tenants.get(endpoint_id)
        counts = parts.get(place) if parts else None
        if counts is None:
            counts = self._begin(endpoint_id, place)
        counts[0] += 1
        counts[1] += failures
        if self._tally is not None and self._tally.release == release:
            self._tally.count(endpoint_id, failures)

    def _begin(self, endpoint_id: str, place: tuple[int, int]) -> Counts:
        """Begin a part of a tenant's hour; forget its older parts, or the tenant that is one too many."""
        parts = self._tenants.pop(endpoint_id, {})
        if len(self._tenants) >= MAX_TENANTS:
            del self._tenants[next(iter(self._tenants))]
        self._tenants[endpoint_id] = {each: parts[each] for each in parts if each[0] >= place[0] - HOUR_PARTS}
        return self._tenants[endpoint_id].setdefault(place, [0, 0])

    def follow(self, canary: "Canary", serving: int, now: float) -> "_Tally":
        """Return the tally of the canary that runs beside the release that serves the others."""
        if self._tally is None or self._tally.started_at != canary.started_at:
            self._tally = _Tally(canary, self._hour(serving, int(now) // PART_SECONDS - HOUR_PARTS))
        return self._tally

    def _hour(self, release: int, first: int) -> dict[str, Counts]:
        hour = {}
        for endpoint_id, parts in self._tenants.items():
            told = [counts for (part, number), counts in parts.items() if number == release and part >= first]
            if told:
                hour[endpoint_id] = [sum(counts) for counts in zip(*told, strict=True)]
        return hour


class _Tally:
    """What an instance has to tell of a canary: its tenants' calls in the hour before, and since.

    ``told`` is the text that was written last.
    """

    def __init__(self, canary: "Canary", before: Mapping[str, Counts]) -> None:
        self.started_at = canary.started_at
        self.release = canary.release
        self.told = NOTHING
        self._before = before
        self._since: dict[str, Counts] = {}
        self._next_report = -inf

    def count(self, endpoint_id: str, failures: int) -> None:
        """Count a call of the canary."""
        if endpoint_id in self._since or len(self._since) < MAX_TENANTS:
            counts = self._since.setdefault(endpoint_id, [0, 0])
            counts[0] += 1
            counts[1] += failures

    def due(self, pointer: "Pointer", now: float) -> str | None:
        """Return the text to write; None if it is too early, or says nothing new."""
        if now < self._next_report:
            return None
        self._next_report = now + REPORT_SECONDS
        text = json.dumps(
            {
                endpoint_id: [*self._before.get(endpoint_id, NONE), *self._since.get(endpoint_id, NONE)]
                for endpoint_id in {**self._before, **self._since}
                if pointer.covers(endpoint_id)
            }
        )
        return None if text == self.told else text


def sum_outcomes(rows: Iterable[Row], started_at: int) -> dict[str, Counts]:
    """Return what all instances have reported of a canary, by tenant.

    Args:
        rows: of the package's setting id; see ``silvaengine.tables.outcomes_setting_id``.
        started_at: of the canary; rows of others don't count.

    Returns:
        Four numbers: the calls in the hour before and those of them that failed, then the same since.
    """
    sums: dict[str, Counts] = {}
    for row in rows:
        if row["variable"].startswith(f"{started_at}:"):
            for endpoint_id, counts in json.loads(row["value"]).items():
                so_far = sums.get(endpoint_id, (0, 0, 0, 0))
                sums[endpoint_id] = [sum(pair) for pair in zip(so_far, counts, strict=True)]
    return sums


def open_outcomes(settings: Settings) -> Outcomes:
    """Return the outcomes of this instance, which it reports in the table of settings."""
    dynamodb = open_dynamodb(settings.region, read_seconds=WRITE_SECONDS, attempts=1)
    writer = TableWriter(lambda: dynamodb, settings.table_prefix)
    return Outcomes(partial(writer.put, CONFIG_DATA))
