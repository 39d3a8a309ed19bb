"""One load for all who ask for the same key at the same time, in threads and in coroutines."""

import threading
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future

    from silvaengine.cache.memory import Entry

WAIT_SECONDS = 10.0  # then a waiter loads for itself: two flights may wait for one another


class Flight:
    """A load under way, which others who ask for the same may wait for.

    Its owner, the thread or the task that loads, sets ``brought`` or ``error`` before it lands. Both are None
    for one that was given up, by a cancellation or an alarm, or whose value isn't kept. ``stamp`` is the
    generation that was known before the load began, None until it is known.
    """

    owner: object = None
    stamp: bytes | None = None
    error: Exception | None = None
    brought: "Entry | None" = None
    has_landed = False
    _callbacks: list[Callable[[], None]]

    def land(self) -> None:
        """Let the waiters go on."""
        self.has_landed = True
        for callback in self._callbacks:
            callback()

    def wait(self) -> bool:
        """Wait until it has landed, 10 s at the most, and tell whether it has."""
        air = threading.Lock()
        air.acquire()
        self._callbacks.append(air.release)  # before the look at what the owner sets before it looks here
        return self.has_landed or air.acquire(timeout=WAIT_SECONDS)

    async def wait_async(self) -> bool:
        """Wait likewise, without blocking the event loop."""
        import asyncio

        loop = asyncio.get_running_loop()
        woken: Future[None] = loop.create_future()
        self._callbacks.append(lambda: _wake(loop, woken))
        if self.has_landed:
            return True
        done, _ = await asyncio.wait([woken], timeout=WAIT_SECONDS)
        return bool(done)


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

    def join(self, key: Hashable, mine: Flight, owner: object) -> Flight:
        """Return the flight of a key to wait for; the caller's own, if it is the one who has to load.

        The owner of the other one asking again (a function that calls itself) has to load, too.
        """
        mine.owner, mine._callbacks = owner, []
        flight = self._flights.setdefault(key, mine)
        return mine if flight.owner == owner else flight

    def land(self, key: Hashable, flight: Flight) -> None:
        """Let nobody else join a flight, and those who wait go on."""
        self.leave(key, flight)
        flight.land()

    def leave(self, key: Hashable, flight: Flight) -> None:
        """Let nobody else join a flight."""
        if self._flights.get(key) is flight:
            self._flights.pop(key, None)
