"""A small cache of what a loader gave: bounded, least recently used first out, every entry with an end."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import cast


class LruCache:
    """Keeps what a loader gave for a while.

    Args:
        ttl: seconds that an entry lives, 0 to keep nothing.
        max_entries: how many entries are kept at the most; the least recently used goes first.
        clock: monotonic seconds.
    """

    def __init__(self, ttl: float, max_entries: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._ttl = ttl
        self._max_entries = max_entries
        self._clock = clock
        self._entries: OrderedDict[Hashable, tuple[float, object]] = OrderedDict()
        self._lock = Lock()

    def get_or_load[Value](self, key: Hashable, load: Callable[[], Value]) -> Value:
        """Give the entry, or load and keep it; what ``load`` raises is passed on and not kept."""
        with self._lock:
            entry = self._entries.get(key)
            if entry and self._clock() < entry[0]:
                self._entries.move_to_end(key)
                return cast("Value", entry[1])
        value = load()
        if self._ttl > 0:
            self._keep(key, value)
        return value

    def _keep(self, key: Hashable, value: object) -> None:
        with self._lock:
            self._entries[key] = (self._clock() + self._ttl, value)
            self._entries.move_to_end(key)
            if len(self._entries) > self._max_entries:
                self._entries.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
