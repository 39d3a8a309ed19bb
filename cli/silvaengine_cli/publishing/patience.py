"""Waiting for what AWS does by itself: shown to whoever waits, and bounded."""

import time
from collections.abc import Callable

import click

# What passes by itself: docs.aws.amazon.com/lambda/latest/dg/functions-states.html and
# docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html#api-requests
PASSING = ("ResourceConflictException", "ResourceNotReadyException", "TooManyRequestsException")
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0  # seconds
SECONDS = 60.0


class NotYetError(Exception):
    """What is waited for isn't there yet; the text says what is instead."""


class Patience:
    """Repeats what may be repeated until it succeeds.

    Args:
        say: shows a line to whoever waits.
        seconds: how long one thing is waited for.
        clock: returns seconds that only go on.
        sleep: takes seconds.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._say = say
        self._seconds = seconds
        self._clock = clock
        self._sleep = sleep

    def run[T](self, what: str, attempt: Callable[[], T]) -> T:
        """Return the result of the first attempt that raises neither NotYetError nor what passes on AWS.

        Raises:
            ClickException: none did in time; the message is ``what`` and the last reason.
        """
        from botocore.exceptions import ClientError  # lazy: it is slow to import

        end, pause, shown = self._clock() + self._seconds, FIRST_PAUSE, ""
        while True:
            try:
                return attempt()
            except NotYetError as error:
                reason = str(error)
            except ClientError as error:
                if error.response["Error"]["Code"] not in PASSING:
                    raise
                reason = error.response["Error"]["Message"]
            if self._clock() + pause > end:
                raise click.ClickException(f"{what} took more than {self._seconds:.0f} s: {reason}")
            if reason != shown:
                self._say(f"waiting: {reason}")
                shown = reason
            self._sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
