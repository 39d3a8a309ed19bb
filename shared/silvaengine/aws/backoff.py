"""Repeating what may be sent again, with pauses in between."""

import time
from collections.abc import Callable
from math import inf

ATTEMPTS = 3
LONGEST_PAUSE = 2.0


def _random() -> float:
    from random import random  # lazy: only a repetition needs it

    return random()  # noqa: S311 - no secret


class Backoff:
    """Pauses that double, half to all of each at random, and none beyond the deadline.

    aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter.

    Args:
        first: the longest first pause, in seconds; no later one is longer than 2 s.
        attempts: how often a request is sent at most, 1 or more.
        clock: epoch seconds.
        sleep: takes seconds.
        chance: returns a number from 0 to 1, for jitter.
    """

    def __init__(
        self,
        first: float,
        attempts: int = ATTEMPTS,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = _random,
    ) -> None:
        self._first = first
        self._attempts = attempts
        self._clock = clock
        self._sleep = sleep
        self._chance = chance

    def run[T](self, attempt: Callable[[], T], passing: type[Exception], deadline: float = inf) -> T:
        """Return the result of the first attempt that doesn't raise ``passing``, or raise that of the last.

        No attempt is repeated at or after ``deadline``, in epoch seconds.
        """
        for number in range(self._attempts - 1):
            try:
                return attempt()
            except passing:
                pause = min(LONGEST_PAUSE, self._first * 2**number) * (0.5 + self._chance() / 2)
                if self._clock() + pause >= deadline:
                    raise
                self._sleep(pause)
        return attempt()
