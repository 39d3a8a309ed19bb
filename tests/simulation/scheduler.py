"""Processes on a virtual clock: each runs until it pauses, and others may run meanwhile.

A process is a greenlet, so that the real code runs unchanged. What it does outside of its memory is
a boundary: there other processes run in between, and there it may die.
"""

import heapq
from collections.abc import Callable
from itertools import count

from greenlet import greenlet

START = 1_700_000_000.0  # epoch seconds


class KilledError(BaseException):
    """Ends a process at once, as Lambda and power cuts do."""


class Process:
    """A running caller, worker or sweeper.

    Args:
        name: for the trace.
        run: the process's function.
        skew: seconds by which its clock is off.
        ends_at: when it is killed; a zombie isn't.
    """

    def __init__(
        self, name: str, run: Callable[[], object], *, skew: float = 0.0, ends_at: float = float("inf")
    ) -> None:
        self.name = name
        self.skew = skew
        self.ends_at = ends_at
        self.result: object = None
        self.error: BaseException | None = None
        self.done = False
        self.disturbed = False
        self.turn = 0
        self.waiting: Process | None = None
        self.greenlet = greenlet(self._body)
        self._run = run

    def _body(self) -> None:
        try:
            self.result = self._run()
        except KilledError as error:
            self.error = error
        except Exception as error:  # noqa: BLE001 - a waiting process reads it
            self.error = error
        self.done = True


class Scheduler:
    """Wakes processes in the order of their times."""

    def __init__(self) -> None:
        self.now = START
        self._heap: list[tuple[float, int, int, Process]] = []
        self._order = count()
        self._main = greenlet.getcurrent()
        self.current: Process | None = None

    def clock(self) -> float:
        """Return epoch seconds, as the running process sees them."""
        return self.now + (self.current.skew if self.current else 0.0)

    def spawn(self, process: Process, after: float = 0.0) -> Process:
        """Start a process so many seconds from now; at its end others go on, not its starter."""
        process.greenlet.parent = self._main
        self._wake(process, self.now + after)
        return process

    def pause(self, seconds: float) -> None:
        """Suspend the running process; it dies if its time ends before that."""
        process = self._running()
        self._wake(process, min(self.now + seconds, max(self.now, process.ends_at)))
        self._main.switch()
        if self.now >= process.ends_at:
            raise KilledError

    def wait(self, process: Process, seconds: float) -> bool:
        """Wait in the running process for another one's end; return whether it came in time."""
        if not process.done:
            process.waiting = self._running()
            self.pause(seconds)
            process.waiting = None
        return process.done

    def run(self, until: float) -> None:
        """Run until this time."""
        while self._heap and self._heap[0][0] <= until:
            time, _, turn, process = heapq.heappop(self._heap)
            if turn != process.turn or process.done:
                continue
            self.now = max(self.now, time)
            process.turn += 1
            self.current = process
            process.greenlet.switch()
            self.current = None
            if process.done and process.waiting:
                self._wake(process.waiting, self.now)
        self.now = until

    def is_idle(self) -> bool:
        """Return whether nothing is left to run."""
        return not self._heap

    def _wake(self, process: Process, time: float) -> None:
        heapq.heappush(self._heap, (time, next(self._order), process.turn, process))

    def _running(self) -> Process:
        if self.current is None:
            raise RuntimeError("nothing runs")
        return self.current
