"""A small in-memory cache: bounded in size and time, without locks on a hit.

Its replacement is CLOCK, an approximation of least recently used: a hit sets a mark, which spares the entry
once. So a hit moves nothing, and keys that are used only once, such as invented names, displace none in use.
"""

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any

from silvaengine.clock import process_clock


class _Entry:
    __slots__ = ("end", "is_used", "value")

    def __init__(self, value: object, end: float) -> None:
        self.value: Any = value
        self.end = end
        self.is_used = False


class LruCache:
    """Caches the results of loaders.

    Args:
        ttl: seconds that an entry lives, 0 to cache nothing.
        max_entries: the largest number of entries.
        clock: seconds that go on in a freeze.
    """

    def __init__(self, ttl: float, max_entries: int, clock: Callable[[], float] = process_clock) -> None:
        self._ttl = ttl
        self._max_entries = max_entries
        self._clock = clock
        self._entries: dict[Hashable, _Entry] = {}
        self._lock = Lock()

    def get_or_load[Value](self, key: Hashable, load: Callable[[], Value]) -> Value:
        """Return a key's value, loaded if absent; errors of ``load`` are passed on and not cached.

        Nor is what was loaded while another thread cleared the cache.
        """
        entries = self._entries
        entry = entries.get(key)
        if entry is not None and self._clock() < entry.end:
            entry.is_used = True
            cached: Value = entry.value
            return cached
        value = load()
        self._put(entries, key, value)
        return value

    def get(self, key: Hashable) -> Any:  # noqa: ANN401 - whatever was put
        """Return a key's value, None if absent."""
        entry = self._entries.get(key)
        return entry.value if entry is not None and self._clock() < entry.end else None

    def put(self, key: Hashable, value: object) -> None:
        """Keep a key's value."""
        self._put(self._entries, key, value)

    def _put(self, entries: dict[Hashable, _Entry], key: Hashable, value: object) -> None:
        if self._ttl <= 0:
            return
        with self._lock:
            entries.pop(key, None)  # an expired entry moves to the end, too
            entries[key] = _Entry(value, self._clock() + self._ttl)
            while len(entries) > self._max_entries:
                oldest = next(iter(entries))
                entry = entries.pop(oldest)
                if entry.is_used:
                    entry.is_used = False
                    entries[oldest] = entry

    def clear(self) -> None:
        """Remove all entries."""
        self._entries = {}  # a load that is under way has the old one
