"""Logs read while they are written."""

import time
from collections import deque
from collections.abc import Callable, Collection

from silvaengine_cli.deployment import Deployment
from silvaengine_cli.logs.reader import Line, LogReader

LATE_MS = 10_000  # by which a line can be read after its timestamp: on AWS mostly less than two seconds

GROUPS_SECONDS = 60.0  # until a package that was published meanwhile is followed, too

LOCAL_SECONDS, AWS_SECONDS = 1.0, 5.0  # between two looks: AWS takes 5 to 25 requests a second of an account


def pause_of(deployment: Deployment) -> float:
    """Return the seconds between two looks at what a deployment writes."""
    return LOCAL_SECONDS if deployment.is_local else AWS_SECONDS


class LogTail:
    """What Lambdas write from now on.

    Args:
        reader: of their logs; its groups may change from call to call.
        pattern: as in ``LogReader.lines``.
        functions: likewise.
        since: epoch milliseconds from which on; None for now.
        wants: whether a line is returned; None for all.
        most: how many lines are returned at once, so that memory is bounded; None for all.
    """

    def __init__(
        self,
        reader: LogReader,
        *,
        pattern: str = "",
        functions: Collection[str] | None = None,
        since: int | None = None,
        wants: Callable[[Line], bool] | None = None,
        most: int | None = None,
    ) -> None:
        self._reader = reader
        self._pattern = pattern
        self._functions = functions
        self._wants = wants
        self._most = most
        self.skipped = 0
        """Lines that the last call has left out: those before the ``most`` that it has returned."""
        self._looked_at = time.monotonic()
        self._start = self._newest = int(time.time() * 1000) if since is None else since
        self._seen: dict[str, int] = {}
        if since is None:
            self.new_lines()  # of this millisecond

    def new_lines(self) -> list[Line]:
        """Return what was written since the last call, the oldest first.

        A line that appears late is returned then, up to ten seconds after its timestamp.
        When it raises, what was written is returned by the next call.
        """
        self._find_groups()
        begin = max(self._start, self._newest - LATE_MS)
        lines = self._reader.lines(begin, pattern=self._pattern, functions=self._functions)
        new, count, seen, newest = deque[Line](maxlen=self._most), 0, self._seen.copy(), self._newest
        for line in lines:
            if line.event_id in seen:
                continue
            seen[line.event_id] = line.timestamp
            newest = max(newest, line.timestamp)
            while seen[oldest := next(iter(seen))] < newest - LATE_MS:
                del seen[oldest]
            if self._wants is None or self._wants(line):
                new.append(line)
                count += 1
        self._seen, self._newest, self.skipped = seen, newest, count - len(new)
        return [*new]

    def _find_groups(self) -> None:
        now = time.monotonic()
        if not self._reader.groups or now > self._looked_at + GROUPS_SECONDS:
            self._reader.find_groups()
            self._looked_at = now
