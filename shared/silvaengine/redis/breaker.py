"""A circuit breaker: after a failure a store isn't asked until a pause is over."""

import logging
from collections.abc import Callable

from silvaengine.clock import process_clock

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0

_logger = logging.getLogger(__name__)


class TierError(Exception):
    """A cache tier, or the store of clears, can't be used at the moment."""


class Breaker:
    """Opens after a failure, for 1 s growing to 30 s, a freeze included; then one call may probe."""

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

    def guard(self, complaint: str, failures: tuple[type[Exception], ...]) -> "_Guard":
        """Return a block that raises TierError for ``failures``, and while the breaker is open.

        The first failure is logged with the complaint.
        """
        return _Guard(self, complaint, failures)

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


class _Guard:
    """A block whose failures open a breaker; a generator's would take longer than a hit in memory."""

    __slots__ = ("_breaker", "_complaint", "_failures")

    def __init__(self, breaker: Breaker, complaint: str, failures: tuple[type[Exception], ...]) -> None:
        self._breaker = breaker
        self._complaint = complaint
        self._failures = failures

    def __enter__(self) -> None:
        if not self._breaker.allows():
            raise TierError(f"{self._complaint}: bypassed for now")

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None:
            self._breaker.record_success()
        elif isinstance(error, self._failures):
            reason = getattr(error, "detail", None) or type(error).__name__
            if not self._breaker.has_failed:
                _logger.warning("%s: %s", self._complaint, reason)
            self._breaker.record_failure()
            raise TierError(reason) from error
