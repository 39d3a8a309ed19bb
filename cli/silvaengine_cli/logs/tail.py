"""Logs read while they are written."""

import time
from collections.abc import Collection

from silvaengine_cli.deployment import Deployment
from silvaengine_cli.logs.reader import Line, LogReader

LATE_MS = 10_000  # by which a line can be read after its timestamp: on AWS mostly less than two seconds

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
    """

    def __init__(
        self,
        reader: LogReader,
        *,
        pattern: str = "",
        functions: Collection[str] | None = None,
        since: int | None = None,
    ) -> None:
        self._reader = reader
        self._pattern = pattern
        self._functions = functions
        self._start = self._newest = int(time.time() * 1000) if since is None else since
        self._seen: dict[str, int] = {}
        if since is None:
            self.new_lines()  # of this millisecond

    def new_lines(self) -> list[Line]:
        """Return what was written since the last call, the oldest first.

        A line that appears late is returned then, up to ten seconds after its timestamp.
        """
        begin = max(self._start, self._newest - LATE_MS)
        lines = self._reader.lines(begin, pattern=self._pattern, functions=self._functions)
        new = [line for line in lines if line.event_id not in self._seen]
        self._newest = max([self._newest, *(line.timestamp for line in new)])
        read = self._seen | {line.event_id: line.timestamp for line in new}
        self._seen = {event: at for event, at in read.items() if at >= self._newest - LATE_MS}
        return new
