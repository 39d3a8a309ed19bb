"""The tier in this process: bounded in entries and bytes, least recently used first out."""

import sys
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import is_dataclass
from gc import get_referents
from threading import Lock
from types import FunctionType, ModuleType
from typing import Any, Final

MAX_ENTRIES = 16_384
SPARED = 0.9  # what an eviction leaves, so that the next one is far
WALK_LIMIT = 1_000  # objects that are looked at to weigh one

_ONCE = ("__next__", "__await__", "__anext__")  # what can be read only once has one of these
_CONTAINERS = (dict, list, tuple, set, frozenset, deque)

MUTABLE: Final = object()
"""In the place of an entry's value: each caller gets a copy of its own, decoded from ``data``."""


class Entry:
    """A value with what a hit must know; a hit reads ``until`` and ``space`` and writes ``used``, no more.

    ``until`` is the monotonic second from which it counts no more, ``end`` the one from which it can't even
    be served stale. ``space`` is the tenant's part of the cache, ``stamp`` the generation that was known when
    its load began, None for an unknown one. ``texts`` are what patterns are matched against.
    """

    __slots__ = ("__weakref__", "data", "end", "size", "space", "stamp", "texts", "until", "used", "value")

    def __init__(
        self,
        value: Any,  # noqa: ANN401 - any value
        data: bytes,
        space: Any,  # noqa: ANN401 - silvaengine.cache.fence.Space, above this module
        stamp: bytes | None,
        texts: tuple[str, ...],
        used: float,
        until: float,
        end: float,
        size: int,
    ) -> None:
        self.value = value
        self.data = data
        self.space = space
        self.stamp = stamp
        self.texts = texts
        self.used = used
        self.until = until
        self.end = end
        self.size = size

    def lives(self) -> bool:
        """Return whether no clear that is known of has ended it."""
        lives: bool = self.space.holds(self.stamp, self.texts)
        return lives


class MemoryTier:
    """Entries by key. Readers take them from ``entries`` without a lock, as one look-up in a dict.

    Args:
        max_bytes: of all entries together; a single one may have a quarter of it.
        max_entries: how many are kept at the most.
    """

    def __init__(self, max_bytes: int, max_entries: int = MAX_ENTRIES) -> None:
        self.entries: dict[Hashable, Entry] = {}
        self.bytes = 0
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._lock = Lock()

    def keep(self, key: Hashable, entry: Entry) -> None:
        """Keep an entry that still lives, in the place of an older one; one that is too large isn't kept."""
        with self._lock:
            known = entry.space.generation
            if (known is None or known.stamp != entry.stamp) and not entry.lives():
                return
            entries, size = self.entries, entry.size
            if key in entries:
                self._forget(key)
            if size > self._max_bytes // 4:
                return
            entries[key] = entry
            self.bytes += size
            if self.bytes > self._max_bytes or len(entries) > self._max_entries:
                self._evict(entry.used)

    def drop(self, key: Hashable) -> None:
        """Forget an entry."""
        with self._lock:
            self._forget(key)

    def drop_if(self, ended: Callable[[Entry], bool]) -> None:
        """Forget every entry of which this is true."""
        with self._lock:
            for key in [key for key, entry in self.entries.items() if ended(entry)]:
                self._forget(key)

    def _forget(self, key: Hashable) -> None:
        entry = self.entries.pop(key, None)
        if entry is not None:
            self.bytes -= entry.size

    def _evict(self, now: float) -> None:
        """Forget what has ended, then the least recently used, until a tenth is free."""
        for key in [key for key, entry in self.entries.items() if entry.end <= now]:
            self._forget(key)
        for key in sorted(self.entries, key=lambda key: self.entries[key].used):
            if self.bytes <= self._max_bytes * SPARED and len(self.entries) <= self._max_entries * SPARED:
                return
            self._forget(key)


def weight(value: object) -> int:
    """Estimate the bytes of an object and what it alone holds; modules, classes and functions aren't its."""
    seen: set[int] = set()
    pending, size = [value], 0
    while pending and len(seen) < WALK_LIMIT:
        each = pending.pop()
        if id(each) not in seen and not issubclass(type(each), type | ModuleType | FunctionType):
            seen.add(id(each))
            size += sys.getsizeof(each)
            pending += get_referents(each)
    return size


def is_read_once(value: object) -> bool:
    """Return whether an iterator or a stream is a value, or lies in its containers and dataclasses."""
    seen: set[int] = set()
    kinds: set[type] = set()
    pending = [value]
    while pending:
        each = pending.pop()
        kind = type(each)
        kinds.add(kind)
        if id(each) not in seen and (issubclass(kind, _CONTAINERS) or is_dataclass(kind)):
            seen.add(id(each))
            pending += get_referents(each)
    return any(hasattr(kind, once) for kind in kinds for once in _ONCE)
