"""Memory, a Redis on the test's clock, and the source: who is asked, what is kept where, and for how long."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from silvaengine.cache import shared_tiers, threads
from silvaengine.cache.disk import DiskTier
from silvaengine.cache.engine import HybridCacheEngine
from silvaengine.cache.fence import UNFENCED_SECONDS
from silvaengine.cache.lookup import JITTER, MAX_SECONDS
from silvaengine.cache.redis_tier import RedisTier

from ...fakes.cache import (
    Clock,
    FakeRedis,
    FakeRedisTier,
    FlakyStore,
    counting,
    invocation,
    keep_by,
    make_cache,
)


@dataclass(slots=True)
class Answer:
    rows: Any


@pytest.mark.parametrize("lock", [False, True])
def test_a_miss_costs_two_round_trips_and_a_hit_in_redis_one(
    clock: Clock, server: FakeRedis, *, lock: bool
) -> None:
    """Value, clear logs and lock take one round trip; a hit in memory takes none within a second."""
    source, calls = counting({"a": 1})
    caches = [make_cache(clock, redis=FakeRedisTier(server)) for _ in range(2)]
    first, second = (keep_by(cache, source, lock=lock) for cache in caches)
    first(1)  # its third round trip makes the records
    server.trips = 0
    first(2)
    assert (server.trips, len(calls)) == (2, 2)
    assert second(2) == {"a": 1}
    assert (server.trips, len(calls)) == (3, 2)
    second(2)
    assert server.trips == 3


def test_an_invocation_looks_once_and_then_at_most_once_a_second(clock: Clock, server: FakeRedis) -> None:
    """Of a hundred hits in an invocation one reads the clear logs."""
    cache = make_cache(clock, redis=FakeRedisTier(server))
    source, _ = counting(1)
    function = keep_by(cache, source)
    function()
    server.trips = 0
    for _ in range(3):
        with invocation("-", cache):
            for _ in range(100):
                function()
    assert server.trips == 3
    clock.now += 1.01
    function()
    function()
    assert server.trips == 4


def test_what_redis_gave_lives_no_longer_than_there(clock: Clock, server: FakeRedis) -> None:
    """Memory takes over the time that is left."""
    source, calls = counting(1, 2)
    first, second = (
        keep_by(make_cache(clock, redis=FakeRedisTier(server)), source, ttl=100) for _ in range(2)
    )
    first()
    clock.now += 80
    assert second() == 1
    clock.now += 21
    assert second() == 2
    assert len(calls) == 2


def test_a_value_lives_for_its_time_up_to_a_tenth_less(clock: Clock) -> None:
    """Values that were made together don't end together, and none outlives its time."""
    source, calls = counting(1)
    function = keep_by(make_cache(clock), source, ttl=100)

    def loads_at(now: float) -> int:
        """Call with each argument at this second, and count the loads since the beginning."""
        clock.now = now
        for argument in range(200):
            function(argument)
        return len(calls)

    assert loads_at(0) == 200
    assert loads_at(100 * (1 - JITTER) - 0.01) == 200
    assert 200 < loads_at(95) < 400
    assert loads_at(100.01) == 400


@pytest.mark.parametrize("ttl", [None, float("inf"), MAX_SECONDS * 2])
def test_no_ttl_means_the_longest(clock: Clock, server: FakeRedis, ttl: float | None) -> None:
    """A value without a time to live is kept for thirty days, and then loaded again."""
    source, calls = counting(1)
    function = keep_by(make_cache(clock, redis=FakeRedisTier(server)), source, ttl=ttl)
    function()
    clock.now += MAX_SECONDS * (1 - JITTER) - 1
    function()
    assert len(calls) == 1
    clock.now += MAX_SECONDS * JITTER + 2
    function()
    assert len(calls) == 2


@pytest.mark.parametrize("value", [None, False, 0, 0.0, "", (), [], {}])
def test_a_falsy_value_is_a_value_in_every_tier(clock: Clock, server: FakeRedis, value: Any) -> None:
    """It is loaded once, here and in the next process."""
    source, calls = counting(value)
    for _ in range(2):
        function = keep_by(make_cache(clock, redis=FakeRedisTier(server)), source)
        for _ in range(2):
            assert function() == value
            assert type(function()) is type(value)
    assert len(calls) == 1


