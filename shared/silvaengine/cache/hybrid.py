"""The hybrid cache: asks memory, Redis, disk, then the source; what it finds fills the tiers before.

Guarantees: docs/cache.md. Nothing here raises but what the source raised.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Hashable
from threading import get_ident

from silvaengine import context
from silvaengine.cache.clear_log import ClearState, LocalClearLogs, ProcessLogTexts, tenant_or_all
from silvaengine.cache.fence import UNFENCED_SECONDS, Fence
from silvaengine.cache.keys import MAX_PATTERN, exact_pattern
from silvaengine.cache.lookup import MISSING, Encoded, Flight, Flights, Lookup
from silvaengine.cache.memory import MUTABLE, CacheEntry, MemoryTier, estimate_size, is_read_once
from silvaengine.cache.shared_tiers import SharedTiers, codec

_logger = logging.getLogger(__name__)


class HybridCache:
    """All caches of this process; ``clock`` is in monotonic seconds."""

    def __init__(
        self,
        memory: MemoryTier,
        fence: Fence,
        tiers: SharedTiers,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.memory = memory
        self.fence = fence
        self.tiers = tiers
        self.clock = clock
        self._flights = Flights()
        self._warned: set[tuple[str, str]] = set()

    def fetch(self, lookup: Lookup, load: Callable[[], object]) -> object:
        """Return a value from a tier, or load it and store it; raises what ``load`` raises.

        Calls for one key at the same time share one load.
        """
        while (value := self.peek(lookup)) is MISSING:
            own = lookup.flight = Flight(get_ident())
            flight = self._flights.join(lookup.key, own)
            if flight is own:
                with _InFlight(self._flights, lookup, own):
                    value = self._find_shared(lookup)
                    return self._load(lookup, load) if value is MISSING else value
            if self._is_outdated(flight, lookup):
                continue
            state = lookup.view.state
            if not flight.wait():
                return self._load(lookup, load)
            if (value := _result_of(flight, state)) is not MISSING:
                return value
        return value

    async def fetch_async(self, lookup: Lookup, load: Callable[[], Awaitable[object]]) -> object:
        """Do the same for a coroutine; a thread that is kept asks the tiers."""
        from asyncio import current_task

        from silvaengine.cache.threads import to_thread

        while (value := await self._peek_async(lookup)) is MISSING:
            own = lookup.flight = Flight(current_task())
            flight = self._flights.join(lookup.key, own)
            if flight is own:
                with _InFlight(self._flights, lookup, own):
                    value = self._record(lookup, await self.tiers.find_async(lookup))
                    return await self._load_async(lookup, load) if value is MISSING else value
            if await to_thread(self._is_outdated, flight, lookup):
                continue
            state = lookup.view.state
            if not await flight.wait_async():
                return await self._load_async(lookup, load)
            if (value := _result_of(flight, state)) is not MISSING:
                return value
        return value

    def hit(self, key: tuple[Hashable, ...]) -> object:
        """Return the value in memory, MISSING for none or when the clear logs have to be read."""
        entry, now = self.memory.entries.get(key), self.clock()
        if entry is None or now >= entry.until or now >= entry.view.until:
            return MISSING
        return _use(entry, now)

    def peek(self, lookup: Lookup) -> object:
        """Return the value in memory, MISSING for none; the clear logs are read when that is due."""
        entry = self.memory.entries.get(lookup.key)
        if entry is None or self.clock() >= entry.until:
            return MISSING
        self.fence.refresh(lookup.view)
        entry = self.memory.entries.get(lookup.key)  # the fence may have ended it
        now = self.clock()
        return MISSING if entry is None or now >= entry.until else _use(entry, now)

    async def _peek_async(self, lookup: Lookup) -> object:
        if lookup.key not in self.memory.entries:
            return MISSING  # without reading the clear logs, for which another thread would be needed
        from silvaengine.cache.threads import to_thread

        return await to_thread(self.peek, lookup)

    def find(self, lookup: Lookup) -> object:
        """Return the value in any tier, MISSING for none."""
        value = self.peek(lookup)
        return self._find_shared(lookup) if value is MISSING else value

    def store(self, lookup: Lookup, value: object) -> None:
        """Store a value in every tier that can hold it."""
        try:
            data = codec().encode(value)
        except (TypeError, ImportError) as error:
            if is_read_once(value):
                self.warn(lookup.label, "a result that can be read only once isn't cached")
                return
            self.warn(lookup.label, f"results are shared, in this process only: can't encode {error}")
            data = b""
        encoded = data, lookup.stamp, lookup.policy.fresh_seconds(), lookup.policy.stale_ttl
        self._store_in_memory(lookup, value, encoded, lookup.started)
        self.tiers.store(lookup, encoded)

    def delete(self, lookup: Lookup) -> bool:
        """Delete one value everywhere; return whether a store acknowledged it."""
        self.tiers.delete(lookup)
        return self.fence.clear(lookup.view.name, lookup.view.tenant, exact_pattern(lookup.texts[0]))

    def clear(self, name: str, tenant: str | None, pattern: str = "*") -> bool:
        """Clear the values that match a pattern, of one tenant or, with None, of all.

        Return whether a store acknowledged it; if none did, only this process has cleared them.

        Raises:
            ValueError: the pattern is longer than 512 characters, or holds a control character.
        """
        if len(pattern) > MAX_PATTERN or not pattern.isprintable():
            raise ValueError(f"expected a pattern of at most {MAX_PATTERN} printable characters")
        return self.fence.clear(name, tenant_or_all(tenant), pattern)

    def isolate(self) -> None:
        """Empty the cache and use only this process from now on; for tests of cached functions."""
        self.tiers.redis = self.tiers.disk = None
        self.fence.replace_store(LocalClearLogs(ProcessLogTexts()))
        self.memory.drop_if(lambda _: True)

    def use_stale(self, lookup: Lookup) -> bool:
        """Set the stale value to return after the source has failed; return whether there is one."""
        entry = self.memory.entries.get(lookup.key)
        if lookup.stale is MISSING and entry is not None and self.clock() < entry.end:
            lookup.stale = _copy_out(entry)
            lookup.entry = entry  # for the waiters
        if lookup.stale is MISSING:
            return False
        lookup.view.count("stale_hits")
        return True

    def has_tenant(self, label: str) -> bool:
        """Return whether the running thread's tenant is known; warn once where it isn't."""
        if context.is_foreign_thread():
            self.warn(label, "calls in a thread without the call's context aren't cached")
            return False
        return True

    def warn(self, label: str, message: str) -> None:
        """Log a warning about a function or an engine, once."""
        if (label, message) not in self._warned:
            self._warned.add((label, message))
            _logger.warning("Hybrid cache, %s: %s", label, message)

    def _find_shared(self, lookup: Lookup) -> object:
        return self._record(lookup, self.tiers.find(lookup))

    def _record(self, lookup: Lookup, value: object) -> object:
        """Store in memory what the other tiers returned; without a value, begin the load."""
        if lookup.encoded is not None:
            usable = lookup.stale if value is MISSING else value
            self._store_in_memory(lookup, usable, lookup.encoded, lookup.view.confirmed)
        if value is MISSING:
            lookup.begin_load(self.clock())
        return value

    def _is_outdated(self, flight: Flight, lookup: Lookup) -> bool:
        """Return whether a flight began before a clear, and if so let no one else join it."""
        self.fence.refresh(lookup.view)
        state = lookup.view.state
        if flight.stamp is None or (state is not None and state.stamp == flight.stamp):
            return False
        self._flights.close(lookup.key, flight)
        return True

    def _load(self, lookup: Lookup, load: Callable[[], object]) -> object:
        with _StaleOnError(self, lookup):
            value = load()
            self._store_loaded(lookup, value)
            return value
        return lookup.stale

    async def _load_async(self, lookup: Lookup, load: Callable[[], Awaitable[object]]) -> object:
        from silvaengine.cache.threads import to_thread

        with _StaleOnError(self, lookup):
            value = await load()
            await to_thread(self._store_loaded, lookup, value)
            return value
        return lookup.stale

    def _store_loaded(self, lookup: Lookup, value: object) -> None:
        lookup.view.count("misses")
        context.read_from.add("function")
        self.store(lookup, value)

    def _store_in_memory(self, lookup: Lookup, value: object, encoded: Encoded, confirmed: float) -> None:
        """Store a value in memory; while the clear logs can't be read, until a minute after ``confirmed``."""
        (data, stamp, fresh, stale), view, now = encoded, lookup.view, self.clock()
        until = now + fresh
        end = until + stale
        if not view.is_readable:
            longest = confirmed + UNFENCED_SECONDS
            until, end = min(until, longest), min(end, longest)
        size = (len(data) or estimate_size(value)) + lookup.overhead()
        if lookup.policy.shared or not data or codec().is_immutable(value):
            data = b""
        else:
            value = MUTABLE
        lookup.entry = CacheEntry(value, data, view, stamp, lookup.texts, now, until, end, size)
        if lookup.bind:
            lookup.bind(lookup.entry)
        self.memory.store(lookup.key, lookup.entry)


