"""The last hour of a deployment, kept while its Lambdas write."""

import time

from silvaengine_cli.deployment import Deployment
from silvaengine_cli.logs import Line, LogReader, LogTail
from silvaengine_cli.logs.groups import log_groups
from silvaengine_cli.logs.tail import LATE_MS
from silvaengine_cli.status.numbers import MINUTE_MS, read_back
from silvaengine_tasks.usage.log_events import LINES

MINUTES = 60
MOST_LINES = 10_000  # that are kept: about 30 MB
GROUPS_SECONDS = 60.0  # until a package that was published meanwhile is read, too


class RecentLines:
    """The lines of the last hour's invocations, the newest of them where there are too many."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._reader = LogReader.of(deployment)
        self._looked_at = time.monotonic()
        now = int(time.time() * 1000)
        self._tail = LogTail(self._reader, pattern=LINES, since=now - LATE_MS)
        lines, self._begin = read_back(self._reader, now - MINUTES * MINUTE_MS, now, MOST_LINES)
        self._lines = {line.event_id: line for line in lines}

    def read(self) -> tuple[list[Line], int]:
        """Return all of them, the oldest first, and since when, in epoch milliseconds, these are all."""
        if time.monotonic() - self._looked_at > GROUPS_SECONDS:
            self._reader.groups, self._looked_at = dict(log_groups(self._deployment)), time.monotonic()
        self._lines |= {line.event_id: line for line in self._tail.new_lines() if line.is_invocation}
        self._begin = max(self._begin, int(time.time() * 1000) - MINUTES * MINUTE_MS)
        lines = sorted(self._lines.values(), key=lambda line: line.timestamp)
        if len(lines) > MOST_LINES:
            self._begin = max(self._begin, lines[-MOST_LINES].timestamp)
        kept = [line for line in lines[-MOST_LINES:] if line.timestamp >= self._begin]
        self._lines = {line.event_id: line for line in kept}
        return kept, self._begin
