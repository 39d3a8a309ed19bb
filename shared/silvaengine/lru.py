"""A small cache of what a loader gave: bounded, unused entries first out, every entry with an end.

Which goes is CLOCK's choice, an approximation of the least recently used: a hit sets a mark, and an entry is
spared once for it. So a hit moves nothing and takes no lock, and names that are asked for only once, such as
invented ones, push out none that are in use.
"""

import time
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any


class _Entry:
    __slots__ = ("end", "is_used", "value")

    def __init__(self, value: object, end: float) -> None:
        self.value: Any = value
        self.end = end
        self.is_used = False


class LruCache:
    """Keeps what a loader gave for a while.

    Args:
        ttl: seconds that an entry lives, 0 to keep nothing.
        max_entries: how many entries are kept at the most.
        clock: monotonic seconds.
    """

    def __init__(self, ttl: float, max_entries: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._ttl = ttl
        self._max_entries = max_entries
        self._clock = clock
        self._entries: dict[Hashable, _Entry] = {}
        self._lock = Lock()

    def get_or_load[Value](self, key: Hashable, load: Callable[[], Value]) -> Value:
        """Return the entry, or load and keep it; what ``load`` raises is passed on and not kept."""
        entry = self._entries.get(key)
        if entry is not None and self._clock() < entry.end:
            entry.is_used = True
            kept: Value = entry.value
            return kept
        value = load()
        if self._ttl > 0:
            self._keep(key, value)
        return value

    def _keep(self, key: Hashable, value: object) -> None:
        with self._lock:
            self._entries.pop(key, None)  # an entry that has ended goes to the end of the row, too
            self._entries[key] = _Entry(value, self._clock() + self._ttl)
            while len(self._entries) > self._max_entries:
                oldest = next(iter(self._entries))
                entry = self._entries.pop(oldest)
                if entry.is_used:
                    entry.is_used = False
                    self._entries[oldest] = entry

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
