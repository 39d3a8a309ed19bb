"""Running a function of any kind to its end, or to its deadline."""

import inspect
import signal
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator
from types import FrameType
from typing import Any, NoReturn

from silvaengine.errors import DeadlineError

_REPEAT = 0.1  # seconds; a bare ``except:`` or a callback of asyncio may swallow the first alarm
_END = object()


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


def complete(result: object) -> object:
    """Return a coroutine's result, a generator's items as a list, anything else unchanged.

    Each call has an event loop of its own: a task that one tenant's function leaves behind is cancelled and
    never runs in another's call.
    """
    result = await_result(result)
    if inspect.isasyncgen(result):
        return _run_coroutine(_collect(result))
    return list(result) if inspect.isgenerator(result) else result


def await_result(result: object) -> object:
    """Return a coroutine's result, also of a coroutine that it returns; anything else unchanged."""
    while inspect.iscoroutine(result):
        result = _run_coroutine(result)
    return result


def as_generator(result: object) -> Generator[object] | None:
    """Return a generator of either kind as a plain one, which ``close`` ends; None for anything else."""
    if isinstance(result, AsyncGenerator):
        return _iterate(result)
    return result if isinstance(result, Generator) else None


def _iterate(items: AsyncGenerator[object]) -> Generator[object]:
    import asyncio  # lazy: only a coroutine needs it

    async def step() -> object:
        return await anext(items, _END)

    with asyncio.Runner() as runner:  # its end closes the generator
        while (item := runner.run(step())) is not _END:
            yield item


def _run_coroutine(coroutine: Coroutine[Any, Any, object]) -> object:
    import asyncio  # lazy: only a coroutine needs it

    return asyncio.run(coroutine)


async def _collect(items: AsyncIterator[object]) -> list[object]:
    return [item async for item in items]


def _raise_passed(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise DeadlinePassed


def _deadline_error(detail: str) -> DeadlineError:
    return DeadlineError("The function didn't finish in time", detail=detail)
