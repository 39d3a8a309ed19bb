"""The tiers that outlive a process: Redis, then disk. What lies there is a line about it, then bytes.

The line is ``SE1``, the generation in which the value was loaded, and the seconds for which it may be served
stale. Anything else, and what this process can't decode, is no value.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any

from silvaengine.cache.disk import DiskTier
from silvaengine.cache.fence import Fence
from silvaengine.cache.flights import WAIT_SECONDS
from silvaengine.cache.lookup import MISSING, Call, Packed
from silvaengine.cache.redis_tier import RedisTier
from silvaengine.redis.breaker import TierError

LOCK_PAUSE = 0.025  # seconds between two looks at what another process loads
VERSION = b"SE1 "


class SharedTiers:
    """Finds and keeps encoded values; a tier that fails is counted and passed over.

    Args:
        fence: knows what was cleared.
        redis: the one of the two that is asked first, if there is one.
        disk: the other, likewise.
        clock: monotonic seconds.
        sleep: waits for some seconds.
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

    def find(self, call: Call) -> Any:  # noqa: ANN401 - any value
        """Return a value, or MISSING; what was cleared is known afterwards.

        Where another process has the call's lock, wait for what that one stores.
        """
        found, end = self._look(call), self._clock() + WAIT_SECONDS
        while found is MISSING and self._is_loaded_elsewhere(call) and self._clock() < end:
            self._sleep(LOCK_PAUSE)
            found = self._insist(call)
        return found

    async def find_async(self, call: Call) -> Any:  # noqa: ANN401 - any value
        """Do the same for a coroutine: other threads look, and none is held by the wait."""
        from asyncio import sleep, to_thread

        found, end = await to_thread(self._look, call), self._clock() + WAIT_SECONDS
        while found is MISSING and self._is_loaded_elsewhere(call) and self._clock() < end:
            await sleep(LOCK_PAUSE)
            found = await to_thread(self._insist, call)
        return found

    def _look(self, call: Call) -> Any:  # noqa: ANN401 - any value
        policy, redis = call.policy, self.redis
        if policy.local or redis is None:
            self._fence.refresh(call.space)
            return MISSING if policy.local else self._on_disk(call)
        found = self._in_redis(call, redis)
        if found is MISSING:
            found = self._on_disk(call)
        if found is MISSING and self._is_loaded_elsewhere(call):
            found = self._insist(call)
        return found

    def _insist(self, call: Call) -> Any:  # noqa: ANN401 - any value
        """Ask once more, and take the lock though there be a value that is of no use."""
        return MISSING if self.redis is None else self._in_redis(call, self.redis, insists=True)

    def _is_loaded_elsewhere(self, call: Call) -> bool:
        """Return whether another process has the call's lock, as far as anybody knows."""
        takes_lock = call.policy.lock and not call.policy.local and self.redis is not None
        return takes_lock and call.token is None and call.space.is_readable

    def _in_redis(self, call: Call, redis: RedisTier, *, insists: bool = False) -> Any:  # noqa: ANN401 - any value
        space, started = call.space, self._clock()
        try:
            if call.policy.lock:
                place = (space.name, space.tenant, call.text)
                call.token, raw, left, generation = redis.acquire(*place, WAIT_SECONDS, insists=insists)
            else:
                raw, left, generation = redis.fetch(space.name, space.tenant, call.text)
        except TierError:
            space.count("redis_errors")
            self._fence.unreadable(space)
            return MISSING
        self._fence.learn(space, generation, started)
        value = MISSING if raw is None else self._unwrap(call, raw, left, "redis_hits")
        if call.token and value is not MISSING:
            self.give_back(call)
        return value

    def _on_disk(self, call: Call) -> Any:  # noqa: ANN401 - any value
        if self.disk is None:
            return MISSING
        try:
            found = self.disk.get(call.space.name, _disk_key(call))
        except TierError:
            call.space.count("disk_errors")
            return MISSING
        value = self._unwrap(call, *found, "disk_hits") if found else MISSING
        if found and value is not MISSING:
            self._to_redis(call, *found)
        return value

    def _unwrap(self, call: Call, raw: bytes, left: float, counter: str) -> Any:  # noqa: ANN401 - any value
        """Return the value that lies in a tier, if it was made here and no clear has ended it."""
        head, _, data = raw.partition(b"\n")
        stamp, _, stale = head.removeprefix(VERSION).rpartition(b" ")
        try:
            if not (head.startswith(VERSION) and self._fence.trusts(call.space, stamp, call.texts)):
                return MISSING
            seconds = float(stale)
            value = codec().decode(data)
        except (ValueError, ImportError):
            call.space.count("unreadable_values")
            return MISSING
        call.packed = data, stamp, left - seconds, seconds
        if left <= seconds:
            call.stale = value
            return MISSING
        call.space.count(counter)
        return value

    def give_back(self, call: Call) -> None:
        """Return a lock back that is still held."""
        if self.redis is not None and call.token:
            with suppress(TierError):
                self.redis.release(call.space.name, call.space.tenant, call.text, call.token)
        call.token = None

    def keep(self, call: Call, packed: Packed) -> None:
        """Put a value into both tiers, unless it is meant for this process, was cleared, or may have been."""
        (data, stamp, fresh, stale), space = packed, call.space
        is_sure = space.is_readable and space.holds(stamp, call.texts)
        if data and stamp is not None and is_sure and not call.policy.local:
            raw = b"%b%b %a\n%b" % (VERSION, stamp, stale, data)
            self._to_redis(call, raw, fresh + stale)
            self._to_disk(call, raw, fresh + stale)

    def _to_redis(self, call: Call, raw: bytes, seconds: float) -> None:
        space = call.space
        if self.redis is None:
            return
        token, call.token = call.token, None
        try:
            self.redis.store(space.name, space.tenant, call.text, raw, seconds, space.unsent(), token)
        except TierError:
            space.count("redis_errors")

    def _to_disk(self, call: Call, raw: bytes, seconds: float) -> None:
        if self.disk is None:
            return
        try:
            self.disk.set(call.space.name, _disk_key(call), raw, seconds)
        except TierError:
            call.space.count("disk_errors")

    def delete(self, call: Call) -> None:
        """Remove a value."""
        if self.redis is not None:
            with suppress(TierError):
                self.redis.delete(call.space.name, call.space.tenant, call.text)
        if self.disk is not None:
            with suppress(TierError):
                self.disk.delete(call.space.name, _disk_key(call))


@cache
def codec() -> Any:  # noqa: ANN401 - a module
    """Return the codec; who keeps nothing that must be encoded does without msgspec."""
    from silvaengine.cache import codec as module

    return module


def _disk_key(call: Call) -> str:
    return f"{call.space.tenant}:{call.text}"
