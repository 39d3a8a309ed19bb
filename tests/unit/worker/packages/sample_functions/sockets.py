"""Functions that speak over a socket."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from silvaengine.context import current_invocation
from silvaengine.errors import FunctionError

ENDED: list[str] = []


def numbers(to: int, fail_at: int = -1, size: int = 0, seconds: float = 0) -> Iterator[Any]:
    """Yield the numbers below `to`, or texts; fail or wait in between."""
    try:
        for number in range(to):
            if number == fail_at:
                raise FunctionError("far enough", status_code=409)
            yield "x" * size if size else number
            time.sleep(float(seconds))
    finally:
        ENDED.append("numbers")


async def numbers_async(to: int, seconds: float = 0) -> AsyncIterator[str]:
    """Yield who calls, again and again, from a coroutine."""
    try:
        for _ in range(to):
            await asyncio.sleep(float(seconds))
            yield current_invocation().endpoint_id
    finally:
        ENDED.append("numbers_async")


async def later(to: int) -> Iterator[int]:
    """Return a generator after a while."""
    await asyncio.sleep(0)
    return iter_numbers(to)


def iter_numbers(to: int) -> Iterator[int]:
    """Yield the numbers below `to`."""
    yield from range(to)


def message(funct: str, payload: Any, connection_id: str, **others: Any) -> list[Any]:
    """Return what came of the message itself."""
    return [funct, payload, connection_id, sorted(others)]


def takes_a(a: int) -> int:
    """Return the one parameter."""
    return a


def tell(data: Any, to: str | None = None, where: dict[str, str] | None = None) -> Any:
    """Push; to all where nobody is named."""
    connection = current_invocation().connection
    assert connection is not None
    if where is not None:
        return connection.broadcast(data, where=where)
    connection.send(data, to=to)
    return connection.id


def echo_all(items: list[Any]) -> Iterator[Any]:
    """Yield what a client sent."""
    yield from items
