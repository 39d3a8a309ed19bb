"""In-memory caches, bounded in time and by a budget that several may share, without locks on a hit.

Their replacement is CLOCK, an approximation of least recently used: a hit sets a mark, which spares the entry
once. So a hit moves nothing, and keys that are used only once, such as invented names, displace none in use.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any

from silvaengine.clock import process_clock
from silvaengine.sizes import Frozen, size_of, size_of_mapping

ENTRY_BYTES = 400  # of an entry itself, and its places in the cache and in the budget


class _Entry:
    __slots__ = ("end", "entries", "is_used", "key", "mappings", "size", "value")

    def __init__(self, entries: "_Entries", key: Hashable, value: object, end: float) -> None:
        self.entries = entries
        self.key = key
        self.value: Any = value
        self.end = end
        self.is_used = False
        self.size = 1
        self.mappings: list[tuple[Frozen, int]] = []  # each with its size


type _Entries = dict[Hashable, _Entry]


class Budget:
    """How much caches may hold together: a number of entries, or the bytes of their keys and values.

    The entry that goes first was used least recently, whichever cache it is in. A read-only mapping, such as
    what a key row opens, may be a part of several values, and counts once.
    """

    def __init__(self, limit: int, *, in_bytes: bool = False) -> None:
        self.used = 0
        self._limit = limit
        self._in_bytes = in_bytes
        self._queue: OrderedDict[_Entry, None] = OrderedDict()
        self._shared: dict[int, tuple[int, int]] = {}  # holders and size by the id of a mapping
        self._lock = Lock()

    def take(self, entry: _Entry) -> None:
        """Put an entry into its cache; what is too large for the budget isn't kept."""
        if self._in_bytes:
            size, mappings = size_of(entry.key, entry.value)
            entry.size = size + ENTRY_BYTES
            entry.mappings = [(each, self._size_of(each)) for each in mappings]
            if entry.size + sum(each for _, each in entry.mappings) > self._limit:
                return
        with self._lock:
            former = entry.entries.get(entry.key)
            if former is not None:
                self._drop(former)
            entry.entries[entry.key] = entry
            self._queue[entry] = None
            self._count(entry)
            while self.used > self._limit:
                oldest = next(iter(self._queue))
                if oldest.is_used:
                    oldest.is_used = False
                    self._queue.move_to_end(oldest)
                else:
                    self._drop(oldest)

    def release(self, entries: _Entries) -> None:
        """Take all of a cache's entries out."""
        with self._lock:
            for entry in [*entries.values()]:
                self._drop(entry)

    def _drop(self, entry: _Entry) -> None:
        del entry.entries[entry.key], self._queue[entry]
        self.used -= entry.size
        for mapping, _ in entry.mappings:
            holders, size = self._shared.pop(id(mapping))
            if holders > 1:
                self._shared[id(mapping)] = (holders - 1, size)
            else:
                self.used -= size

    def _count(self, entry: _Entry) -> None:
        self.used += entry.size
        for mapping, measured in entry.mappings:
            holders, size = self._shared.get(id(mapping), (0, measured))
            self._shared[id(mapping)] = (holders + 1, size)
            if not holders:
                self.used += size

    def _size_of(self, mapping: Frozen) -> int:
        _, size = self._shared.get(id(mapping), (0, 0))
        return size or size_of_mapping(mapping)


class LruCache:
    """Caches the results of loaders.

    Args:
        ttl: seconds that an entry lives, 0 to cache nothing.
        budget: what bounds this cache and others; a number of entries for one of its own.
        clock: seconds that go on in a freeze.
    """

    def __init__(self, ttl: float, budget: Budget | int, clock: Callable[[], float] = process_clock) -> None:
        self._ttl = ttl
        self._budget = Budget(budget) if isinstance(budget, int) else budget
        self._clock = clock
        self._entries: _Entries = {}

    def get_or_load[*Args, Value](self, key: Hashable, load: Callable[[*Args], Value], *args: *Args) -> Value:
        """Return a key's value, loaded with these arguments if absent; errors are passed on and not cached.

        Nor is what was loaded while another thread cleared the cache.
        """
        entries = self._entries
        entry = entries.get(key)
        if entry is not None and self._clock() < entry.end:
            entry.is_used = True
            cached: Value = entry.value
            return cached
        value = load(*args)
        self._put(entries, key, value)
        return value

    def get(self, key: Hashable) -> Any:  # noqa: ANN401 - whatever was put
        """Return a key's value, None if absent."""
        entry = self._entries.get(key)
        if entry is None or self._clock() >= entry.end:
            return None
        entry.is_used = True
        return entry.value

    def put(self, key: Hashable, value: object) -> None:
        """Keep a key's value."""
        self._put(self._entries, key, value)

    def _put(self, entries: _Entries, key: Hashable, value: object) -> None:
        if self._ttl > 0:
            self._budget.take(_Entry(entries, key, value, self._clock() + self._ttl))

    def clear(self) -> None:
        """Remove all entries."""
        entries, self._entries = self._entries, {}  # a load that is under way has the old one
        self._budget.release(entries)
