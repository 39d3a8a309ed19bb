"""The hybrid cache: memory, then Redis, then disk, then the source; what is found fills the tiers before it.

Guarantees: docs/cache.md. Nothing here raises but what the source raised.
"""

import logging
import time
from collections.abc import Awaitable, Callable
from threading import get_ident
from typing import Any

from silvaengine import context
from silvaengine.cache.fence import UNFENCED_SECONDS, Fence
from silvaengine.cache.flights import Flight, Flights
from silvaengine.cache.generations import Generation, LocalGenerations, ProcessRecords, owner_text
from silvaengine.cache.keys import PATTERN_LIMIT, literal
from silvaengine.cache.lookup import MISSING, Call, Packed
from silvaengine.cache.memory import MUTABLE, Entry, MemoryTier, is_read_once, weight
from silvaengine.cache.shared_tiers import SharedTiers, codec

_logger = logging.getLogger(__name__)


class HybridCache:
    """All caches of this process.

    Args:
        memory: the first tier.
        fence: keeps it to what was cleared.
        tiers: the others.
        clock: monotonic seconds.
    """

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

    def fetch(self, call: Call, load: Callable[..., Any], values: tuple[Any, ...]) -> Any:  # noqa: ANN401 - any value
        """Return a value from a tier, or load it from ``values`` and keep it; raises what ``load`` raises.

        One caller loads for all who ask at the same time.
        """
        while (found := self.peek(call)) is MISSING:
            flight = self._flights.join(call.key, call, get_ident())
            if flight is call:
                try:
                    found = self._found(call)
                    if found is MISSING:
                        found = self._loaded(call, load, values)
                except Exception as error:
                    call.error = error
                    raise
                else:
                    call.brought = call.entry
                    return found
                finally:
                    self._flights.land(call.key, call)
            if self._is_outdated(flight, call):
                continue
            known = call.space.generation
            if not flight.wait():
                return self._loaded(call, load, values)
            if (found := _brought(flight, known)) is not MISSING:
                return found
        return found

    async def fetch_async(
        self, call: Call, load: Callable[..., Awaitable[Any]], values: tuple[Any, ...]
    ) -> Any:  # noqa: ANN401 - any value
        """Do the same for a coroutine; the tiers are asked in another thread."""
        from asyncio import current_task, to_thread

        while (found := await to_thread(self.peek, call)) is MISSING:
            flight = self._flights.join(call.key, call, current_task())
            if flight is call:
                try:
                    found = self._noted(call, await self.tiers.find_async(call))
                    if found is MISSING:
                        found = await self._loaded_async(call, load, values)
                except Exception as error:
                    call.error = error
                    raise
                else:
                    call.brought = call.entry
                    return found
                finally:
                    self._flights.land(call.key, call)
            if await to_thread(self._is_outdated, flight, call):
                continue
            known = call.space.generation
            if not await flight.wait_async():
                return await self._loaded_async(call, load, values)
            if (found := _brought(flight, known)) is not MISSING:
                return found
        return found

    def peek(self, call: Call) -> Any:  # noqa: ANN401 - any value
        """Return the value in memory, MISSING for none; what was cleared is looked up when that is due."""
        entries = self.memory.entries
        entry = entries.get(call.key)
        if entry is None or self.clock() >= entry.until:
            return MISSING
        self.fence.refresh(call.space)
        entry = entries.get(call.key)  # the fence may have ended it
        now = self.clock()
        if entry is None or now >= entry.until:
            return MISSING
        entry.used = now
        call.space.hits += 1
        return _handed(entry)

    def look(self, call: Call) -> Any:  # noqa: ANN401 - any value
        """Return the value in any tier, MISSING for none."""
        found = self.peek(call)
        return self._found(call) if found is MISSING else found

    def keep(self, call: Call, value: Any) -> None:  # noqa: ANN401 - any value
        """Put a value into every tier that can hold it."""
        try:
            data = codec().encode(value)
        except (TypeError, ImportError) as error:
            if is_read_once(value):
                self.warn(call.who, "its result can be read only once, so that it is not kept")
                return
            text = f"its result is shared, and kept in this process only: no encoded form of {error}"
            self.warn(call.who, text)
            data = b""
        packed = data, call.stamp, call.policy.seconds(), call.policy.stale_ttl
        self._remember(call, value, packed, call.started)
        self.tiers.keep(call, packed)

    def delete(self, call: Call) -> bool:
        """Forget one value everywhere, and tell whether a store acknowledged it."""
        self.tiers.delete(call)
        return self.fence.clear(call.space.name, call.space.tenant, literal(call.texts[0]))

    def clear(self, name: str, tenant: str | None, pattern: str = "*") -> bool:
        """Forget what matches a pattern, of one tenant or, with None, of all.

        It returns whether a store acknowledged it; if none did, this process alone has forgotten.

        Raises:
            ValueError: the pattern is longer than 512 characters, or holds a control character.
        """
        if len(pattern) > PATTERN_LIMIT or not pattern.isprintable():
            raise ValueError(f"expected a pattern of at most {PATTERN_LIMIT} printable characters")
        return self.fence.clear(name, owner_text(tenant), pattern)

    def isolate(self) -> None:
        """Forget everything, and keep to this process from now on; for tests of cached functions."""
        self.tiers.redis = self.tiers.disk = None
        self.fence.use(LocalGenerations(ProcessRecords()))
        self.memory.drop_if(lambda _: True)

    def stands_in(self, call: Call) -> bool:
        """Let a stale value stand in for a source that fails; tell whether there is one."""
        entry = self.memory.entries.get(call.key)
        if call.stale is MISSING and entry is not None and self.clock() < entry.end:
            call.stale = _handed(entry)
            call.entry = entry  # whoever waits gets it, too
        if call.stale is MISSING:
            return False
        call.space.count("stale_hits")
        return True

    def has_tenant(self, who: str) -> bool:
        """Return whether the running thread's tenant is known, and warn once where it isn't."""
        if context.is_foreign_thread():
            self.warn(who, "a thread without the call's context passes the cache")
            return False
        return True

    def warn(self, who: str, what: str) -> None:
        """Write a warning about a function or an engine, once."""
        if (who, what) not in self._warned:
            self._warned.add((who, what))
            _logger.warning("Hybrid cache, %s: %s", who, what)

    def _found(self, call: Call) -> Any:  # noqa: ANN401 - any value
        return self._noted(call, self.tiers.find(call))

    def _noted(self, call: Call, found: Any) -> Any:  # noqa: ANN401 - any value
        """Remember what the other tiers gave, and what is known before a load begins."""
        if call.packed is not None:
            value = call.stale if found is MISSING else found
            self._remember(call, value, call.packed, call.space.confirmed)
        if found is MISSING:
            call.started = self.clock()
            call.stamp = call.space.generation.stamp if call.space.generation else None
        return found

    def _is_outdated(self, flight: Flight, call: Call) -> bool:
        """Return whether a flight began before a clear, and if so let none but its waiters wait for it."""
        self.fence.refresh(call.space)
        generation = call.space.generation
        if flight.stamp is None or (generation is not None and generation.stamp == flight.stamp):
            return False
        self._flights.leave(call.key, flight)
        return True

    def _loaded(self, call: Call, load: Callable[..., Any], values: tuple[Any, ...]) -> Any:  # noqa: ANN401 - any value
        with _Rescue(self, call):
            value = load(*values)
            self._keep_loaded(call, value)
            return value
        return call.stale

    async def _loaded_async(
        self, call: Call, load: Callable[..., Awaitable[Any]], values: tuple[Any, ...]
    ) -> Any:  # noqa: ANN401 - any value
        from asyncio import to_thread

        with _Rescue(self, call):
            value = await load(*values)
            await to_thread(self._keep_loaded, call, value)
            return value
        return call.stale

    def _keep_loaded(self, call: Call, value: Any) -> None:  # noqa: ANN401 - any value
        call.space.count("misses")
        self.keep(call, value)

    def _remember(self, call: Call, value: Any, packed: Packed, known_at: float) -> None:  # noqa: ANN401 - any value
        """Keep a value in memory; one whose generation can't be watched only for a minute since it could."""
        (data, stamp, fresh, stale), space, now = packed, call.space, self.clock()
        until = now + fresh
        end = until + stale
        if not space.is_readable:
            longest = known_at + UNFENCED_SECONDS
            until, end = min(until, longest), min(end, longest)
        size = (len(data) or weight(value)) + call.weight()
        if call.policy.shared or not data or codec().is_immutable(value):
            data = b""
        else:
            value = MUTABLE
        call.entry = Entry(value, data, space, stamp, call.texts, now, until, end, size)
        if call.register:
            call.register(call.entry)
        self.memory.keep(call.key, call.entry)


class _Rescue:
    """Lets a stale value stand in for a source that fails, and gives the lock back in any case."""

    __slots__ = ("_cache", "_call")

    def __init__(self, cache: HybridCache, call: Call) -> None:
        self._cache = cache
        self._call = call

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        try:
            return isinstance(error, Exception) and self._cache.stands_in(self._call)
        finally:
            self._cache.tiers.give_back(self._call)


def _brought(flight: Flight, known: Generation | None) -> Any:  # noqa: ANN401 - any value
    """Return what a flight brought, MISSING for nothing; raises what its load raised.

    A clear that was ``known`` before the wait began has ended what is older.
    """
    if flight.error is not None:
        raise flight.error
    entry = flight.brought
    if entry is None:
        return MISSING
    lived = known is None or entry.stamp is None or known.holds(entry.stamp, entry.texts)
    return _handed(entry) if lived else MISSING


def _handed(entry: Entry) -> Any:  # noqa: ANN401 - any value
    return codec().decode(entry.data) if entry.value is MUTABLE else entry.value
