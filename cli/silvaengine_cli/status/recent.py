"""The last hour of a deployment, kept while its Lambdas write."""

import time

from silvaengine_cli.deployment import Deployment
from silvaengine_cli.logs import Line, LogReader, LogTail
from silvaengine_cli.logs.tail import LATE_MS
from silvaengine_cli.status.numbers import MINUTE_MS, read_back
from silvaengine_tasks.usage.log_events import LINES

MINUTES = 60
MOST_LINES = 10_000  # that are kept: about 30 MB


class RecentLines:
    """The lines of the last hour's invocations, the newest of them where there are too many."""

    def __init__(self, deployment: Deployment) -> None:
        reader, now = LogReader.of(deployment), int(time.time() * 1000)
        self._tail = LogTail(
            reader,
            pattern=LINES,
            since=now - LATE_MS,
            wants=lambda line: line.is_invocation,
            most=MOST_LINES,
        )
        lines, self._begin = read_back(reader, now - MINUTES * MINUTE_MS, now, MOST_LINES)
        self._lines = {line.event_id: line for line in lines}

    def read(self) -> tuple[list[Line], int]:
        """Return all of them, the oldest first, and since when, in epoch milliseconds, these are all."""
        self._lines |= {line.event_id: line for line in self._tail.new_lines()}
        self._begin = max(self._begin, int(time.time() * 1000) - MINUTES * MINUTE_MS)
        lines = sorted(self._lines.values(), key=lambda line: line.timestamp)
        if len(lines) > MOST_LINES:
            self._begin = max(self._begin, lines[-MOST_LINES].timestamp)
        kept = [line for line in lines[-MOST_LINES:] if line.timestamp >= self._begin]
        self._lines = {line.event_id: line for line in kept}
        return kept, self._begin
