"""Running a function to its deadline."""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from silvaengine.errors import DeadlineError

_REPEAT = 0.1  # seconds; a bare ``except:`` or a callback of asyncio may swallow the first alarm


class DeadlinePassed(BaseException):
    """Raised inside a function at its deadline; the function's ``except Exception`` doesn't catch it."""


def run_with_deadline[T](seconds: float, run: Callable[[], T]) -> T:
    """Run for at most so many seconds; infinity is no limit, and with zero or less nothing is started.

    The limit is a signal, which only the main thread receives: elsewhere the function runs unlimited. An
    earlier timer and handler are restored afterwards.

    Raises:
        DeadlineError: the time is over.
    """
    if seconds <= 0:
        raise _deadline_error("not started")
    if seconds == float("inf") or threading.current_thread() is not threading.main_thread():
        return run()
    handler = signal.signal(signal.SIGALRM, _raise_passed)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds, _REPEAT)
    try:
        try:
            return run()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except DeadlinePassed as passed:
        raise _deadline_error("ended by the alarm") from passed
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)  # an alarm in the inner `finally` left the timer on
        signal.signal(signal.SIGALRM, handler)


def _raise_passed(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise DeadlinePassed


def _deadline_error(detail: str) -> DeadlineError:
    return DeadlineError("The function didn't finish in time", detail=detail)
