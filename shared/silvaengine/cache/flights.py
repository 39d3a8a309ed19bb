"""One load for all who ask for the same key at the same time, in threads and in coroutines."""

import threading
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future

    from silvaengine.cache.generations import Generation

WAIT_SECONDS = 10.0  # then a waiter loads for itself: two flights may wait for one another

EMPTY: Final = object()
"""What a flight brings that was given up before its end, by a cancellation or an alarm."""


_callbacks = threading.Lock()  # for whoever adds one to a flight; few ever do


class Flight:
    """A load under way; its owner sets ``give`` or ``error`` before it lands.

    ``stamp`` is the generation that was known before the load began, None until it is known.

    Args:
        owner: the thread, or the task, that loads.
    """

    def __init__(self, owner: object) -> None:
        self.owner = owner
        self.stamp: bytes | None = None
        self.error: Exception | None = None
        self.give: Callable[[Generation | None], Any] = lambda _: EMPTY
        self._callbacks: list[Callable[[], None]] | None = []  # None once it has landed
        self._air = threading.Lock()  # held as long as it flies
        self._air.acquire()

    def land(self) -> None:
        """Let the waiters go on."""
        with _callbacks:
            callbacks, self._callbacks = self._callbacks, None
        self._air.release()
        for callback in callbacks or ():
            callback()

    def wait(self) -> bool:
        """Wait until it has landed, 10 s at the most, and tell whether it has."""
        has_landed = self._air.acquire(timeout=WAIT_SECONDS)
        if has_landed:
            self._air.release()
        return has_landed

    async def wait_async(self) -> bool:
        """Wait likewise, without blocking the event loop."""
        import asyncio  # noqa: PLC0415 - who is here has loaded it

        loop = asyncio.get_running_loop()
        woken: Future[None] = loop.create_future()
        with _callbacks:
            if self._callbacks is None:
                return True
            self._callbacks.append(lambda: _wake(loop, woken))
        done, _ = await asyncio.wait([woken], timeout=WAIT_SECONDS)
        return bool(done)

    def result(self, known: "Generation | None") -> Any:  # noqa: ANN401 - any value
        """Give what it brought, ``EMPTY`` for nothing; raises what the load raised.

        A clear that was ``known`` before the wait began has ended what is older.
        """
        if self.error is not None:
            raise self.error
        return self.give(known)


def _wake(loop: "AbstractEventLoop", woken: "Future[None]") -> None:
    """Wake a coroutine of another thread's loop, which may have ended in the meantime."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(_set, woken)


def _set(woken: "Future[None]") -> None:
    if not woken.done():
        woken.set_result(None)


class Flights:
    """The loads under way, by key."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, Flight] = {}

    def join(self, key: Hashable, owner: object) -> tuple[Flight, bool]:
        """Give the flight of a key, and whether the caller has to load for it.

        Its owner asking again (a function that calls itself) gets a flight of its own.
        """
        mine = Flight(owner)
        flight = self._flights.setdefault(key, mine)
        return (mine, True) if flight is mine or flight.owner == owner else (flight, False)

    def leave(self, key: Hashable, flight: Flight) -> None:
        """Let nobody else join a flight."""
        with suppress(KeyError):
            if self._flights[key] is flight:
                del self._flights[key]
