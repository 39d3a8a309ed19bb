"""The process that all tenants share: its state is restored after each call, and an alarm ends a call.

A constructor that sets an environment variable would otherwise pass it on to the next tenant. Threads, signal
handlers, patched modules and the like are not restored (docs/security.md).
"""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from math import inf
from signal import ITIMER_REAL, setitimer
from threading import get_ident
from types import FrameType
from typing import NoReturn

from silvaengine.errors import DeadlineError

_REPEAT = 0.1  # seconds; a bare ``except:`` or a callback of asyncio may swallow the first alarm
_set_handler = sys.modules["_signal"].signal  # signal's own looks for enumeration members, 10,000 a time
_ALARM = int(signal.SIGALRM)
_MAIN_THREAD = threading.main_thread().ident
_environ = os.environ  # noqa: TID251 - restored as a whole, read for no setting


live_environment: dict[bytes, bytes] = vars(_environ)["_data"]
"""The mapping inside ``os.environ``: copying or comparing that decodes all names and values."""

_umask = os.umask(0o022)  # it can only be read by setting it
os.umask(_umask)


def restore_process[*Args, T](before: dict[bytes, bytes], run: Callable[[*Args], T], *args: *Args) -> T:
    """Run, and restore what belongs to the whole process; the environment as it was ``before``.

    That is also the C library's time zone, the mask of new files, the recursion limit, the default time-out
    of sockets, the root logger's level and handlers, standard streams and working directory.
    """
    zone, recursion, root = time.tzname, sys.getrecursionlimit(), logging.root
    level, handlers, streams = root.level, [*root.handlers], (sys.stdout, sys.stderr)
    socket = sys.modules.get("socket")  # a cold start doesn't load it
    timeout = socket.getdefaulttimeout() if socket else None
    folder = os.getcwd()  # noqa: PTH109 - a path object adds a tenth to a call's instructions
    try:
        return run(*args)
    finally:
        is_unchanged = live_environment == before
        if not is_unchanged:
            _environ.clear()
            _environ.update({os.fsdecode(name): os.fsdecode(value) for name, value in before.items()})
        if not is_unchanged or time.tzname != zone:
            time.tzset()
        os.umask(_umask)
        if sys.getrecursionlimit() != recursion:
            sys.setrecursionlimit(recursion)
        if socket := socket or sys.modules.get("socket"):
            socket.setdefaulttimeout(timeout)
        if root.level != level:
            root.setLevel(level)
        if root.handlers != handlers:
            root.handlers[:] = handlers
        sys.stdout, sys.stderr = streams
        os.chdir(folder)


class DeadlinePassed(BaseException):
    """Raised inside a function at its deadline; the function's ``except Exception`` doesn't catch it."""


def run_with_deadline[*Args, T](seconds: float, run: Callable[[*Args], T], *args: *Args) -> T:
    """Run for at most so many seconds; infinity is no limit, and with zero or less nothing is started.

    The limit is a signal, which only the main thread receives: elsewhere the function runs unlimited. An
    earlier timer and handler are restored afterwards.

    Raises:
        DeadlineError: the time is over.
    """
    if seconds <= 0:
        raise _deadline_error("not started")
    if seconds == inf or get_ident() != _MAIN_THREAD:
        return run(*args)
    handler = _set_handler(_ALARM, _raise_passed)
    left, interval = setitimer(ITIMER_REAL, seconds, _REPEAT)
    try:
        try:
            return run(*args)
        finally:
            setitimer(ITIMER_REAL, 0)
    except DeadlinePassed as passed:
        raise _deadline_error("ended by the alarm") from passed
    finally:
        setitimer(ITIMER_REAL, left, interval)  # an alarm in the inner `finally` left the timer on
        _set_handler(_ALARM, handler)


def _raise_passed(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise DeadlinePassed


def _deadline_error(detail: str) -> DeadlineError:
    return DeadlineError("The function didn't finish in time", detail=detail)
