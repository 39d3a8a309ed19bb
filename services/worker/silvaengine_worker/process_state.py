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
from typing import NoReturn, Self

from silvaengine.errors import DeadlineError

_REPEAT = 0.1  # seconds; a bare ``except:`` or a callback of asyncio may swallow the first alarm
_set_handler = sys.modules["_signal"].signal  # signal's own looks for enumeration members, 10,000 a time
_ALARM = int(signal.SIGALRM)
_MAIN_THREAD = threading.main_thread().ident
_environ = os.environ  # noqa: TID251 - restored as a whole, read for no setting


def environment_data() -> dict[bytes, bytes]:
    """Return the mapping inside ``os.environ``: copying or comparing that decodes all names and values."""
    data: dict[bytes, bytes] = vars(_environ)["_data"]
    return data


_data = environment_data()
_umask = os.umask(0o022)  # it can only be read by setting it
os.umask(_umask)


class ProcessStateGuard:
    """Restores what belongs to the whole process.

    The environment, the C library's time zone, the mask of new files, the recursion limit, the default
    time-out of sockets, the root logger's level and handlers, standard streams and working directory.
    """

    def __enter__(self) -> Self:
        """Save them."""
        self._before = dict(_data)
        self._zone = time.tzname
        self._recursion = sys.getrecursionlimit()
        self._socket = sys.modules.get("socket")  # a cold start doesn't load it
        self._timeout = self._socket.getdefaulttimeout() if self._socket else None
        self._folder = os.getcwd()  # noqa: PTH109 - a path object adds a tenth to a call's instructions
        self._root = logging.root
        self._level, self._handlers = self._root.level, list(self._root.handlers)
        self._streams = sys.stdout, sys.stderr
        return self

    def is_environment_unchanged(self) -> bool:
        """Return whether the environment is as it was saved."""
        return _data == self._before

    def __exit__(self, *_: object) -> None:
        """Restore them."""
        is_unchanged = self.is_environment_unchanged()
        if not is_unchanged:
            _environ.clear()
            _environ.update({os.fsdecode(name): os.fsdecode(value) for name, value in self._before.items()})
        if not is_unchanged or time.tzname != self._zone:
            time.tzset()
        os.umask(_umask)
        if sys.getrecursionlimit() != self._recursion:
            sys.setrecursionlimit(self._recursion)
        if socket := self._socket or sys.modules.get("socket"):
            socket.setdefaulttimeout(self._timeout)
        if self._root.level != self._level:
            self._root.setLevel(self._level)
        self._root.handlers[:] = self._handlers
        sys.stdout, sys.stderr = self._streams
        os.chdir(self._folder)


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
    timer = setitimer(ITIMER_REAL, seconds, _REPEAT)
    try:
        try:
            return run(*args)
        finally:
            setitimer(ITIMER_REAL, 0)
    except DeadlinePassed as passed:
        raise _deadline_error("ended by the alarm") from passed
    finally:
        setitimer(ITIMER_REAL, *timer)  # an alarm in the inner `finally` left the timer on
        _set_handler(_ALARM, handler)


def _raise_passed(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise DeadlinePassed


def _deadline_error(detail: str) -> DeadlineError:
    return DeadlineError("The function didn't finish in time", detail=detail)