def test_what_cannot_be_encoded_is_shared_with_one_warning(
    clock: Clock, server: FakeRedis, caplog: pytest.LogCaptureFixture
) -> None:
    """An object of an existing package's is kept in this process alone, and the log says so once."""
    value = object()
    source, calls = counting(value)
    function = keep_by(make_cache(clock, redis=FakeRedisTier(server)), source)
    for argument in (1, 1, 2):
        assert function(argument) is value
    assert len(calls) == 2
    assert not [key for key in server.strings if "}:" in key]
    (record,) = [each for each in caplog.records if "shared" in each.getMessage()]
    assert record.levelno == logging.WARNING
    assert "builtins.object" in record.getMessage()


def test_a_shared_value_is_the_same_object(clock: Clock, server: FakeRedis) -> None:
    """``shared=True`` hands out what was loaded, and what Redis gave, as it is."""
    source, _ = counting({"a": 1})
    function = keep_by(make_cache(clock, redis=FakeRedisTier(server)), source, shared=True)
    assert function() is function()
    function = keep_by(make_cache(clock, redis=FakeRedisTier(server)), source, shared=True)
    assert function() is function() is not source()


def test_an_exception_is_not_kept(clock: Clock) -> None:
    """The next call asks the source again."""
    source, calls = counting(ValueError("x"), 1)
    function = keep_by(make_cache(clock), source)
    with pytest.raises(ValueError, match="x"):
        function()
    assert [function(), function()] == [1, 1]
    assert len(calls) == 2


def test_a_stale_value_stands_in_for_a_source_that_fails(clock: Clock) -> None:
    """A stale value is served up to ``stale_ttl``, and only while the source raises."""
    source, calls = counting(1, ValueError("x"), ValueError("x"), 2)
    cache = make_cache(clock)
    function = keep_by(cache, source, ttl=10, stale_ttl=100)
    assert function() == 1
    clock.now += 50
    assert [function(), function()] == [1, 1]
    assert len(calls) == 3
    assert function() == 2
    assert cache.fence.view("test", "-").totals()["stale_hits"] == 2


def test_a_value_that_is_too_stale_is_not_served(clock: Clock) -> None:
    """After ``stale_ttl`` the caller gets the source's error."""
    source, _ = counting(1, ValueError("x"))
    function = keep_by(make_cache(clock), source, ttl=10, stale_ttl=100)
    function()
    clock.now += 111
    with pytest.raises(ValueError, match="x"):
        function()


def test_a_stale_value_is_found_in_redis_too(clock: Clock, server: FakeRedis) -> None:
    """A process that has just begun serves it as well, after it has asked the source."""
    source, calls = counting(1, ValueError("x"))
    keep_by(make_cache(clock, redis=FakeRedisTier(server)), source, ttl=10, stale_ttl=100)()
    clock.now += 50
    function = keep_by(make_cache(clock, redis=FakeRedisTier(server)), source, ttl=10, stale_ttl=100)
    assert [function(), function()] == [1, 1]
    assert len(calls) == 3


def test_a_long_stale_time_does_not_make_a_value_fresh(clock: Clock, server: FakeRedis) -> None:
    """Both times reach the next process to the second."""
    source, calls = counting(1)
    keep_by(make_cache(clock, redis=FakeRedisTier(server)), source, ttl=2, stale_ttl=2_591_995)()
    clock.now += 3
    keep_by(make_cache(clock, redis=FakeRedisTier(server)), source, ttl=2, stale_ttl=2_591_995)()
    assert len(calls) == 2


def test_a_stale_value_that_was_cleared_is_not_served(clock: Clock) -> None:
    """A clear ends what could be served stale as well."""
    source, _ = counting(1, ValueError("x"))
    function = keep_by(make_cache(clock), source, ttl=10, stale_ttl=100)
    function()
    clock.now += 50
    function.cache_clear()
    with pytest.raises(ValueError, match="x"):
        function()


def test_memory_is_bounded_in_entries(clock: Clock) -> None:
    """The least recently used goes first, and what has ended before it."""
    source, calls = counting(1)
    cache = make_cache(clock, max_entries=10)
    function = keep_by(cache, source)
    for argument in range(10):
        clock.now += 1
        function(argument)
    clock.now += 1
    function(0)
    function(10)
    assert len(cache.memory.entries) <= 10
    before = len(calls)
    function(0)
    assert len(calls) == before
    function(1)
    assert len(calls) == before + 1


def test_memory_is_bounded_in_bytes_of_values_and_of_keys(clock: Clock) -> None:
    """A long argument weighs as much as a long value."""
    source, _ = counting("v" * 1_000)
    cache = make_cache(clock, memory_bytes=100_000)
    function = keep_by(cache, source)
    for argument in range(1_000):
        function(argument)
    assert cache.memory.bytes <= 100_000
    assert 20 < len(cache.memory.entries) < 100
    for argument in range(1_000):
        function(f"{argument}" + "k" * 9_000)
    assert cache.memory.bytes <= 100_000
    assert len(cache.memory.entries) <= 10