class _InFlight:
    """Leaves the outcome to those who wait for it."""

    __slots__ = ("_flights", "_lookup", "_own")

    def __init__(self, flights: Flights, lookup: Lookup, own: Flight) -> None:
        self._flights = flights
        self._lookup = lookup
        self._own = own

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None:
            self._own.entry = self._lookup.entry
        elif isinstance(error, Exception):
            self._own.error = error
        self._flights.land(self._lookup.key, self._own)


class _StaleOnError:
    """Replaces the source's error with a stale value where there is one; releases the lock in any case."""

    __slots__ = ("_cache", "_lookup")

    def __init__(self, cache: HybridCache, lookup: Lookup) -> None:
        self._cache = cache
        self._lookup = lookup

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        try:
            return isinstance(error, Exception) and self._cache.use_stale(self._lookup)
        finally:
            self._cache.tiers.release_lock(self._lookup)


def _result_of(flight: Flight, state: ClearState | None) -> object:
    """Return a flight's value, MISSING for none; raises what its load raised.

    ``state`` is what the waiter knew before it waited: a value that those clears have ended is MISSING.
    """
    if flight.error is not None:
        raise flight.error
    entry = flight.entry
    if entry is None:
        return MISSING
    is_valid = state is None or entry.stamp is None or state.is_valid(entry.stamp, entry.texts)
    return _copy_out(entry) if is_valid else MISSING


def _use(entry: CacheEntry, now: float) -> object:
    entry.used = now
    entry.view.hits += 1
    return _copy_out(entry)


def _copy_out(entry: CacheEntry) -> object:
    return codec().decode(entry.data) if entry.value is MUTABLE else entry.value
