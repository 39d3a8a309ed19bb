"""A circuit breaker: after a failure a store isn't asked until a pause is over."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from silvaengine.clock import process_clock

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0

_logger = logging.getLogger(__name__)


class TierError(Exception):
    """A cache tier, or the store of clears, can't be used at the moment."""


class Breaker:
    """Opens after a failure, for 1 s growing to 30 s by the monotonic ``clock``; then one call may probe."""

    def __init__(self, clock: Callable[[], float] = process_clock) -> None:
        self._clock = clock
        self._pause = FIRST_PAUSE
        self._probe_at = 0.0
        self.has_failed = False

    @property
    def state(self) -> str:
        """``closed``, ``open``, or ``half-open`` when the next call probes."""
        if not self.has_failed:
            return "closed"
        return "half-open" if self._clock() >= self._probe_at else "open"

    @contextmanager
    def guard(self, complaint: str, failures: tuple[type[Exception], ...]) -> Iterator[None]:
        """Raise TierError for ``failures``, and while the breaker is open; log the first with a complaint."""
        if not self.allows():
            raise TierError(f"{complaint}: bypassed for now")
        try:
            yield
        except failures as error:
            reason = getattr(error, "detail", None) or type(error).__name__
            if not self.has_failed:
                _logger.warning("%s: %s", complaint, reason)
            self.record_failure()
            raise TierError(reason) from error
        self.record_success()

    def allows(self) -> bool:
        """Return whether a call may go out; a probe keeps others away for the length of the pause."""
        if not self.has_failed:
            return True
        if self._clock() < self._probe_at:
            return False
        self._probe_at = self._clock() + self._pause
        return True

    def record_success(self) -> None:
        """Close the breaker."""
        self.has_failed = False
        self._pause = FIRST_PAUSE

    def record_failure(self) -> None:
        """Open the breaker for the pause, and double the next one."""
        self.has_failed = True
        self._probe_at = self._clock() + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
