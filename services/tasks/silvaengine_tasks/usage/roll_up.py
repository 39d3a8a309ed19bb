"""The roll-up: each hour is read whole from the logs and written by absolute values, again and again.

A run rolls up the hours from two before the last one that was reached to the one that has begun, each in the
order read, written, reached. Wherever it breaks off, the next run does all of that hour again. So a line
counts that is in the log two hours after the end of its hour; a later one doesn't. Hours whose roll-up fell
out are made up for, up to a week.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial

from silvaengine_tasks.usage.counting import Owner, Usage, read_line
from silvaengine_tasks.usage.log_events import LogEvents
from silvaengine_tasks.usage.rows import HOUR, UsageRows, tenant_digest

LATE_HOURS = 2
MOST_HOURS = 7 * 24
THREADS = 8


class RollUp:
    """Rolls up hours of lines into rows of usage.

    Args:
        logs: the stack's log groups.
        rows: the table of usage.
        clock: epoch seconds.
        threads: how many log groups are read, and rows written, at once.
    """

    def __init__(
        self,
        logs: LogEvents,
        rows: UsageRows,
        clock: Callable[[], float] = time.time,
        threads: int = THREADS,
    ) -> None:
        self._logs = logs
        self._rows = rows
        self._clock = clock
        self._threads = threads

    def run(self, has_time: Callable[[], bool] = lambda: True) -> dict[str, int]:
        """Roll up hour by hour while there is time; return the numbers of hours and rows.

        Raises:
            SilvaEngineError: logs or table can't be read or written; a repetition goes on.
        """
        groups, now = self._logs.groups(), int(self._clock()) // HOUR
        done = {"hours": 0, "rows": 0}
        for hour in range(max(self._first(groups, now), now - MOST_HOURS), now + 1):
            if not has_time():
                break
            done["rows"] += self._roll(hour, groups)
            done["hours"] += 1
        return done

    def _first(self, groups: Mapping[str, int], now: int) -> int:
        """Return the first hour to roll up: of those that were reached the late ones, at first all."""
        last = self._rows.last_hour()
        if last is not None:
            return min(last, now) - LATE_HOURS
        return min((created // 1000 // HOUR for created in groups.values()), default=now)

    def _roll(self, hour: int, groups: Iterable[str]) -> int:
        """Roll up one hour; return the number of its rows."""
        read_at = int(self._clock() * 1000)
        with ThreadPoolExecutor(self._threads) as pool:
            usages, deletions = defaultdict[Owner, Usage](Usage), self._rows.deletions()
            for part in pool.map(partial(self._read, hour, deletions), groups):
                for owner, usage in part.items():
                    usages[owner].add(usage.amounts, usage.meters)
            for _ in pool.map(lambda owner: self._rows.write(hour, owner, usages[owner], read_at), usages):
                pass
        self._rows.reach(hour)
        return len(usages)

    def _read(self, hour: int, deletions: Mapping[str, int], group: str) -> Mapping[Owner, Usage]:
        """Return what a log group says of an hour, without what tenants used before they were deleted."""
        start, end = (each * HOUR * 1000 for each in (hour, hour + 1))
        usages, digest = defaultdict[Owner, Usage](Usage), cache(tenant_digest)
        service = self._logs.service_of(group)
        for timestamp, message in self._logs.read(group, start, end):
            line = read_line(message, service)
            if line and not (deletions and timestamp <= deletions.get(digest(line.owner.endpoint_id), 0)):
                usages[line.owner].add(line.amounts, line.meters)
        return usages
