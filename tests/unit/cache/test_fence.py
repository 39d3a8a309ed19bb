"""What a process knows of clears, when it looks, and what it does when it can't."""

import tracemalloc
from collections.abc import Callable
from threading import Event, Thread
from typing import Any

import pytest

from silvaengine.cache import fence
from silvaengine.cache.clear_log import ALL_TENANTS, ClearLog, ClearState, decode_state, new_epoch
from silvaengine.cache.fence import RETRY_SECONDS, UNFENCED_SECONDS
from silvaengine.cache.hybrid import HybridCache
from silvaengine.cache.memory import CacheEntry, MemoryTier

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


@pytest.fixture
def processes(clock: Clock, server: FakeRedis) -> list[HybridCache]:
    """Two processes on one Redis."""
    return [make_cache(clock, redis=FakeRedisTier(server)) for _ in range(2)]


def test_a_clear_elsewhere_is_seen_within_a_second_in_a_long_invocation(
    clock: Clock, processes: list[HybridCache]
) -> None:
    """A long invocation reads the clear logs every second."""
    source, _ = counting(1, 2)
    one, other = (keep_by(cache, source, ttl=None) for cache in processes)
    assert one() == 1
    other.cache_clear()
    clock.now += 1.01
    assert one() == 2


def test_a_clear_here_is_seen_at_once(processes: list[HybridCache]) -> None:
    """The process that cleared doesn't wait for a second."""
    source, _ = counting(1, 2)
    function = keep_by(processes[0], source, ttl=None)
    assert function() == 1
    function.cache_clear()
    assert function() == 2


