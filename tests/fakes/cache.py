"""Fakes for the cache: a clock that stands still, and a Redis in this process that uses it."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from tests.fakes.calls import running_call

from silvaengine.cache.clear_log import ClearLog, ClearLogStore, LocalClearLogs, ProcessLogTexts
from silvaengine.cache.decorators import Cached, cached
from silvaengine.cache.disk import DiskTier
from silvaengine.cache.fence import Fence
from silvaengine.cache.hybrid import HybridCache
from silvaengine.cache.lookup import CachePolicy
from silvaengine.cache.memory import MemoryTier
from silvaengine.cache.redis_tier import RedisTier
from silvaengine.cache.shared_tiers import SharedTiers
from silvaengine.context import CurrentInvocation
from silvaengine.redis.breaker import TierError
from silvaengine.redis.client import RedisClients
from silvaengine.redis.commands import Command, Reply, pack
from silvaengine.settings import RedisSettings

MEBIBYTE = 1_048_576


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self, now: float = 1_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class FakeRedis:
    """Strings, hashes and the tier's scripts; counts round trips, and can fail or refuse to write."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.strings: dict[str, tuple[bytes, float]] = {}
        self.hashes: dict[str, dict[str, int]] = {}
        self.trips = 0
        self.is_down = False
        self.is_full = False

    def value(self, key: str) -> bytes | None:
        value, end = self.strings.get(key, (None, 0.0))
        return value if self.clock() < end else None

    def run(self, command: list[str]) -> Reply:
        name, *arguments = command
        reply: Reply = getattr(self, f"do_{name.lower()}")(*arguments)
        return reply

    def do_mget(self, *keys: str) -> list[bytes | None]:
        return [self.value(key) for key in keys]

    def do_pttl(self, key: str) -> int:
        return -2 if self.value(key) is None else round((self.strings[key][1] - self.clock()) * 1000)

    def do_exists(self, key: str) -> int:
        return int(self.value(key) is not None)

    def do_set(self, key: str, value: str, unit: str, time: str, *options: str) -> bytes | None:
        if self.is_full:
            raise TierError("OOM command not allowed when used memory > 'maxmemory'")
        if "NX" in options and self.value(key) is not None:
            return None
        self.strings[key] = raw(value), self.clock() + int(time) / (1000 if unit == "PX" else 1)
        return b"OK"

    def do_del(self, key: str) -> int:
        return int(self.strings.pop(key, None) is not None)

    def do_hincrby(self, key: str, field: str, by: str) -> None:
        counters = self.hashes.setdefault(key, {})
        counters[field] = counters.get(field, 0) + int(by)

    def do_hgetall(self, key: str) -> list[bytes]:
        return [
            part
            for field, number in self.hashes.get(key, {}).items()
            for part in (field.encode(), str(number).encode())
        ]

    def do_scan(self, cursor: str, match: str, pattern: str, count: str, step: str) -> list[Any]:
        begin = pattern.removesuffix("*").replace("\\", "")
        return [b"0", [key.encode() for key in self.strings if key.startswith(begin)]]

    def do_eval(self, script: str, count: str, *arguments: str) -> Reply:
        if "gsub" in script:
            return self._clear(*arguments)
        if "NX" in script:
            value, lock, token, lease, force_lock = arguments
            is_tried = self.value(value) is None or force_lock == "1"
            return int(is_tried and self.do_set(lock, token, "PX", lease, "NX") is not None)
        key, token = arguments
        return self.do_del(key) if self.value(key) == raw(token) else 0

    def _clear(self, key: str, pattern: str, epoch: str, limit: str, seconds: str) -> None:
        text = self.value(key)
        log = ClearLog(epoch, 1) if text is None else ClearLog.decode(text).with_clear(pattern)
        self.do_set(key, log.encode().decode(), "EX", seconds)


class FakeClients(RedisClients):
    """One process's connections to a Redis that several may share."""

    def __init__(self, server: FakeRedis) -> None:
        super().__init__(RedisSettings(host="localhost"), server.clock)
        self.server = server

    def of(self, cache_name: str) -> Any:
        return self

    def execute(self, key: str, *commands: Command) -> list[Reply]:
        self.server.trips += 1
        if self.server.is_down:
            raise TierError("Redis is down")
        return [self.server.run(command) for command in parse(b"".join(map(pack, commands)))]


