"""Runs a command that ends when its starter does, however that ends: a kill -9 runs no `finally`.

The starter holds the writing end of a pipe. Once that is closed, by whatever, the command gets SIGTERM, and
what is left of it after 20 seconds SIGKILL. As a script this needs only the standard library.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Thread
from time import sleep
from typing import Any

STOP_SECONDS = 20.0


@contextmanager
def leashed(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:  # noqa: ANN401 - Popen's
    """Run a command until the block ends; yield its process, whose exit status is the command's.

    It is in a session of its own, so that Ctrl-C in a terminal doesn't reach it. ``options`` are Popen's,
    without ``stdin``: the command's is empty. Don't use ``communicate``, which closes the pipe.
    """
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-I", __file__, *command], stdin=subprocess.PIPE, start_new_session=True, **options
    )
    try:
        yield process
    finally:
        if process.stdin:
            process.stdin.close()
        process.wait()


def _run(command: Sequence[str]) -> int:
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603
    Thread(target=_end_with_starter, args=(child.pid,), daemon=True).start()
    status = child.wait()
    _signal(child.pid, signal.SIGKILL)  # what it left behind
    return status if status >= 0 else 128 - status


def _end_with_starter(group: int) -> None:
    os.read(0, 1)  # not sys.stdin, whose lock a thread would hold at exit
    _signal(group, signal.SIGTERM)
    sleep(STOP_SECONDS)
    _signal(group, signal.SIGKILL)


def _signal(group: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # macOS refuses a group of zombies
        os.killpg(group, number)


if __name__ == "__main__":
    sys.exit(_run(sys.argv[1:]))
