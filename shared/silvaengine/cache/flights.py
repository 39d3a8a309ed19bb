"""One load for all who ask for the same key at the same time, in threads and in coroutines."""

import threading
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future

    from silvaengine.cache.memory import Entry

WAIT_SECONDS = 10.0  # then a waiter loads for itself: two flights may wait for one another

_callbacks = threading.Lock()  # for whoever adds one to a flight; few ever do


class Flight:
    """A load under way; its owner sets ``brought`` or ``error`` before it lands.

    Both are None for one that was given up, by a cancellation or an alarm, or whose value isn't kept.
    ``stamp`` is the generation that was known before the load began, None until it is known.

    Args:
        owner: the thread, or the task, that loads.
    """

    __slots__ = ("_callbacks", "brought", "error", "owner", "stamp")

    def __init__(self, owner: object) -> None:
        self.owner = owner
        self.stamp: bytes | None = None
        self.error: Exception | None = None
        self.brought: Entry | None = None
        self._callbacks: tuple[Callable[[], None], ...] | None = ()  # None once it has landed

    def land(self) -> None:
        """Let the waiters go on."""
        with _callbacks:
            callbacks, self._callbacks = self._callbacks, None
        for callback in callbacks or ():
            callback()

    def wait(self) -> bool:
        """Wait until it has landed, 10 s at the most, and tell whether it has."""
        air = threading.Lock()
        air.acquire()
        return not self._calls_back(air.release) or air.acquire(timeout=WAIT_SECONDS)

    async def wait_async(self) -> bool:
        """Wait likewise, without blocking the event loop."""
        import asyncio  # noqa: PLC0415 - who is here has loaded it

        loop = asyncio.get_running_loop()
        woken: Future[None] = loop.create_future()
        if not self._calls_back(lambda: _wake(loop, woken)):
            return True
        done, _ = await asyncio.wait([woken], timeout=WAIT_SECONDS)
        return bool(done)

    def _calls_back(self, callback: Callable[[], None]) -> bool:
        """Have it called at the landing; False when that is over."""
        with _callbacks:
            if self._callbacks is None:
                return False
            self._callbacks += (callback,)
            return True


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

    def land(self, key: Hashable, flight: Flight) -> None:
        """Let nobody else join a flight, and those who wait go on."""
        self.leave(key, flight)
        flight.land()

    def leave(self, key: Hashable, flight: Flight) -> None:
        """Let nobody else join a flight."""
        if self._flights.get(key) is flight:
            self._flights.pop(key, None)