def test_memory_counts_what_a_shared_object_holds(clock: Clock) -> None:
    """An object that can't be encoded is weighed with its members, but not with its class or module."""
    cache = make_cache(clock, memory_bytes=1_000_000)
    source, _ = counting([object(), "x" * 100_000])
    keep_by(cache, source)()
    assert 100_000 < cache.memory.bytes < 110_000


def test_a_weight_asks_an_object_nothing(clock: Clock) -> None:
    """A lazy proxy that raises whatever it is asked is kept like another object."""

    class Proxy:
        @property  # type: ignore[misc] # what proxies do
        def __class__(self) -> Any:
            raise RuntimeError("working outside of a context")

        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("working outside of a context")

    proxy = Proxy()
    source, calls = counting([proxy])
    function = keep_by(make_cache(clock), source)
    assert function()[0] is function()[0] is proxy
    assert len(calls) == 1


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(
    ("make", "read"),
    [
        (lambda: iter([1, 2]), list),
        (lambda: (each for each in [1, 2]), list),
        (lambda: {"Body": BytesIO(b"a")}, lambda found: found["Body"].read()),
        (lambda: OrderedDict(rows=[0, (1, iter([1]))]), lambda found: list(found["rows"][1][1])),
        (lambda: Answer(iter([1])), lambda found: list(found.rows)),
        (lambda: [Answer({"rows": iter([1])})], lambda found: list(found[0].rows["rows"])),
        (lambda: [object(), *range(5_000), iter([1])], lambda found: list(found[-1])),
    ],
)
def test_what_can_be_read_only_once_is_not_kept(
    clock: Clock, make: Any, read: Any, caplog: pytest.LogCaptureFixture, *, shared: bool
) -> None:
    """Every caller gets an iterator or a stream of its own, however deep it lies, and the log says why."""
    calls = []

    def source() -> Any:
        calls.append(1)
        return make()

    function = keep_by(make_cache(clock), source, shared=shared)
    first = read(function())
    assert first
    assert read(function()) == first
    assert len(calls) == 2
    assert "read only once" in caplog.text


def test_an_object_may_read_what_it_holds(clock: Clock) -> None:
    """What an object that isn't data does with a stream of its own is its business."""

    class Client:
        def __init__(self) -> None:
            self.numbers = iter([1, 2])

    source, calls = counting([Client()])
    function = keep_by(make_cache(clock), source)
    assert function() is function()
    assert len(calls) == 1


def test_when_redis_is_down_memory_still_answers(clock: Clock, server: FakeRedis) -> None:
    """One load for each process, errors counted, no exception."""
    server.is_down = True
    source, calls = counting(1)
    cache = make_cache(clock, redis=FakeRedisTier(server))
    function = keep_by(cache, source)
    assert [function() for _ in range(10)] == [1] * 10
    assert len(calls) == 1
    assert cache.fence.view("test", "-").totals()["redis_errors"] >= 1


def test_values_whose_clears_are_unknown_are_served_for_a_minute(clock: Clock, server: FakeRedis) -> None:
    """Neither values from before Redis went away nor those loaded since are served for longer."""
    source, calls = counting(*range(10))
    cache = make_cache(clock, redis=FakeRedisTier(server))
    function = keep_by(cache, source, ttl=3_600, stale_ttl=3_600)
    function("known")
    server.is_down = True
    clock.now += 2
    function("known")
    function("new")
    assert len(calls) == 2
    clock.now += UNFENCED_SECONDS - 3
    assert [function("known"), function("new")] == [0, 1]
    clock.now += 1.5
    assert [function("known"), function("new")] == [2, 1]
    clock.now += 2
    assert function("new") == 3


def test_nothing_stale_is_served_for_longer_than_a_minute_unwatched(clock: Clock, server: FakeRedis) -> None:
    """A source that fails doesn't make such a value live longer."""
    server.is_down = True
    source, _ = counting(1, ValueError("x"))
    function = keep_by(make_cache(clock, redis=FakeRedisTier(server)), source, ttl=10, stale_ttl=3_600)
    function()
    clock.now += UNFENCED_SECONDS - 1
    assert function() == 1
    clock.now += 2
    with pytest.raises(ValueError, match="x"):
        function()


