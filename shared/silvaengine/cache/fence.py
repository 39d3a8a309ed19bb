"""What this process knows of clears, and how it keeps to them, in a fault too."""

import logging
import time
from collections.abc import Callable
from math import inf
from threading import Lock

from silvaengine.cache.generations import ALL_TENANTS, Generation, GenerationStore
from silvaengine.cache.keys import matcher, tenant_text
from silvaengine.cache.memory import Entry, MemoryTier
from silvaengine.redis.breaker import TierError

UNFENCED_SECONDS = 60.0  # how long memory answers when nobody can tell what was cleared
RETRY_SECONDS = 1.0  # how often it is then asked again
DRIFT_SECONDS = 1.0  # between date and monotonic clock, from which on a process was frozen

_logger = logging.getLogger(__name__)


class Space:
    """One tenant's part of a cache, as this process knows it.

    ``until`` is the monotonic second up to which ``generation`` may be relied on; a hit reads it and adds to
    ``hits``. ``confirmed`` is when the read began that gave the generation.
    """

    __slots__ = (
        "confirmed",
        "counts",
        "generation",
        "hits",
        "is_readable",
        "name",
        "sent",
        "tenant",
        "until",
    )

    def __init__(self, name: str, tenant: str) -> None:
        self.name = name
        self.tenant = tenant
        self.until = -inf
        self.confirmed = -inf
        self.generation: Generation | None = None
        self.is_readable = False
        self.hits = 0
        self.counts: dict[str, int] = {}
        self.sent: dict[str, int] = {}

    def count(self, what: str) -> None:
        """Add to a counter."""
        self.counts[what] = self.counts.get(what, 0) + 1

    def totals(self) -> dict[str, int]:
        """Return the counters since the process began."""
        return {"memory_hits": self.hits, **self.counts}

    def unsent(self) -> dict[str, int]:
        """Return what was counted since the last time this was asked."""
        sent, self.sent = self.sent, self.totals()
        return {
            what: number - sent.get(what, 0)
            for what, number in self.sent.items()
            if number != sent.get(what, 0)
        }

    def holds(self, stamp: bytes | None, texts: tuple[str, ...]) -> bool:
        """Return whether no clear that is known of has ended an entry; of an unknown generation none has."""
        known = self.generation
        if known is None or stamp is None:
            return known is None and stamp is None
        return stamp == known.stamp or known.holds(stamp, texts)


