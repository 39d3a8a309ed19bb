"""Threads that ask the tiers for coroutines.

asyncio's own belong to an event loop, of which the worker makes one for each call: there the first hit would
start a thread and the call's end another one, that waits for it. These are kept.
"""

from asyncio import AbstractEventLoop, Future, get_running_loop
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from os import register_at_fork
from queue import SimpleQueue
from threading import Thread
from typing import Any

MOST_THREADS = 8

type Job = tuple[AbstractEventLoop, Future[Any], Callable[[], object]]


class KeptThreads:
    """At most so many threads; another one is started where a job waits for those that there are."""

    def __init__(self, most: int = MOST_THREADS) -> None:
        self._most = most
        self._begin()
        register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        self._count = 0

    def run[*Args, R](self, work: Callable[[*Args], R], *args: *Args) -> "Future[R]":
        """Return what will have the result or error of work that a thread does, in this call's context."""
        loop = get_running_loop()
        result: Future[R] = loop.create_future()
        if not self._count or (self._count < self._most and self._jobs.qsize()):
            Thread(target=_serve, args=(self._jobs,), name="cache", daemon=True).start()
            self._count += 1
        self._jobs.put((loop, result, partial(copy_context().run, work, *args)))
        return result


def _serve(jobs: "SimpleQueue[Job]") -> None:
    while True:
        _do(*jobs.get())


def _do(loop: AbstractEventLoop, result: "Future[Any]", work: Callable[[], object]) -> None:
    try:
        settle(loop, result, work())
    except BaseException as error:  # noqa: BLE001 - the coroutine's to raise
        settle(loop, result, error=error)


def settle(
    loop: AbstractEventLoop, future: "Future[Any]", value: object = None, error: BaseException | None = None
) -> None:
    """Set what a coroutine of another thread waits for, unless its loop has been closed meanwhile."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(_settle, future, value, error)


def _settle(future: "Future[Any]", value: object, error: BaseException | None) -> None:
    if future.done():  # cancelled, or its flight took too long
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)


to_thread = KeptThreads().run