def test_what_is_known_of_tenants_is_bounded_and_stays_for_those_in_memory(
    clock: Clock, server: FakeRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tenants that nobody asks for any more are forgotten; one whose value is in memory is cleared there."""
    monkeypatch.setattr(fence, "KEPT_VIEWS", 10)
    cache = make_cache(clock, redis=FakeRedisTier(server), max_entries=20)
    source, _ = counting(*range(300))
    function = keep_by(cache, source)
    for number in range(100):
        with invocation(f"tenant-{number}", cache):
            function()
            assert len(cache.fence.views("test", ALL_TENANTS)) <= 20
    with invocation("tenant-85", cache):
        assert function() == 85
        function.cache_clear()
        assert function() == 100


def test_a_clear_of_one_tenant_leaves_the_others(processes: list[HybridCache]) -> None:
    """Each tenant has a clear log of its own."""
    source, calls = counting(1)
    function = keep_by(processes[0], source)
    for tenant in ("acme", "other"):
        with invocation(tenant, processes[0]):
            function()
    processes[1].clear("test", "acme")
    for tenant in ("acme", "other"):
        with invocation(tenant, processes[0]):
            function()
    assert len(calls) == 3


def test_a_clear_of_all_tenants_reaches_each(processes: list[HybridCache]) -> None:
    """The tenant None means all of them."""
    source, calls = counting(1)
    function = keep_by(processes[0], source)
    for _ in range(2):
        for tenant in ("acme", "other"):
            with invocation(tenant, processes[0]):
                function()
        processes[1].clear("test", None)
    assert len(calls) == 4


def test_a_pattern_clears_what_it_matches(processes: list[HybridCache]) -> None:
    """A clear by pattern ends what matches in every process's memory and in Redis."""
    source, calls = counting(1)
    for cache in processes:
        function = keep_by(cache, source)
        function("acme-1")
        function("other-1")
    assert len(calls) == 2
    processes[1].clear("test", "-", "source:acme-*")
    for cache in processes:
        with invocation("-", cache):
            function = keep_by(cache, source)
            function("other-1")
            assert len(calls) == 2
    function("acme-1")
    assert len(calls) == 3


def test_a_clear_that_no_store_acknowledged_says_so(processes: list[HybridCache], server: FakeRedis) -> None:
    """It returns False, and only this process has cleared the value."""
    source, calls = counting(1)
    function = keep_by(processes[0], source)
    function()
    server.is_down = True
    assert not processes[0].clear("test", "-")
    assert not function.cache_clear()
    assert not function.cache_delete()
    function()
    assert len(calls) == 2


def test_a_store_out_of_reach_is_asked_again_every_second(clock: Clock) -> None:
    """Known values are served until a minute after the clear logs were last read, and no longer."""
    store = FlakyStore()
    source, calls = counting(1)
    function = keep_by(make_cache(clock, store=store), source, ttl=None)
    function()
    began = clock()
    store.is_down = True
    clock.now += 2
    reads = store.reads
    for _ in range(100):
        function()
    assert store.reads == reads + 1
    clock.now += RETRY_SECONDS
    function()
    assert store.reads == reads + 2
    clock.now = began + UNFENCED_SECONDS - 0.01
    function()
    assert len(calls) == 1
    clock.now = began + UNFENCED_SECONDS
    function()
    assert len(calls) == 2


def test_what_was_loaded_during_an_outage_is_not_trusted_after_it(clock: Clock, server: FakeRedis) -> None:
    """A value that was loaded while Redis was away may have been cleared, so it is loaded again."""
    server.is_down = True
    source, calls = counting(1, 2)
    function = keep_by(make_cache(clock, redis=FakeRedisTier(server)), source, ttl=None)
    function()
    server.is_down = False
    clock.now += 2
    assert function() == 2
    assert len(calls) == 2


def test_a_failover_that_lost_a_clear_ends_everything(
    processes: list[HybridCache], server: FakeRedis
) -> None:
    """A process that knows a clear that the store has lost begins new epochs, for all processes."""
    source, calls = counting(1, 2, 3)
    one, other = (keep_by(cache, source, ttl=None) for cache in processes)
    assert one() == 1
    before = dict(server.strings)
    one.cache_clear()
    assert one() == 2
    server.strings = before
    with invocation("-", processes[0]):
        assert one() == 3
    assert other() == 3
    assert len(calls) == 3


def test_a_value_of_a_clear_that_the_store_has_lost_ends_everything(
    processes: list[HybridCache], server: FakeRedis
) -> None:
    """A new process notices it by the value's stamp."""
    source, calls = counting(1, 2, 3)
    one, other = (keep_by(cache, source, ttl=None) for cache in processes)
    one()
    before = dict(server.strings)
    one.cache_clear()
    one()
    server.strings |= {key: value for key, value in before.items() if "}/" in key}
    assert other() == 3
    assert len(calls) == 3


def test_a_lost_clear_is_noticed_while_the_store_cannot_be_renewed(clock: Clock) -> None:
    """If the store can't be renewed, no known value is trusted."""

    class Forgetful(FlakyStore):
        def renew(self, name: str, tenant: str) -> None:
            self.is_down = True
            super().renew(name, tenant)

    store = Forgetful()
    cache = make_cache(clock, store=store)
    source, _ = counting(1, 2, 3)
    function = keep_by(cache, source, ttl=None)
    function()
    before = dict(store._texts._texts)  # type: ignore[attr-defined]  # a backup
    function.cache_clear()
    function()
    store._texts._texts = before  # type: ignore[attr-defined]  # it is restored
    clock.now += 2
    assert function() == 3


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_clock_two_hours_off_is_only_looked_at_for_a_freeze(clock: Clock, hours: int) -> None:
    """A jump of the date causes one more read and changes no value's lifetime."""
    date = Clock(1_800_000_000)
    store = FlakyStore(fresh_seconds=3_600)
    cache = make_cache(clock, store=store, date=date)
    source, calls = counting(1)
    function = keep_by(cache, source, ttl=600)
    function()
    date.now += hours * 3_600
    for _ in range(3):
        with invocation("-", cache):
            function()
    assert (len(calls), store.reads) == (1, 2)


def test_a_freeze_that_the_monotonic_clock_slept_through_is_noticed(clock: Clock) -> None:
    """A clear during a freeze is seen at the next invocation, though the monotonic clock stood still."""
    date = Clock(1_800_000_000)
    store = FlakyStore(fresh_seconds=5.0)
    cache = make_cache(clock, store=store, date=date)
    source, _ = counting(1, 2)
    function = keep_by(cache, source, ttl=None)
    function()
    store.clear("test", "-", "*")
    date.now += 600
    with invocation("-", cache):
        assert function() == 2


class Gate(FlakyStore):
    """A store whose next read waits, after reading, until ``may_go`` is set."""

    def __init__(self) -> None:
        super().__init__(fresh_seconds=60.0)
        self.has_read = Event()
        self.may_go = Event()
        self.is_armed = False

    def read(self, name: str, tenant: str) -> ClearState:
        state: ClearState = super().read(name, tenant)
        if self.is_armed:
            self.is_armed = False
            self.has_read.set()
            assert self.may_go.wait(10)
        return state


def in_thread(call: Callable[[], Any]) -> tuple[Thread, list[Any]]:
    """Start a call in a thread; return the thread and the list that gets its result."""
    results: list[Any] = []
    thread = Thread(target=lambda: results.append(call()))
    thread.start()
    return thread, results


def test_a_read_that_was_under_way_does_not_hide_a_clear(clock: Clock) -> None:
    """A state that was read before a clear in this process isn't applied after it."""
    store = Gate()
    cache = make_cache(clock, store=store)
    source, _ = counting(1, 2)
    function = keep_by(cache, source, ttl=None)
    function()
    clock.now += 61
    store.is_armed = True
    thread, _ = in_thread(function)
    assert store.has_read.wait(10)
    clock.now += 0.01
    assert function.cache_clear()
    store.may_go.set()
    thread.join(10)
    assert function() == 2


def test_a_load_that_ends_within_a_clear_does_not_outlive_it(clock: Clock) -> None:
    """A load that ends while the store writes the clear leaves no old value behind."""
    loading, may_load = Event(), Event()
    answers = iter([1, 2])

    def source() -> int:
        answer = next(answers)
        if answer == 1:
            loading.set()
            assert may_load.wait(10)
        return answer

    class Slow(FlakyStore):
        def clear(self, name: str, tenant: str, pattern: str) -> None:
            may_load.set()
            thread.join(10)
            super().clear(name, tenant, pattern)

    function = keep_by(make_cache(clock, store=Slow(fresh_seconds=60.0)), source, ttl=None)
    thread, results = in_thread(function)
    assert loading.wait(10)
    assert function.cache_clear()
    assert (results, function()) == ([1], 2)


def test_a_slower_read_does_not_undo_a_younger_one(clock: Clock) -> None:
    """Of two reads, the one that began later counts."""
    store = Gate()
    cache = make_cache(clock, store=store)
    view = cache.fence.view("test", "-")
    store.is_armed = True
    thread, _ = in_thread(lambda: cache.fence.refresh(view))
    assert store.has_read.wait(10)
    clock.now += 1
    store.clear("test", "-", "*")
    cache.fence.refresh(view)
    state = view.state
    store.may_go.set()
    thread.join(10)
    assert view.state is state


def test_a_waiter_does_not_get_a_value_cleared_before_it_came(clock: Clock, server: FakeRedis) -> None:
    """A flight's value from before a clear is returned only to calls from before it."""
    found, may_land = Event(), Event()

    class SlowMemory(MemoryTier):
        """Delays the first entry until ``may_land`` is set."""

        def store(self, key: Any, entry: CacheEntry) -> None:
            super().store(key, entry)
            if not found.is_set():
                found.set()
                assert may_land.wait(10)

    source, _ = counting(1, 2)
    keep_by(make_cache(clock, redis=FakeRedisTier(server)), source)()
    cache = make_cache(clock, redis=FakeRedisTier(server))
    cache.memory.__class__ = SlowMemory
    function = keep_by(cache, source)
    leader, early = in_thread(function)
    assert found.wait(10)
    clock.now += 0.01
    assert function.cache_clear()
    waiter, late = in_thread(function)
    waiter.join(0.1)
    may_land.set()
    leader.join(10)
    waiter.join(10)
    assert (early, late) == ([1], [2])


def test_invocations_may_begin_while_other_threads_read(clock: Clock, server: FakeRedis) -> None:
    """A thread that outlives its invocation doesn't break the next one."""
    cache = make_cache(clock, redis=FakeRedisTier(server))
    ended = Event()
    failures: list[BaseException] = []

    def begin() -> None:
        try:
            while not ended.is_set():
                cache.fence.begin()
        except RuntimeError as error:
            failures.append(error)

    thread = Thread(target=begin)
    thread.start()
    for number in range(3_000):
        cache.fence.refresh(cache.fence.view("test", f"tenant-{number}"))
    ended.set()
    thread.join(10)
    assert failures == []


@pytest.mark.parametrize("pattern", ["x" * 513, "a\nb", "\x00", "\ud800"])
def test_a_pattern_is_short_and_printable(clock: Clock, pattern: str) -> None:
    """A pattern is a line of the clear log."""
    with pytest.raises(ValueError, match="512 printable"):
        make_cache(clock).clear("test", "-", pattern)


def test_the_logs_of_many_clears_are_not_kept() -> None:
    """Each clear makes another text of up to 64 KB, which a tenant's functions could fill a worker with."""
    log = ClearLog(new_epoch())
    tracemalloc.start()
    try:
        for number in range(200):
            log = log.with_clear(f"{number:03}{'x' * 500}*")
            assert decode_state(b"epoch 0\n", log.encode()).tenant == log
        assert tracemalloc.get_traced_memory()[0] < 500_000
    finally:
        tracemalloc.stop()