def raw(text: str) -> bytes:
    """Return the bytes of a part of a command."""
    return text.encode(errors="surrogateescape")


def parse(request: bytes) -> Iterator[list[str]]:
    """Parse commands in the protocol's form."""
    while request:
        head, _, request = request.partition(b"\r\n")
        parts = []
        for _ in range(int(head.removeprefix(b"*"))):
            head, _, request = request.partition(b"\r\n")
            size = int(head.removeprefix(b"$"))
            parts.append(request[:size].decode(errors="surrogateescape"))
            request = request[size + 2 :]
        yield parts


class FakeRedisTier(RedisTier):
    """The Redis tier of one process on such a Redis."""

    def __init__(self, server: FakeRedis) -> None:
        super().__init__(FakeClients(server), "se-")
        self.server = server


class FlakyStore(LocalClearLogs):
    """Clear logs in this process, which can be made unreachable."""

    def __init__(self, fresh_seconds: float = 1.0) -> None:
        super().__init__(ProcessLogTexts(), fresh_seconds)
        self.is_down = False
        self.reads = 0

    def read(self, name: str, tenant: str) -> Any:
        self.reads += 1
        self._check()
        return super().read(name, tenant)

    def clear(self, name: str, tenant: str, pattern: str) -> None:
        self._check()
        super().clear(name, tenant, pattern)

    def renew(self, name: str, tenant: str) -> None:
        self._check()
        super().renew(name, tenant)

    def _check(self) -> None:
        if self.is_down:
            raise TierError("the store is down")


def make_cache(
    clock: Clock,
    *,
    redis: RedisTier | None = None,
    disk: DiskTier | None = None,
    store: ClearLogStore | None = None,
    date: Callable[[], float] | None = None,
    memory_bytes: int = 32 * MEBIBYTE,
    max_entries: int = 16_384,
) -> HybridCache:
    """Return the cache of one process."""
    memory = MemoryTier(memory_bytes, max_entries)
    fence = Fence(
        memory,
        store or redis or LocalClearLogs(ProcessLogTexts()),
        per_invocation=redis is not None,
        clock=clock,
        date=date or clock,
    )
    return HybridCache(memory, fence, SharedTiers(fence, redis, disk, clock, clock.sleep), clock)


def keep_by[**P, R](
    cache: HybridCache,
    function: Callable[P, R],
    *,
    cache_name: str = "test",
    key: Callable[..., Any] | None = None,
    cache_enabled: bool | Callable[[], bool] = True,
    **policy: Any,
) -> Cached[P, R]:
    """Decorate a function as if a module defined it: values of local functions stay in the process."""
    function.__qualname__ = function.__qualname__.rpartition("<locals>.")[2]
    decorate: Callable[[Callable[P, R]], Cached[P, R]] = cached(
        lambda: cache,
        cache_name=cache_name,
        policy=CachePolicy(**policy),
        key=key,
        cache_enabled=cache_enabled,
    )
    return decorate(function)


@contextmanager
def invocation(tenant: str, *caches: HybridCache) -> Iterator[None]:
    """Run the block as a call of a tenant, as the worker does."""
    current = CurrentInvocation(
        request_id="r1",
        endpoint_id=tenant,
        area="core",
        function="f",
        deadline=None,
        attempt=1,
        settings={},
        logger=logging.getLogger("function"),
    )
    for cache in caches:
        cache.fence.begin()
    with running_call(current):
        yield


def in_thread[R](function: Callable[[], R]) -> R:
    """Call in a new thread, which has no context, and return the result."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result(20)


def counting(*results: Any) -> tuple[Callable[..., Any], list[Any]]:
    """Return a function that returns these in turn, the last one repeatedly, and the list of its calls."""
    calls: list[Any] = []

    def source(argument: Any = None) -> Any:
        calls.append(argument)
        result = results[min(len(calls), len(results)) - 1]
        if isinstance(result, BaseException):
            raise result
        return result

    return source, calls
