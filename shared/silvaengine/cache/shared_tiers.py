"""The tiers that outlive a process: Redis, then disk. A value in them is two lines about it, then its bytes.

The first is ``SE2``, the stamp of the clear state in which the value was loaded, and the seconds for which it
may be served stale. The second is its key, so that no reply to another's request is taken for it. Anything
else, and what this process can't decode, counts as no value.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from types import ModuleType

from silvaengine.cache.disk import DiskTier
from silvaengine.cache.fence import Fence
from silvaengine.cache.lookup import MISSING, WAIT_SECONDS, Encoded, Lookup
from silvaengine.cache.redis_tier import RedisTier
from silvaengine.context import read_from
from silvaengine.redis.breaker import TierError

LOCK_PAUSE = 0.025  # seconds between two attempts while another process loads
VERSION = b"SE2 "


class SharedTiers:
    """Finds and stores encoded values; a tier that fails is counted and skipped.

    ``clock`` is in monotonic seconds, ``sleep`` takes seconds.
    """

    def __init__(
        self,
        fence: Fence,
        redis: RedisTier | None,
        disk: DiskTier | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.redis = redis
        self.disk = disk
        self._fence = fence
        self._clock = clock
        self._sleep = sleep

    def find(self, lookup: Lookup) -> object:
        """Return a value, or MISSING; the clear state is known afterwards.

        While another process holds the key's lock, wait for the value that it stores.
        """
        value, end = self._find_once(lookup), self._clock() + WAIT_SECONDS
        while value is MISSING and self._loads_elsewhere(lookup) and self._clock() < end:
            self._sleep(LOCK_PAUSE)
            value = self._retry_with_lock(lookup)
        return value

    async def find_async(self, lookup: Lookup) -> object:
        """Do the same for a coroutine: other threads ask the tiers, and none is held while it waits."""
        from asyncio import sleep

        from silvaengine.cache.threads import to_thread

        value, end = await to_thread(self._find_once, lookup), self._clock() + WAIT_SECONDS
        while value is MISSING and self._loads_elsewhere(lookup) and self._clock() < end:
            await sleep(LOCK_PAUSE)
            value = await to_thread(self._retry_with_lock, lookup)
        return value

    def _find_once(self, lookup: Lookup) -> object:
        policy, redis = lookup.policy, self.redis
        if policy.local or redis is None:
            self._fence.refresh(lookup.view)
            return MISSING if policy.local else self._find_on_disk(lookup)
        value = self._find_in_redis(lookup, redis)
        if value is MISSING:
            value = self._find_on_disk(lookup)
        if value is MISSING and self._loads_elsewhere(lookup):
            value = self._retry_with_lock(lookup)
        return value

    def _retry_with_lock(self, lookup: Lookup) -> object:
        """Ask Redis again, and take the lock even where there is a value, which is of no use."""
        return MISSING if self.redis is None else self._find_in_redis(lookup, self.redis, force_lock=True)

    def _loads_elsewhere(self, lookup: Lookup) -> bool:
        """Return whether another process holds the key's lock, as far as is known."""
        takes_lock = lookup.policy.lock and not lookup.policy.local and self.redis is not None
        return takes_lock and lookup.token is None and lookup.view.is_readable

    def _find_in_redis(self, lookup: Lookup, redis: RedisTier, *, force_lock: bool = False) -> object:
        view, started = lookup.view, self._clock()
        try:
            if lookup.policy.lock:
                lookup.token, found = redis.acquire(
                    view.name, view.tenant, lookup.text, WAIT_SECONDS, force_lock=force_lock
                )
            else:
                found = redis.fetch(view.name, view.tenant, lookup.text)
        except TierError:
            view.count("redis_errors")
            self._fence.mark_unreadable(view)
            return MISSING
        raw, left, state = found
        self._fence.apply(view, state, started)
        value = MISSING if raw is None else self._decode(lookup, raw, left, "redis")
        if lookup.token and value is not MISSING:
            self.release_lock(lookup)
        return value

    def _find_on_disk(self, lookup: Lookup) -> object:
        if self.disk is None:
            return MISSING
        try:
            row = self.disk.get(lookup.view.name, _disk_key(lookup))
        except TierError:
            lookup.view.count("disk_errors")
            return MISSING
        value = self._decode(lookup, *row, "disk") if row else MISSING
        if row and value is not MISSING:
            self._store_in_redis(lookup, *row)
        return value

    def _decode(self, lookup: Lookup, raw: bytes, left: float, tier: str) -> object:
        """Return a tier's value if it can be decoded, is fresh, and no clear has ended it."""
        head, *rest = raw.split(b"\n", 2)
        stamp, _, stale = head.removeprefix(VERSION).rpartition(b" ")
        is_own = head.startswith(VERSION) and len(rest) == 2 and rest[0] == _key_line(lookup)
        try:
            if not (is_own and self._fence.accepts(lookup.view, stamp, lookup.texts)):
                return MISSING
            data = rest[1]
            seconds = float(stale)
            value: object = codec().decode(data)
        except (ValueError, ImportError):
            lookup.view.count("unreadable_values")
            return MISSING
        lookup.encoded = data, stamp, left - seconds, seconds
        if left <= seconds:
            lookup.stale = value
            return MISSING
        lookup.view.count(f"{tier}_hits")
        read_from.add(tier)
        return value

    def release_lock(self, lookup: Lookup) -> None:
        """Release the key's lock if this look-up still holds it."""
        if self.redis is not None and lookup.token:
            with suppress(TierError):
                self.redis.release(lookup.view.name, lookup.view.tenant, lookup.text, lookup.token)
        lookup.token = None

    def store(self, lookup: Lookup, encoded: Encoded) -> None:
        """Store a value in both tiers, unless it is local or a clear has, or may have, ended it."""
        (data, stamp, fresh, stale), view = encoded, lookup.view
        is_valid = view.is_readable and view.is_valid(stamp, lookup.texts)
        if data and stamp is not None and is_valid and not lookup.policy.local:
            raw = b"%b%b %a\n%b\n%b" % (VERSION, stamp, stale, _key_line(lookup), data)
            self._store_in_redis(lookup, raw, fresh + stale)
            self._store_on_disk(lookup, raw, fresh + stale)

    def _store_in_redis(self, lookup: Lookup, raw: bytes, seconds: float) -> None:
        view = lookup.view
        if self.redis is None:
            return
        token, lookup.token = lookup.token, None
        try:
            counts = view.take_unreported()
            self.redis.store(view.name, view.tenant, lookup.text, raw, seconds, counts, token)
        except TierError:
            view.count("redis_errors")

    def _store_on_disk(self, lookup: Lookup, raw: bytes, seconds: float) -> None:
        if self.disk is None:
            return
        try:
            self.disk.set(lookup.view.name, _disk_key(lookup), raw, seconds)
        except TierError:
            lookup.view.count("disk_errors")

    def delete(self, lookup: Lookup) -> None:
        """Delete a value from both tiers."""
        if self.redis is not None:
            with suppress(TierError):
                self.redis.delete(lookup.view.name, lookup.view.tenant, lookup.text)
        if self.disk is not None:
            with suppress(TierError):
                self.disk.delete(lookup.view.name, _disk_key(lookup))


@cache
def codec() -> ModuleType:
    """Return the codec, imported at first use: msgspec isn't needed where nothing is encoded."""
    from silvaengine.cache import codec as module

    return module


def _key_line(lookup: Lookup) -> bytes:
    return f"{lookup.view.name}:{lookup.view.tenant}:{lookup.text}".encode()


def _disk_key(lookup: Lookup) -> str:
    return f"{lookup.view.tenant}:{lookup.text}"
