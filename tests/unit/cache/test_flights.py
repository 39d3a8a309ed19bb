"""One load for calls at the same time: threads, coroutines, leaders that fail, calls within calls."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event, Lock, Thread
from time import monotonic
from typing import Any

import pytest

from silvaengine.cache import lookup
from silvaengine.cache.hybrid import HybridCache

from ...fakes.cache import Clock, FakeRedis, FakeRedisTier, counting, keep_by, make_cache

THREADS = 200


class Slow:
    """A source that counts its calls and waits in each until ``may_go`` is set."""

    def __init__(self, *results: Any) -> None:
        self.loads = 0
        self.may_go = Event()
        self._results = results
        self._lock = Lock()

    def load(self) -> Any:
        with self._lock:
            self.loads += 1
            result = self._results[min(self.loads, len(self._results)) - 1]
        assert self.may_go.wait(20)
        if isinstance(result, BaseException):
            raise result
        return result


def ask(
    function: Callable[[], Any], slow: Slow, count: int = THREADS, *, cache: HybridCache | None = None
) -> list[Any]:
    """Call from ``count`` threads at once, let the source go on when all wait; return results and errors."""
    together = Barrier(count + 1)
    cache = cache or function.cache_clear.__self__._cache  # type: ignore[attr-defined] # its cache
    assert cache
    joined, join = list[Any](), cache._flights.join

    def note(key: Any, own: Any) -> Any:
        flight = join(key, own)
        joined.append(flight)
        return flight

    cache._flights.join = note  # type: ignore[method-assign] # watched

    def call() -> Any:
        together.wait(20)
        try:
            return function()
        except ValueError as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        answers = [pool.submit(call) for _ in range(count)]
        together.wait(20)
        until = monotonic() + 20
        while len(joined) < count and monotonic() < until:
            Event().wait(0.01)
        slow.may_go.set()
        return [answer.result(20) for answer in answers]


def source_of(slow: Slow) -> Callable[[], Any]:
    """Return the source as a function, for the decorator."""

    def source() -> Any:
        return slow.load()

    return source


@pytest.mark.parametrize("value", [1, [1], None])
def test_two_hundred_threads_make_one_load(clock: Clock, cache: HybridCache, value: Any) -> None:
    """Threads that ask for a key that has just expired share one load."""
    slow = Slow(0, value)
    function = keep_by(cache, source_of(slow), ttl=10)
    slow.may_go.set()
    function()
    clock.now += 11
    slow.may_go.clear()
    assert ask(function, slow) == [value] * THREADS
    assert slow.loads == 2


def test_each_waiter_has_a_copy_of_its_own(cache: HybridCache) -> None:
    """What one waiter changes in its value, no other sees."""
    slow = Slow([1])
    answers = ask(keep_by(cache, source_of(slow)), slow, 20)
    assert len(set(map(id, answers))) == 20


def test_what_can_not_be_copied_is_shared_by_the_waiters(cache: HybridCache) -> None:
    """A value that can't be encoded is one object for all waiters."""
    slow = Slow(object())
    answers = ask(keep_by(cache, source_of(slow)), slow, 20)
    assert len(set(map(id, answers))) == 1


def test_all_waiters_get_the_error_of_the_load(cache: HybridCache) -> None:
    """A source that fails is called once for all waiters, not once for each."""
    slow = Slow(ValueError("x"))
    answers = ask(keep_by(cache, source_of(slow)), slow)
    assert {str(answer) for answer in answers} == {"x"}
    assert slow.loads == 1


def test_all_waiters_get_the_stale_value(clock: Clock, cache: HybridCache) -> None:
    """A source that fails slowly doesn't make the waiters queue up for it."""
    slow = Slow([1], ValueError("x"))
    slow.may_go.set()
    function = keep_by(cache, source_of(slow), ttl=10, stale_ttl=100)
    function()
    clock.now += 50
    slow.may_go.clear()
    assert ask(function, slow) == [[1]] * THREADS
    assert slow.loads == 2


