"""How calls of published functions end: counted in memory, and reported while a canary runs.

An instance keeps the last hour of each package's tenants, in parts of ten minutes; a function that was
resolved for a tenant has the part that counts, so that a call costs an addition. While a canary runs it
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
from typing import TYPE_CHECKING, Protocol, override

from silvaengine.aws.table_client import Row, TableWriter, open_dynamodb
from silvaengine.clock import process_clock
from silvaengine.errors import SilvaEngineError
from silvaengine.settings import Settings
from silvaengine.tables import CONFIG_DATA, outcomes_setting_id

if TYPE_CHECKING:
    from silvaengine.registry.canary import Canary
    from silvaengine.registry.packages import Pointer, Release

    class Answer(Protocol):
        """What a function answers."""

        @property
        def status(self) -> int:
            """Its HTTP status."""


FAILED = 500  # a call has failed from this status on
HOUR_SECONDS = 3600
PART_SECONDS = 600
MAX_TENANTS = 1000  # of a package, in memory
REPORT_SECONDS = 10.0
WRITE_SECONDS = 1.0  # for a report, which is tried once: a caller waits for it
NONE = (0, 0)
NOTHING = "{}"

_logger = logging.getLogger(__name__)

type Counts = tuple[int, int]
"""Calls, and those of them that failed."""


class Outcome:
    """How calls of one release end for one tenant, from ``began`` on until its functions are resolved anew.

    What counts has neither a call nor a loop, where another thread could come in between.
    """

    __slots__ = ("began", "calls", "failures", "release")

    def __init__(self, release: int, began: float) -> None:
        self.release = release
        self.began = began
        self.calls = self.failures = 0

    def of[Answered: Answer](self, ask: Callable[[], Answered]) -> Answered:
        """Return what a function answers, and count it; raises what ``ask`` raises."""
        try:
            answer = ask()
        except SilvaEngineError as error:
            self.count(error.status)
            raise
        self.count(answer.status)
        return answer

    def count(self, status: int) -> None:
        """Count a call by the status of its response."""
        self.calls += 1
        if status >= FAILED:
            self.failures += 1


class _CanaryOutcome(Outcome):
    """An outcome while a canary runs: ``since`` counts as well, if it is the canary's, and it is reported."""

    __slots__ = ("_hour", "_report", "_since")

    def __init__(self, hour: Outcome, since: Outcome | None, report: Callable[[], None]) -> None:
        super().__init__(hour.release, hour.began)
        self._hour = hour
        self._since = since
        self._report = report

    @override
    def count(self, status: int) -> None:
        self._hour.count(status)
        if self._since is not None:
            self._since.count(status)
        self._report()


class Outcomes:
    """Counts how calls end, and reports it.

    Args:
        put: writes a row; it may raise SilvaEngineError.
        clock: returns seconds that go on in a freeze.
    """

    def __init__(self, put: Callable[[Row], object], clock: Callable[[], float] = process_clock) -> None:
        self._put = put
        self._clock = clock
        self._instance = urandom(8).hex()
        self._lock = Lock()
        self._packages: dict[str, _Package] = {}

    def begin(self, release: "Release", pointer: "Pointer | None", endpoint_id: str) -> Outcome:
        """Return what counts for a tenant of a release; ``pointer`` has chosen it, None if an entry did."""
        now = self._clock()
        with self._lock:
            package = self._packages.setdefault(release.package, _Package())
            tally = package.follow(pointer, now) if pointer else None
            hour = package.begin(endpoint_id, release.number, now)
            if pointer is None or tally is None:
                return hour
            since = tally.begin(endpoint_id) if pointer.covers(endpoint_id) else None
        setting_id = outcomes_setting_id(release.arn.rpartition(":")[0])
        return _CanaryOutcome(hour, since, lambda: self._report(setting_id, tally, pointer))

    def _report(self, setting_id: str, tally: "_Tally", pointer: "Pointer") -> None:
        with self._lock:
            text = tally.due(pointer, self._clock())
        if text is None:
            return
        variable = f"{tally.started_at}:{self._instance}"
        try:
            self._put({"setting_id": setting_id, "variable": variable, "value": text})
        except SilvaEngineError as error:
            _logger.warning("How calls of package %r end was not reported: %s", pointer.package, error.reason)
        else:
            tally.told = text