class Fence:
    """Keeps the memory tier to what was cleared anywhere.

    Args:
        memory: where entries end.
        store: the records of what was cleared.
        per_invocation: whether every invocation looks anew, and not only after a freeze.
        clock: monotonic seconds.
        date: seconds of the calendar, only to notice a freeze.
    """

    def __init__(
        self,
        memory: MemoryTier,
        store: GenerationStore,
        *,
        per_invocation: bool,
        clock: Callable[[], float] = time.monotonic,
        date: Callable[[], float] = time.time,
    ) -> None:
        self._memory = memory
        self._store = store
        self._per_invocation = per_invocation
        self._clock = clock
        self._date = date
        self._gap = date() - clock()
        self._spaces: dict[tuple[str, str], Space] = {}
        self._fresh: set[Space] = set()
        self._lock = Lock()
        self._floor = -inf  # a read that began before it may not know of this process's latest clear

    def space(self, name: str, tenant: str) -> Space:
        """Return a tenant's part of a cache."""
        found = self._spaces.get((name, tenant))
        return found or self._spaces.setdefault((name, tenant), Space(name, tenant_text(tenant)))

    def spaces(self, name: str, owner: str) -> list[Space]:
        """List the parts of a cache that this process has seen, of one tenant or of all."""
        return [
            space
            for space in list(self._spaces.values())
            if space.name == name and owner in (ALL_TENANTS, space.tenant)
        ]

    def begin(self) -> None:
        """Note that an invocation begins: look anew, with Redis always, else after a freeze.

        Frozen, a Lambda may not count the time; the date, set anew when it goes on, tells.
        """
        gap = self._date() - self._clock()
        if self._per_invocation or abs(gap - self._gap) > DRIFT_SECONDS:
            with self._lock:
                self._floor = self._clock()
                for space in self._fresh:
                    space.until = -inf
                self._fresh.clear()
        self._gap = gap

    def refresh(self, space: Space) -> None:
        """Read what was cleared, unless that was done a moment ago."""
        started = self._clock()
        if started < space.until:
            return
        try:
            generation = self._store.read(space.name, space.tenant)
        except TierError:
            self.unreadable(space)
        else:
            self.learn(space, generation, started)

    def learn(self, space: Space, generation: Generation, started: float) -> None:
        """Take over what a read that began at ``started`` gave, and end what was cleared."""
        with self._lock:
            if started < space.confirmed or started < self._floor:
                return  # a younger read was faster, or what this one read is no longer so
            known = space.generation
            is_news = generation is not known and generation != known
            is_behind = is_news and known is not None and generation.is_behind(known.stamp)
            if not is_behind:
                space.confirmed = started
                space.is_readable = True
                if is_news:
                    self._take_over(space, generation)
                space.until = started + self._store.fresh_seconds
                self._fresh.add(space)
        if is_behind:
            self._renew(space)

    def _take_over(self, space: Space, generation: Generation) -> None:
        space.generation = generation
        self._memory.drop_if(lambda entry: entry.space is space and not space.holds(entry.stamp, entry.texts))

    def unreadable(self, space: Space) -> None:
        """Go on with what is known, but for no more than a minute since it was last confirmed."""
        space.count("generation_errors")
        if space.is_readable:
            space.is_readable = False
            self._limit(space, space.confirmed + UNFENCED_SECONDS)
        space.until = self._clock() + RETRY_SECONDS

    def _limit(self, space: Space, end: float) -> None:
        for entry in list(self._memory.entries.values()):
            if entry.space is space:
                entry.until, entry.end = min(entry.until, end), min(entry.end, end)

    def trusts(self, space: Space, stamp: bytes, texts: tuple[str, ...]) -> bool:
        """Return whether an entry of another tier lives; raises ValueError for a stamp that is none."""
        known = space.generation
        longest = max(UNFENCED_SECONDS, self._store.fresh_seconds)
        if known is None or self._clock() > space.confirmed + longest:
            return False
        if stamp == known.stamp:
            return True
        if known.is_behind(stamp):
            self._renew(space)
            return False
        return known.holds(stamp, texts)

    def _renew(self, space: Space) -> None:
        """Begin new epochs: the store has lost a clear, so that nothing older can be trusted."""
        try:
            self._store.renew(space.name, space.tenant)
        except TierError:
            self.unreadable(space)
        space.generation = None
        space.until = -inf
        self._memory.drop_if(lambda entry: entry.space is space)

    def clear(self, name: str, owner: str, pattern: str) -> bool:
        """End what matches here and everywhere; tell whether the store has acknowledged it."""
        matches = matcher(pattern)

        def is_meant(entry: Entry) -> bool:
            space: Space = entry.space
            return (
                space.name == name and owner in (ALL_TENANTS, space.tenant) and any(map(matches, entry.texts))
            )

        try:
            self._store.clear(name, owner, pattern)
        except TierError as error:
            _logger.warning("A clear of cache %r reached no store: %s", name, error)
            return False
        finally:
            with self._lock:
                self._floor = self._clock()
                for space in self.spaces(name, owner):
                    space.until = -inf
            self._memory.drop_if(is_meant)
        return True

    def use(self, store: GenerationStore) -> None:
        """Go on with another store, and with nothing known."""
        self._store = store
        self._spaces.clear()
        self._fresh.clear()

    def knows(self, name: str) -> bool:
        """Return whether a cache was ever used; raises TierError when nobody can tell."""
        return self._store.knows(name)