def test_a_value_of_sixty_megabytes_reaches_every_waiter(cache: HybridCache) -> None:
    """Waiters get a value that is too large for every tier."""
    slow = Slow("x" * 60_000_000)
    answers = ask(keep_by(cache, source_of(slow)), slow, 10)
    assert set(map(len, answers)) == {60_000_000}
    assert slow.loads == 1


def test_different_keys_load_side_by_side(cache: HybridCache) -> None:
    """A slow load doesn't delay other keys."""
    may_go = Event()

    def source(key: str) -> str:
        if key == "slow":
            assert may_go.wait(20)
        return key

    function = keep_by(cache, source)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(function, "slow")
        assert function("fast") == "fast"
        may_go.set()
        assert slow.result(20) == "slow"


def test_a_leader_that_is_given_up_leaves_the_load_to_another(cache: HybridCache) -> None:
    """After an alarm or an exit in the leader, one of the waiters loads."""

    class AlarmError(BaseException):
        pass

    slow = Slow(AlarmError(), 2)
    function = keep_by(cache, source_of(slow))
    given_up = []

    def lead() -> None:
        try:
            function()
        except AlarmError:
            given_up.append(1)

    leader = Thread(target=lead)
    leader.start()
    while not slow.loads:
        Event().wait(0.001)
    assert ask(function, slow, 20) == [2] * 20
    leader.join(20)
    assert (given_up, slow.loads) == ([1], 2)


def test_a_function_may_call_itself(cache: HybridCache) -> None:
    """A function that calls itself, even with the same arguments, doesn't wait for itself."""

    def factorial(number: int) -> int:
        return number * (function(number - 1) if number else 1) or 1

    function = keep_by(cache, factorial)
    assert function(5) == 120
    depth = []

    def again() -> int:
        depth.append(1)
        return len(depth) if len(depth) == 3 else repeated()

    repeated = keep_by(cache, again)
    assert repeated() == 3


