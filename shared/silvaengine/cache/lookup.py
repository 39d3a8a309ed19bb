"""One look-up of a key, and its flight: the load that others who ask for the same key wait for."""

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from os import urandom
from sys import getsizeof
from typing import TYPE_CHECKING, Final

from silvaengine.cache.keys import TEXT_HEAD
from silvaengine.cache.memory import CacheEntry, TenantView
from silvaengine.named_tuple import NamedTuple

if TYPE_CHECKING:
    from asyncio import Future

MAX_SECONDS = 30 * 86_400.0  # of a value without a ttl
JITTER = 0.1  # by which a ttl is shortened at random, so that values don't end together
WAIT_SECONDS = 10.0  # then a waiter loads for itself: two flights may wait for one another

ENTRY_BYTES = 500  # of an entry without its texts and its value

MISSING: Final = object()


class CachePolicy(NamedTuple):
    """How values are cached.

    ``ttl`` and ``stale_ttl`` are seconds: how long a value is fresh, and how long after that it is still
    served when the source fails. ``ttl`` None means 30 days, the longest; 0 or less caches nothing.
    ``shared`` returns the same object instead of copies. ``lock`` lets one process load while the others
    wait. ``local`` keeps values in this process only.
    """

    ttl: float | None = 300.0
    stale_ttl: float = 0.0
    shared: bool = False
    lock: bool = False
    local: bool = False

    def fresh_seconds(self) -> float:
        """Return how long a value is fresh: the ttl, at random up to a tenth less."""
        longest = MAX_SECONDS if self.ttl is None else min(self.ttl, MAX_SECONDS)
        return longest * (1 - JITTER * int.from_bytes(urandom(2)) / 65_536)


type Encoded = tuple[bytes, bytes | None, float, float]
"""An encoded value, its stamp, and for how many seconds it is fresh, and after that may be served stale."""


@dataclass(eq=False)
class Lookup:
    """A call's key and policy, and what was found out about them so far.

    ``key`` is that of the memory tier, ``text`` that of the others; ``texts`` are what patterns are matched
    against, and ``label`` is the function or engine, for warnings.
    """

    key: tuple[Hashable, ...]
    view: TenantView
    text: str
    texts: tuple[str, ...]
    policy: CachePolicy
    label: str
    bind: Callable[[CacheEntry], None] | None = None
    """Called with an entry before others can find it; keeps the object of a method call alive until then."""
    flight: "Flight | None" = field(default=None, init=False)
    """Where this look-up is the one that loads."""
    stale: object = field(default=MISSING, init=False)
    encoded: Encoded | None = field(default=None, init=False)
    entry: CacheEntry | None = field(default=None, init=False)
    started: float = field(default=0.0, init=False)
    """When the load began."""
    stamp: bytes | None = field(default=None, init=False)
    """The clear state that was known before the load began, None if none was."""
    token: bytes | None = field(default=None, init=False)
    """The lock's token: empty where Redis takes none, None if not tried or held by another process."""

    def begin_load(self, now: float) -> None:
        """Record when a load begins, and which clears are known before it."""
        self.started = now
        self.stamp = self.view.state.stamp if self.view.state else None
        if self.flight:
            self.flight.stamp = self.stamp

    def overhead(self) -> int:
        """Estimate the bytes of an entry besides its value."""
        length = len(self.text)
        return ENTRY_BYTES + (3 * length if length < TEXT_HEAD else sum(map(getsizeof, self.key)))


class Flight:
    """A load under way, which others who ask for the same key wait for.

    The owner, the thread or task that loads, sets ``entry`` or ``error`` before it lands. Both stay None if
    the load was given up (a cancellation or an alarm) or its value isn't cached. ``stamp`` is that of the
    owner's look-up, None until its load begins.
    """

    def __init__(self, owner: object) -> None:
        self.owner = owner
        self.stamp: bytes | None = None
        self.error: Exception | None = None
        self.entry: CacheEntry | None = None
        self.has_landed = False
        self._callbacks: list[Callable[[], None]] = []

    def land(self) -> None:
        """Wake the waiters."""
        self.has_landed = True
        for callback in self._callbacks:
            callback()

    def wait(self) -> bool:
        """Wait until it has landed, at most 10 s; return whether it has."""
        wakeup = threading.Lock()
        wakeup.acquire()
        self._callbacks.append(wakeup.release)  # before reading has_landed, which the owner sets first
        return self.has_landed or wakeup.acquire(timeout=WAIT_SECONDS)

    async def wait_async(self) -> bool:
        """Do the same without blocking the event loop."""
        import asyncio

        from silvaengine.cache.threads import settle

        loop = asyncio.get_running_loop()
        wakeup: Future[None] = loop.create_future()
        self._callbacks.append(lambda: settle(loop, wakeup))
        if self.has_landed:
            return True
        done, _ = await asyncio.wait([wakeup], timeout=WAIT_SECONDS)
        return bool(done)


class Flights:
    """The flights under way, by key."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, Flight] = {}

    def join(self, key: Hashable, own: Flight) -> Flight:
        """Return the key's flight to wait for, or the caller's own if it has to load.

        A caller that already owns the key's flight (a function that calls itself) has to load as well.
        """
        flight = self._flights.setdefault(key, own)
        return own if flight.owner == own.owner else flight

    def land(self, key: Hashable, flight: Flight) -> None:
        """Let no one else join a flight, and wake its waiters."""
        self.close(key, flight)
        flight.land()

    def close(self, key: Hashable, flight: Flight) -> None:
        """Let no one else join a flight."""
        if self._flights.get(key) is flight:
            self._flights.pop(key, None)
