"""The memory tier: entries of this process, limited in number and bytes; least recently used go first."""

import sys
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field, is_dataclass
from gc import get_referents
from itertools import islice
from math import inf
from threading import Lock
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from silvaengine.cache.clear_log import ClearState

MAX_ENTRIES = 16_384
EVICT_TO = 0.9  # of a limit, so that the next eviction is far
WALK_LIMIT = 1_000  # objects that are looked at to estimate one's size

_READ_ONCE = ("__next__", "__await__", "__anext__")  # what can be read only once has one of these
_CONTAINERS = (dict, list, tuple, set, frozenset, deque)

MUTABLE: Final = object()
"""The ``value`` of an entry of which each caller gets a copy, decoded from ``data``."""


@dataclass(eq=False, slots=True, weakref_slot=True)
class TenantView:
    """What this process knows of one tenant's part of a cache.

    ``state`` may be used until the monotonic second ``until``; a hit reads that and adds to ``hits``.
    ``confirmed`` is when the read began that returned the state, ``is_readable`` whether the last read
    succeeded.
    """

    name: str
    tenant: str
    until: float = -inf
    confirmed: float = -inf
    state: "ClearState | None" = None
    is_readable: bool = False
    hits: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    reported: Counter[str] = field(default_factory=Counter)

    def count(self, counter: str) -> None:
        """Add one to a counter."""
        self.counts[counter] += 1

    def totals(self) -> Counter[str]:
        """Return the counters since the process began."""
        return Counter({**self.counts, "memory_hits": self.hits})

    def take_unreported(self) -> Counter[str]:
        """Return what was counted since the previous call."""
        reported, self.reported = self.reported, self.totals()
        return self.reported - reported

    def is_valid(self, stamp: bytes | None, texts: tuple[str, ...]) -> bool:
        """Return whether no known clear has ended an entry; without a stamp, whether no clears are known."""
        if self.state is None or stamp is None:
            return self.state is None and stamp is None
        return self.state.is_valid(stamp, texts)


@dataclass(eq=False, slots=True, weakref_slot=True)
class CacheEntry:
    """A value and what a hit needs; a hit reads ``until`` and ``view`` and writes ``used``.

    From the monotonic second ``until`` on it isn't fresh, from ``end`` on it isn't served stale either.
    ``view`` is the tenant's part of the cache. ``stamp`` is the clear state that was known when its load
    began, None if none was. ``texts`` are what patterns are matched against.
    """

    value: object
    data: bytes
    view: TenantView
    stamp: bytes | None
    texts: tuple[str, ...]
    used: float
    until: float
    end: float
    size: int


class MemoryTier:
    """Entries by key, of which one has at most a quarter of ``max_bytes``.

    Readers look ``entries`` up without a lock.
    """

    def __init__(self, max_bytes: int, max_entries: int = MAX_ENTRIES) -> None:
        self.entries: dict[Hashable, CacheEntry] = {}
        self.bytes = 0
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._lock = Lock()

    def store(self, key: Hashable, entry: CacheEntry) -> None:
        """Store an entry, unless it is too large or no longer valid; an older one of the key goes."""
        with self._lock:
            if not entry.view.is_valid(entry.stamp, entry.texts):
                return
            self._remove(key)
            if entry.size > self._max_bytes // 4:
                return
            self.entries[key] = entry
            self.bytes += entry.size
            if self.bytes > self._max_bytes or len(self.entries) > self._max_entries:
                self._evict(entry.used)

    def drop_if(self, condition: Callable[[CacheEntry], bool]) -> None:
        """Remove every entry for which the condition is true."""
        with self._lock:
            for key in [key for key, entry in self.entries.items() if condition(entry)]:
                self._remove(key)

    def _remove(self, key: Hashable) -> None:
        entry = self.entries.pop(key, None)
        if entry is not None:
            self.bytes -= entry.size

    def _evict(self, now: float) -> None:
        """Remove what has ended, then the least recently used, until a tenth is free."""
        for key in [key for key, entry in self.entries.items() if entry.end <= now]:
            self._remove(key)
        for key in sorted(self.entries, key=lambda key: self.entries[key].used):
            if self.bytes <= self._max_bytes * EVICT_TO and len(self.entries) <= self._max_entries * EVICT_TO:
                return
            self._remove(key)


def estimate_size(value: object) -> int:
    """Estimate the bytes of an object and all it refers to, but modules, classes and functions."""
    parts = islice(_walk(value, _is_data), WALK_LIMIT)
    return sum(sys.getsizeof(each) for each in parts if _is_data(type(each)))


def _is_data(kind: type) -> bool:
    return not issubclass(kind, type | ModuleType | FunctionType)


def is_read_once(value: object) -> bool:
    """Return whether a value is an iterator or a stream, or holds one in containers and dataclasses."""
    parts = _walk(value, lambda kind: issubclass(kind, _CONTAINERS) or is_dataclass(kind))
    return any(hasattr(type(each), method) for each in parts for method in _READ_ONCE)


def _walk(value: object, follows: Callable[[type], bool]) -> Iterator[object]:
    """Yield an object and, once each, all that it refers to by objects of the kinds to follow."""
    seen: set[int] = set()
    pending = [value]
    while pending:
        each = pending.pop()
        if id(each) not in seen:
            seen.add(id(each))
            yield each
            if follows(type(each)):
                pending += get_referents(each)
