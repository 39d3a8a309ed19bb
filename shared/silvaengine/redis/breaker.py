"""Going around what doesn't answer: one short time-out, then nothing is asked until a pause is over."""

import time
from collections.abc import Callable

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0


class TierError(Exception):
    """A tier, or the store of what was cleared, can't be used at the moment."""


class Breaker:
    """Open after a failure, for 1 s that grows to 30 s; then one call may probe.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pause = FIRST_PAUSE
        self._closed_from = 0.0
        self.has_failed = False

    @property
    def state(self) -> str:
        """``closed``, ``open``, or ``half-open`` when the next call probes."""
        if not self.has_failed:
            return "closed"
        return "half-open" if self._clock() >= self._closed_from else "open"

    def allows(self) -> bool:
        """Return whether to ask; the one who may probe keeps the others away while it does."""
        if not self.has_failed:
            return True
        if self._clock() < self._closed_from:
            return False
        self._closed_from = self._clock() + self._pause
        return True

    def succeeded(self) -> None:
        """Close."""
        self.has_failed = False
        self._pause = FIRST_PAUSE

    def failed(self) -> None:
        """Open for the pause, and double the next one."""
        self.has_failed = True
        self._closed_from = self._clock() + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