def test_redis_that_refuses_to_write_still_answers(clock: Clock, server: FakeRedis) -> None:
    """Each refused write is counted; what memory has is served."""
    source, calls = counting(1)
    cache = make_cache(clock, redis=FakeRedisTier(server))
    function = keep_by(cache, source)
    function(1)
    server.is_full = True
    assert [function(2), function(2), function(1)] == [1, 1, 1]
    assert len(calls) == 2
    assert cache.fence.view("test", "-").totals()["redis_errors"] == 1


@pytest.mark.parametrize(
    "garbage",
    [b"", b"x", b"SE2 ", b"SE2 a b\n", b"SE9 x 0 y 0 0\n\n\xc0", b"\xff" * 100, b"SE2 a 0 b 0 nan\n\n\xc0"],
)
def test_garbage_in_redis_is_a_miss(clock: Clock, server: FakeRedis, garbage: bytes) -> None:
    """It is loaded again, and the garbage is overwritten."""
    source, calls = counting(1)
    keep_by(make_cache(clock, redis=FakeRedisTier(server)), source)()
    (key,) = [key for key in server.strings if "}:" in key]
    good = server.strings[key]
    server.strings[key] = garbage, good[1]
    assert keep_by(make_cache(clock, redis=FakeRedisTier(server)), source)() == 1
    assert len(calls) == 2
    assert keep_by(make_cache(clock, redis=FakeRedisTier(server)), source)() == 1
    assert len(calls) == 2