class _Package:
    """The outcomes of one package's tenants, and the tally of its last canary."""

    def __init__(self) -> None:
        self._tenants: dict[str, list[Outcome]] = {}
        """The one whose functions were resolved least lately is the first."""
        self._tally: _Tally | None = None

    def begin(self, endpoint_id: str, release: int, now: float) -> Outcome:
        """Return a tenant's outcome; forget its old ones, or the tenant that is one too many."""
        outcomes = self._tenants.pop(endpoint_id, [])
        if len(self._tenants) >= MAX_TENANTS:
            del self._tenants[next(iter(self._tenants))]
        self._tenants[endpoint_id] = recent = [each for each in outcomes if each.began > now - HOUR_SECONDS]
        for outcome in recent:
            if outcome.release == release and outcome.began > now - PART_SECONDS:
                return outcome
        recent.append(Outcome(release, now))
        return recent[-1]

    def follow(self, pointer: "Pointer", now: float) -> "_Tally | None":
        """Return the tally of the canary that runs, None without one."""
        canary = pointer.canary
        if canary is None:
            return None
        if self._tally is None or self._tally.started_at != canary.started_at:
            before = {
                endpoint_id: told
                for endpoint_id, outcomes in self._tenants.items()
                if (told := _sum(outcomes, pointer.release, now - HOUR_SECONDS)) != NONE
            }
            self._tally = _Tally(canary, before)
        return self._tally


class _Tally:
    """What an instance has to tell of a canary: its tenants' calls in the hour before, and since.

    ``told`` is the text that was written last.
    """

    def __init__(self, canary: "Canary", before: Mapping[str, Counts]) -> None:
        self.started_at = canary.started_at
        self.release = canary.release
        self.told = NOTHING
        self._before = before
        self._since: dict[str, Outcome] = {}
        self._next_report = -inf

    def begin(self, endpoint_id: str) -> Outcome | None:
        """Return what counts a tenant's calls of the canary; None for one that is one too many."""
        if len(self._since) >= MAX_TENANTS:
            return self._since.get(endpoint_id)
        return self._since.setdefault(endpoint_id, Outcome(self.release, self.started_at))

    def due(self, pointer: "Pointer", now: float) -> str | None:
        """Return the text to write; None if it is too early, or says nothing new."""
        if now < self._next_report:
            return None
        self._next_report = now + REPORT_SECONDS
        counts = {
            endpoint_id: [*self._before.get(endpoint_id, NONE), since.calls, since.failures]
            for endpoint_id, since in {**dict.fromkeys(self._before, Outcome(0, 0)), **self._since}.items()
            if pointer.covers(endpoint_id)
        }
        text = json.dumps({endpoint_id: told for endpoint_id, told in counts.items() if any(told)})
        return None if text == self.told else text


def _sum(outcomes: Iterable[Outcome], release: int, since: float) -> Counts:
    told = [each for each in outcomes if each.release == release and each.began > since]
    return sum(each.calls for each in told), sum(each.failures for each in told)


def sum_outcomes(rows: Iterable[Row], started_at: int) -> dict[str, list[int]]:
    """Return what all instances have reported of a canary, by tenant.

    Args:
        rows: of the package's setting id; see ``silvaengine.tables.outcomes_setting_id``.
        started_at: of the canary; rows of others don't count.

    Returns:
        Four numbers: the calls in the hour before and those of them that failed, then the same since.
    """
    sums: dict[str, list[int]] = {}
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
