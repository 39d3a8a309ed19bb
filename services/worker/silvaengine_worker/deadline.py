"""Running a function to its end, whatever its kind, or to its deadline, whichever comes first."""

import inspect
import signal
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
from types import FrameType
from typing import Any, NoReturn

from silvaengine.errors import DeadlineError

_REPEAT = 0.1  # seconds; a bare ``except:`` or a callback of asyncio may swallow the first alarm
_END = object()


class DeadlinePassed(BaseException):
    """Ends a function from within; ``except Exception`` in the function doesn't hold it."""


def run_with_deadline[T](seconds: float, run: Callable[[], T]) -> T:
    """Run for at most so many seconds; infinite is no limit, and zero or less doesn't start at all.

    The limit is a signal, which only the main thread gets: elsewhere the function runs unlimited. A timer
    and a handler that stood before stand again afterwards.

    Raises:
        DeadlineError: the time is over.
    """
    if seconds <= 0:
        raise _too_late("not started")
    if seconds == float("inf") or threading.current_thread() is not threading.main_thread():
        return run()
    handler = signal.signal(signal.SIGALRM, _end)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds, _REPEAT)
    try:
        try:
            return run()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except DeadlinePassed as passed:
        raise _too_late("ended by the alarm") from passed
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)  # an alarm in the inner `finally` left ours on
        signal.signal(signal.SIGALRM, handler)


def complete(result: Any) -> Any:  # noqa: ANN401 - a function answers anything
    """Await a coroutine, collect a generator into a list, give anything else as it is.

    Each call has an event loop of its own: a task that one tenant's function leaves behind is cancelled and
    never runs in another's call.
    """
    result = awaited(result)
    if inspect.isasyncgen(result):
        return _await(_collect(result))
    return list(result) if inspect.isgenerator(result) else result


def awaited(result: Any) -> Any:  # noqa: ANN401 - a function answers anything
    """Await a coroutine, and what it gives while that is one; give anything else as it is."""
    while inspect.iscoroutine(result):
        result = _await(result)
    return result


def iterated(result: Any) -> Generator[Any] | None:  # noqa: ANN401 - a function answers anything
    """Return a generator of either kind as a plain one, whose ``close`` ends it; None for anything else."""
    items: Generator[Any] | None = None
    if isinstance(result, AsyncGenerator):
        items = _stepped(result)
    elif isinstance(result, Generator):
        items = result
    return items


def _stepped(items: AsyncGenerator[Any]) -> Generator[Any]:
    import asyncio  # cold start: most functions aren't coroutines

    async def step() -> Any:  # noqa: ANN401 - an item
        return await anext(items, _END)

    with asyncio.Runner() as runner:  # its end closes the generator
        while (item := runner.run(step())) is not _END:
            yield item


def _await(awaitable: Any) -> Any:  # noqa: ANN401 - a function's coroutine
    import asyncio  # cold start: most functions aren't coroutines

    return asyncio.run(awaitable)


async def _collect(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


def _end(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise DeadlinePassed


def _too_late(detail: str) -> DeadlineError:
    return DeadlineError("The function didn't finish in time", detail=detail)