@pytest.mark.parametrize("place", ["redis", "disk"])
def test_a_value_of_another_key_is_a_miss(
    clock: Clock, server: FakeRedis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Whatever a tier hands back, a look-up is answered with its own value."""

    def engine() -> HybridCacheEngine:
        redis, disk = (
            (FakeRedisTier(server), None) if place == "redis" else (None, DiskTier(tmp_path, 1 << 20, clock))
        )
        cache = make_cache(clock, redis=redis, disk=disk, store=redis or logs)
        return HybridCacheEngine("x", lambda: cache)

    logs = FlakyStore()
    engine().set("ada", "Ada's")
    engine().set("bob", "Bob's")
    monkeypatch.setattr(RedisTier, "_value_key", lambda *_: "se-cache:{x}:-::ada")
    monkeypatch.setattr(shared_tiers, "_disk_key", lambda _: "-::ada")
    assert engine().get("ada") == "Ada's"
    assert engine().get("bob") is None


@pytest.mark.parametrize("data", [b"\xc1", b"\xc7\x05\x07abcde", b"\xd4\x63\x00"])
def test_bytes_that_are_no_value_are_a_miss(clock: Clock, server: FakeRedis, data: bytes) -> None:
    """Under a header that is right, too; and it is counted."""
    source, calls = counting(1)
    keep_by(make_cache(clock, redis=FakeRedisTier(server)), source)()
    (key,) = [key for key in server.strings if "}:" in key]
    value, end = server.strings[key]
    server.strings[key] = b"\n".join([*value.split(b"\n", 2)[:2], data]), end
    cache = make_cache(clock, redis=FakeRedisTier(server))
    assert keep_by(cache, source)() == 1
    assert len(calls) == 2
    assert cache.fence.view("test", "-").totals()["unreadable_values"] == 1


def test_a_lock_lets_one_process_load(clock: Clock, server: FakeRedis) -> None:
    """The second process waits, and gets the value that the first one stored."""
    caches = [make_cache(clock, redis=FakeRedisTier(server)) for _ in range(2)]
    calls = []

    def source() -> int:
        calls.append(1)
        return len(calls)

    other = keep_by(caches[1], source, lock=True)
    waited: list[int] = []

    def pause(seconds: float) -> None:
        """Let the first one's store happen while the other waits."""
        clock.now += seconds
        if not waited:
            waited.append(1)
            server.strings.pop(lock)
            keep_by(make_cache(clock, redis=FakeRedisTier(server)), source)()

    keep_by(caches[0], source, lock=True)()
    (key,) = [key for key in server.strings if "}:" in key]
    del server.strings[key]
    lock = key.replace("}:", "}!")
    server.strings[lock] = b"somebody", clock() + 10
    caches[1].tiers._sleep = pause
    assert other() == 2
    assert len(calls) == 2
    assert lock not in server.strings


def test_coroutines_that_wait_for_a_lock_hold_no_thread(
    clock: Clock, server: FakeRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A waiting coroutine holds none of the few threads, which the others need."""
    monkeypatch.setattr(threads, "to_thread", threads.KeptThreads(2).run)

    async def source(number: int) -> int:
        return number

    cache = make_cache(clock, redis=FakeRedisTier(server))
    cache.tiers._sleep = time.sleep
    kept: Any = keep_by(cache, source, lock=True)

    async def scenario() -> Any:
        await kept(0)
        (key,) = [key for key in server.strings if "}:" in key]
        locks = [key.replace("}:", "}!").replace("~0", f"~{number}") for number in range(1, 5)]
        server.strings |= {lock: (b"somebody", clock() + 3_600) for lock in locks}
        waiting = [asyncio.create_task(kept(number)) for number in range(1, 5)]
        try:
            await asyncio.sleep(0.1)
            assert await asyncio.wait_for(kept(5), 20) == 5
            assert not any(task.done() for task in waiting)
        finally:
            for lock in locks:
                server.strings.pop(lock)
        return await asyncio.gather(*waiting)

    assert asyncio.run(scenario()) == [1, 2, 3, 4]
    assert not [key for key in server.strings if "}!" in key]


def test_a_lock_that_is_not_released_expires(clock: Clock, server: FakeRedis) -> None:
    """A process that died with the lock delays the others by at most ten seconds."""
    cache = make_cache(clock, redis=FakeRedisTier(server))
    source, calls = counting(1)
    function = keep_by(cache, source, lock=True)
    function(1)
    (key,) = [key for key in server.strings if "}:" in key]
    server.strings[key.replace("}:", "}!").replace("~1", "~2")] = b"somebody", clock() + 3_600
    began = clock()
    assert function(2) == 1
    assert 10 <= clock() - began < 10.1
    assert len(calls) == 2


def test_a_source_that_fails_releases_the_lock(clock: Clock, server: FakeRedis) -> None:
    """The lock is gone after the error, so that other processes load at once."""
    source, _ = counting(ValueError("x"))
    function = keep_by(make_cache(clock, redis=FakeRedisTier(server)), source, lock=True)
    with pytest.raises(ValueError, match="x"):
        function()
    assert not [key for key in server.strings if "}!" in key]


@pytest.mark.parametrize("is_cleared", [True, False])
def test_a_lock_is_taken_where_a_value_is_of_no_use(
    clock: Clock, server: FakeRedis, *, is_cleared: bool
) -> None:
    """One that was cleared, or is only of use should the source fail, is loaded by whoever has the lock."""
    caches = [make_cache(clock, redis=FakeRedisTier(server)) for _ in range(2)]
    held: list[list[str]] = []

    def source() -> int:
        held.append([key for key in server.strings if "}!" in key])
        return len(held)

    one, two = (keep_by(cache, source, ttl=10, stale_ttl=100, lock=True) for cache in caches)
    assert one() == 1
    if is_cleared:
        assert one.cache_clear()
    clock.now += 11
    assert two() == 2
    assert [len(locks) for locks in held] == [1, 1]
    assert not [key for key in server.strings if "}!" in key]


@pytest.mark.parametrize("has_redis", [False, True], ids=["without redis", "local"])
def test_a_lock_is_ignored_where_no_other_process_can_load(
    clock: Clock, server: FakeRedis, *, has_redis: bool
) -> None:
    """The function is cached as without ``lock``, and doesn't wait."""
    source, calls = counting(1)
    cache = make_cache(clock, redis=FakeRedisTier(server) if has_redis else None)
    function = keep_by(cache, source, lock=True, local=has_redis)
    began = clock()
    assert [function(), function()] == [1, 1]
    assert (len(calls), clock()) == (1, began)
    assert not [key for key in server.strings if "}:" in key]


def test_without_redis_the_store_is_read_once_a_while(clock: Clock) -> None:
    """``fresh_seconds`` of the store say how often."""
    store = FlakyStore(fresh_seconds=5.0)
    source, _ = counting(1)
    cache = make_cache(clock, store=store)
    function = keep_by(cache, source, ttl=None)
    for _ in range(100):
        with invocation("-", cache):
            function()
        clock.now += 0.1
    assert store.reads <= 3


def test_a_coroutines_hit_in_redis_needs_one_other_thread(
    clock: Clock, server: FakeRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It asks Redis there, and nobody before; each change of threads takes as long as Redis."""
    run, works = threads.to_thread, []

    async def counted(work: Callable[..., Any], *args: Any) -> Any:
        works.append(work)
        return await run(work, *args)

    async def source(number: int) -> int:
        return number

    monkeypatch.setattr(threads, "to_thread", counted)
    first, second = (keep_by(make_cache(clock, redis=FakeRedisTier(server)), source) for _ in range(2))
    asyncio.run(first(1))
    works.clear()
    assert asyncio.run(second(1)) == 1
    assert len(works) == 1