def test_two_functions_that_wait_for_one_another_go_on(
    cache: HybridCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After WAIT_SECONDS each loads for itself."""
    monkeypatch.setattr(lookup, "WAIT_SECONDS", 0.05)
    both = Barrier(2)
    met: dict[str, int] = {"1": 0, "2": 0}

    def source(name: str) -> str:
        met[name] += 1
        if met[name] > 1:
            return name
        both.wait(10)
        return name + kept("2" if name == "1" else "1")

    kept = keep_by(cache, source)
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(kept, name) for name in "12"]
        assert [answer.result(20)[0] for answer in answers] == ["1", "2"]


def test_coroutines_make_one_load(clock: Clock, cache: HybridCache) -> None:
    """Coroutines of one event loop share one load, and don't block the loop."""
    loads = []

    async def source(key: int) -> list[int]:
        loads.append(key)
        await asyncio.sleep(0.02)
        return [key]

    function = keep_by(cache, source, ttl=10)

    async def stampede() -> list[list[int]]:
        return await asyncio.gather(*(function(1) for _ in range(THREADS)))

    assert asyncio.run(stampede()) == [[1]] * THREADS
    clock.now += 11
    assert asyncio.run(stampede()) == [[1]] * THREADS
    assert loads == [1, 1]


def test_coroutines_of_several_loops_make_one_load(cache: HybridCache) -> None:
    """Coroutines in the event loops of several threads share one load."""
    slow = Slow(7)

    async def source() -> Any:
        return await asyncio.to_thread(slow.load)

    function = keep_by(cache, source)
    assert ask(lambda: asyncio.run(function()), slow, 20, cache=cache) == [7] * 20
    assert slow.loads == 1


def test_a_coroutine_that_fails_fails_for_all(cache: HybridCache) -> None:
    """All waiting coroutines get the error of one call."""
    source, calls = counting(ValueError("x"))

    async def coroutine() -> Any:
        await asyncio.sleep(0.02)
        return source()

    function = keep_by(cache, coroutine)

    async def stampede() -> list[Any]:
        return await asyncio.gather(*(function() for _ in range(20)), return_exceptions=True)

    assert {str(each) for each in asyncio.run(stampede())} == {"x"}
    assert len(calls) == 1


def test_a_cancelled_coroutine_leaves_the_load_to_another(cache: HybridCache) -> None:
    """If the leader is cancelled, another coroutine loads; the others aren't cancelled."""
    loads = []

    async def source() -> int:
        loads.append(1)
        await asyncio.sleep(30 if len(loads) == 1 else 0)
        return len(loads)

    function = keep_by(cache, source)

    async def scenario() -> list[Any]:
        leader = asyncio.create_task(_awaited(function()))
        while not loads:
            await asyncio.sleep(0.001)
        others = [asyncio.create_task(_awaited(function())) for _ in range(20)]
        await asyncio.sleep(0.02)
        leader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leader
        return await asyncio.gather(*others)

    assert asyncio.run(scenario()) == [2] * 20
    assert len(loads) == 2


def test_a_cancelled_waiter_leaves_the_others_alone(cache: HybridCache) -> None:
    """If a waiter is cancelled, the leader still returns its value."""
    may_go = asyncio.Event()

    async def source() -> int:
        await may_go.wait()
        return 1

    function = keep_by(cache, source)

    async def scenario() -> Any:
        leader = asyncio.create_task(_awaited(function()))
        await asyncio.sleep(0.02)
        waiter = asyncio.create_task(_awaited(function()))
        await asyncio.sleep(0.02)
        waiter.cancel()
        await asyncio.sleep(0)
        may_go.set()
        return await leader

    assert asyncio.run(scenario()) == 1


def test_a_coroutine_waits_for_another_only_so_long(
    cache: HybridCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After WAIT_SECONDS a coroutine loads for itself, since two may wait for one another."""
    monkeypatch.setattr(lookup, "WAIT_SECONDS", 0.05)
    loads = []

    async def source() -> int:
        loads.append(1)
        await asyncio.sleep(0.3 if len(loads) == 1 else 0)
        return len(loads)

    function = keep_by(cache, source)

    async def scenario() -> list[int]:
        leader = asyncio.create_task(_awaited(function()))
        await asyncio.sleep(0.02)
        first = await function()
        leader.cancel()
        return [first]

    assert asyncio.run(scenario()) == [2]


def test_a_load_that_began_before_a_clear_is_not_waited_for(clock: Clock, cache: HybridCache) -> None:
    """A call after a clear gets a value that is loaded after it."""
    slow = Slow(1, 2)
    function = keep_by(cache, source_of(slow))
    with ThreadPoolExecutor(2) as pool:
        early = pool.submit(function)
        while not slow.loads:
            Event().wait(0.001)
        clock.now += 0.01
        function.cache_clear()
        late = pool.submit(function)
        while slow.loads < 2:
            Event().wait(0.001)
        slow.may_go.set()
        assert (early.result(20), late.result(20)) == (1, 2)
    assert function() == 2


def test_coroutines_do_not_wait_for_a_load_from_before_a_clear(clock: Clock, cache: HybridCache) -> None:
    """A coroutine after a clear starts a load of its own."""
    loads = []

    async def source() -> int:
        loads.append(1)
        mine = len(loads)
        while len(loads) < 2:
            await asyncio.sleep(0.001)
        return mine

    function = keep_by(cache, source)

    async def scenario() -> list[int]:
        early = asyncio.create_task(_awaited(function()))
        while not loads:
            await asyncio.sleep(0.001)
        clock.now += 0.01
        function.cache_clear()
        return [await function(), await early, await function()]

    assert asyncio.run(scenario()) == [2, 1, 2]


def test_a_coroutine_that_fails_returns_its_stale_value(clock: Clock) -> None:
    """A coroutine whose source fails returns the stale value."""
    source, _ = counting(1, ValueError("x"))

    async def coroutine() -> Any:
        return source()

    server = FakeRedis(clock)
    function = keep_by(make_cache(clock, redis=FakeRedisTier(server)), coroutine, ttl=10, stale_ttl=100)
    assert asyncio.run(_awaited(function())) == 1
    clock.now += 50
    assert asyncio.run(_awaited(function())) == 1


async def _awaited(coroutine: Any) -> Any:
    return await coroutine
