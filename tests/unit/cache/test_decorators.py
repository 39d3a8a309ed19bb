"""The decorated function: one key for each way to write a call, and the whole of the original's interface."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

import pytest

from silvaengine.cache.hybrid import HybridCache

from ...fakes.cache import (
    Clock,
    FakeRedis,
    FakeRedisTier,
    counting,
    in_thread,
    invocation,
    keep_by,
    make_cache,
)


class Calls(list[Any]):
    """What a source was called with."""

    def source(self, *arguments: Any) -> int:
        self.append(arguments)
        return len(self)

    def of_one(self) -> Callable[[Any], int]:
        """Return a source of one argument."""

        def f(a: Any) -> int:
            return self.source(a)

        return f

    def of_any(self) -> Callable[..., int]:
        """Return one of any number of arguments."""

        def g(*args: Any, **named: Any) -> int:
            return self.source(*args, *named.items())

        return g


@pytest.fixture
def calls() -> Calls:
    """The calls of a test's sources."""
    return Calls()


def test_each_way_to_write_a_call_is_one_key(cache: HybridCache, calls: Calls) -> None:
    """Positional, by name, in any order, with a default spelled out or left out."""

    def f(a: int, b: int = 2, *, c: int = 3) -> int:
        return calls.source(a, b, c)

    kept: Any = keep_by(cache, f)
    for call in (
        lambda: kept(1),
        lambda: kept(a=1),
        lambda: kept(1, 2),
        lambda: kept(1, b=2),
        lambda: kept(b=2, a=1),
        lambda: kept(1, c=3),
        lambda: kept(c=3, b=2, a=1),
    ):
        assert call() == 1  # type: ignore[no-untyped-call] # mypy takes the lambdas' join for untyped
    assert calls == [(1, 2, 3)]
    assert [kept(1, 3), kept(1, 2, c=4)] == [2, 3]


def test_positional_only_parameters_stay_so(cache: HybridCache, calls: Calls) -> None:
    """The wrapper has the function's own signature."""

    def f(a: int, /, b: int = 2, *, c: int) -> int:
        return calls.source(a, b, c)

    kept: Any = keep_by(cache, f)
    assert kept(1, c=3) == kept(1, 2, c=3) == 1
    with pytest.raises(TypeError):
        kept(a=1, c=3)
    with pytest.raises(TypeError):
        kept(1, 2, 3)
    with pytest.raises(TypeError):
        kept(1)
    assert len(calls) == 1


def test_a_wrong_call_raises_what_the_function_would(cache: HybridCache) -> None:
    """A wrong call raises TypeError, and nothing is kept."""
    source, _ = counting(1)
    kept: Any = keep_by(cache, source)
    with pytest.raises(TypeError):
        kept(1, 2)
    with pytest.raises(TypeError):
        kept(wrong=1)


@pytest.mark.parametrize(
    "values", [(1, 1.0, True, "1"), (0, 0.0, -0.0, False, "0"), ((1,), (1.0,), (True,), [1])]
)
def test_equal_values_of_different_types_have_entries_of_their_own(
    cache: HybridCache, calls: Calls, values: tuple[Any, ...]
) -> None:
    """In any position, alone or inside of another value."""
    kept = keep_by(cache, calls.of_one())
    assert [kept(value) for value in values] == list(range(1, len(values) + 1))
    assert [kept(value) for value in values] == list(range(1, len(values) + 1))


def test_any_number_of_arguments(cache: HybridCache, calls: Calls) -> None:
    """``*args`` and ``**kwargs`` are part of the key, the latter in any order."""

    def f(a: int, *args: Any, c: int = 1, **kwargs: Any) -> int:
        return calls.source(a, args, c, kwargs)

    kept: Any = keep_by(cache, f)
    assert kept(1, 2, x=1, y=2) == kept(1, 2, y=2, x=1) == kept(1, 2, c=1, x=1, y=2) == 1
    assert kept(1, (2,)) == 2
    assert kept(1, 2) == 3
    assert kept(1, x=1, y="2") == 4
    assert kept(1) == 5
    assert kept(1, "") == 6


def test_skip_cache_bypasses_the_cache(cache: HybridCache, calls: Calls) -> None:
    """The function is called, without ``skip_cache``, and nothing is cached."""
    kept: Any = keep_by(cache, calls.of_one())
    assert [kept(1), kept(1, skip_cache=True), kept(1, skip_cache=False), kept(1)] == [1, 2, 1, 1]


@pytest.mark.parametrize("kind", ["args", "kwargs", "both"])
def test_skip_cache_works_with_any_number_of_arguments(cache: HybridCache, calls: Calls, kind: str) -> None:
    """``skip_cache=False`` isn't passed to the function either."""

    def args(*args: Any) -> int:
        return calls.source(*args)

    def kwargs(**kwargs: Any) -> int:
        return calls.source(kwargs)

    def both(*args: Any, **kwargs: Any) -> int:
        return calls.source(args, kwargs)

    functions: dict[str, Any] = {"args": args, "kwargs": kwargs, "both": both}
    kept: Any = keep_by(cache, functions[kind])
    assert [kept(), kept(skip_cache=True), kept(), kept(skip_cache=False)] == [1, 2, 1, 1]
    assert "skip_cache" not in repr(calls)


def test_a_skip_cache_of_the_functions_own_is_its_own(cache: HybridCache, calls: Calls) -> None:
    """A function that has such a parameter gets it."""

    def f(skip_cache: bool = False) -> int:
        return calls.source(skip_cache)

    def open_f(skip_cache: bool = False, **kwargs: Any) -> int:
        return calls.source(skip_cache, kwargs)

    for function in (f, open_f):
        kept: Any = keep_by(cache, function)
        assert kept(skip_cache=True) == kept(skip_cache=True) != kept()
    assert (True,) in calls


@pytest.mark.parametrize("ttl", [0, 0.0, -1])
def test_no_time_to_live_is_no_cache(cache: HybridCache, calls: Calls, ttl: float) -> None:
    """Zero and less keep nothing, with any signature."""
    kept: Any = keep_by(cache, calls.of_one(), ttl=ttl, stale_ttl=100)
    open_kept: Any = keep_by(cache, calls.of_any(), ttl=ttl, stale_ttl=100)
    assert [kept(1), kept(1), open_kept(1), open_kept(1)] == [1, 2, 3, 4]
    assert not cache.memory.entries


def test_a_disabled_cache_lets_calls_pass(cache: HybridCache, calls: Calls) -> None:
    """``cache_enabled=False`` is for good, with any signature."""
    kept: Any = keep_by(cache, calls.of_one(), cache_enabled=False)
    open_kept: Any = keep_by(cache, calls.of_any(), cache_enabled=False)
    assert [kept(1), kept(1), open_kept(a=1), open_kept(a=1)] == [1, 2, 3, 4]


@pytest.mark.parametrize("is_open", [False, True])
def test_cache_enabled_is_called_at_every_call(cache: HybridCache, calls: Calls, is_open: bool) -> None:
    """``cache_enabled`` may be a function, such as a look at a setting."""
    switch = [True]
    function: Any = calls.of_any() if is_open else calls.of_one()
    kept: Any = keep_by(cache, function, cache_enabled=lambda: switch[0])
    assert [kept(1), kept(1)] == [1, 1]
    switch[0] = False
    assert [kept(1), kept(1)] == [2, 3]
    switch[0] = True
    assert kept(1) == 1


def test_a_key_is_made_from_the_arguments(cache: HybridCache, calls: Calls) -> None:
    """What it leaves out doesn't tell calls apart; what it gives is any value that a key can hold."""

    def f(info: object, a: int, *, b: int = 0) -> int:
        return calls.source(a, b)

    kept: Any = keep_by(cache, f, key=lambda info, a, *, b=0: (a, b))
    assert kept(object(), 1) == kept(object(), a=1, b=0) == 1
    assert [kept(object(), 1, b=True), kept(object(), 1, b=1)] == [2, 3]


def test_a_key_is_made_for_any_number_of_arguments(cache: HybridCache, calls: Calls) -> None:
    """A key function may take any number of arguments."""
    kept: Any = keep_by(cache, lambda *args, **named: calls.source(args), key=lambda *args, **named: args[0])
    assert kept("a", 1, b=2) == kept("a", 2) == 1
    assert kept("b") == 2


def test_a_pattern_matches_what_a_key_function_made(cache: HybridCache, calls: Calls) -> None:
    """A pattern is matched against the text itself, without the function's name."""
    kept: Any = keep_by(cache, calls.of_one(), key=lambda a: f"user:{a}")
    assert [kept(1), kept(2)] == [1, 2]
    assert cache.clear("test", "-", "user:1")
    assert [kept(1), kept(2)] == [3, 2]


def test_a_call_with_an_argument_without_content_is_not_cached(
    cache: HybridCache, calls: Calls, caplog: pytest.LogCaptureFixture
) -> None:
    """The function is called, nothing is cached, and one warning says what would help."""
    kept: Any = keep_by(cache, calls.of_one())
    argument = object()
    assert [kept(argument), kept(argument), kept([argument])] == [1, 2, 3]
    assert caplog.text.count("key=") == 1
    assert not cache.memory.entries


class Unhashable:
    """What forbids to be a key with an error of its own."""

    def __hash__(self) -> int:
        raise RuntimeError("not a key")


class Proxy:
    """A lazy one, outside of what it stands for."""

    @property  # type: ignore[misc] # what proxies do
    def __class__(self) -> Any:
        raise RuntimeError("working outside of a context")


@pytest.mark.parametrize("make", [Unhashable, Proxy, lambda: [Proxy()]])
def test_a_call_with_an_argument_that_raises_is_not_cached(
    cache: HybridCache, calls: Calls, make: Callable[[], Any]
) -> None:
    """The cache swallows what the argument raises; the function is called with it."""
    kept: Any = keep_by(cache, calls.of_one())
    assert [kept(make()), kept(make())] == [1, 2]
    assert not kept.cache_delete(make())

    class Service:
        def answer(self, argument: Any) -> int:
            return calls.source(argument)

        answer = keep_by(cache, answer)

    assert [Service().answer(make()), Service.answer(make(), 1)] == [3, 4]


def test_clearing_a_function_leaves_the_others(cache: HybridCache, calls: Calls) -> None:
    """``cache_clear`` is about one function of the cache, of the same tenant."""

    def f() -> int:
        return calls.source("f")

    def g() -> int:
        return calls.source("g")

    kept_f, kept_g = keep_by(cache, f), keep_by(cache, g)
    with invocation("acme", cache):
        assert kept_f() == 1
    assert [kept_f(), kept_g()] == [2, 3]
    assert kept_f.cache_clear()
    assert [kept_f(), kept_g()] == [4, 3]
    with invocation("acme", cache):
        assert kept_f() == 1


def test_deleting_a_call_leaves_the_others(clock: Clock, calls: Calls) -> None:
    """``cache_delete`` takes the function's own arguments, in any way to write them."""
    server = FakeRedis(clock)
    caches = [make_cache(clock, redis=FakeRedisTier(server)) for _ in range(2)]

    def f(a: int, b: int = 2) -> int:
        return calls.source(a, b)

    one, other = (keep_by(cache, f) for cache in caches)
    assert [one(1), one(2), other(1)] == [1, 2, 1]
    assert one.cache_delete(b=2, a=1)
    with invocation("-", caches[1]):
        assert [other(1), other(2)] == [3, 2]
    assert [one(1), one(2)] == [3, 2]
    assert not keep_by(caches[0], lambda a: a).cache_delete(object())


def test_statistics_count_the_cache(cache: HybridCache) -> None:
    """Hits, misses, entries and bytes of the running call's tenant."""
    source, _ = counting([1])
    kept = keep_by(cache, source)
    for argument in (1, 1, 1, 2):
        kept(argument)
    with invocation("acme", cache):
        kept(1)
    said = kept.cache_stats()
    assert said["instance"] | {"bytes": 0} == {
        "memory_hits": 2,
        "redis_hits": 0,
        "disk_hits": 0,
        "misses": 2,
        "entries": 2,
        "bytes": 0,
    }
    assert said["instance"]["bytes"] > 0
    assert (said["fleet"], said["redis_state"], said["disk_state"]) == (None, "absent", "absent")


def test_the_fleet_is_counted_in_redis(clock: Clock) -> None:
    """What each process counted, whenever it stores something."""
    server = FakeRedis(clock)
    source, _ = counting(1)
    for _ in range(2):
        cache = make_cache(clock, redis=FakeRedisTier(server))
        kept = keep_by(cache, source)
        for argument in (1, 1, 2, 3):
            kept(argument)
        kept(object, skip_cache=True)
        keep_by(cache, source, ttl=1)(4)
        clock.now += 2
        keep_by(cache, source, ttl=1)(4)
    said = kept.cache_stats()
    assert said["fleet"] is not None
    assert said["fleet"]["misses"] >= 4
    server.is_down = True
    assert kept.cache_stats()["fleet"] is None


def test_a_coroutine_function_stays_one(cache: HybridCache, calls: Calls) -> None:
    """A kept coroutine function has everything that a kept function has."""

    async def f(a: int = 1) -> list[int]:
        return [calls.source(a)]

    kept: Any = keep_by(cache, f)
    assert inspect.iscoroutinefunction(kept)

    async def scenario() -> None:
        first = await kept()
        assert first == [1]
        assert await kept(1) == [1]
        assert await kept(1) is not first
        assert await kept(1, skip_cache=True) == [2]
        assert kept.cache_delete(1)
        assert await kept(1) == [3]
        argument = object()
        assert [await kept(argument), await kept(argument)] == [[4], [5]]

    asyncio.run(scenario())


def test_what_gives_its_results_bit_by_bit_is_refused(cache: HybridCache) -> None:
    """A generator function can't be kept, and says so when it is decorated."""

    def generator() -> Iterator[int]:
        yield 1

    async def asynchronous() -> AsyncIterator[int]:
        yield 1

    for function in (generator, asynchronous):
        with pytest.raises(TypeError, match="generator function"):
            keep_by(cache, function)


def test_a_function_looks_like_itself(cache: HybridCache) -> None:
    """Name, documentation, module and the original, as other tools ask for them."""

    def f(a: int, /, b: str = "x", *, c: int) -> int:
        """Say what f does."""
        return a

    kept: Any = keep_by(cache, f)
    assert (kept.__name__, kept.__doc__, kept.__module__, kept.__wrapped__) == (
        "f",
        "Say what f does.",
        __name__,
        f,
    )
    assert inspect.signature(kept) == inspect.signature(f)


def test_a_debugger_finds_the_wrapper(cache: HybridCache, calls: Calls) -> None:
    """Its code stands in a module; none is made from text."""
    kept: Any = keep_by(cache, calls.of_one())
    assert "def call(" in inspect.getsource(kept.__code__)


@pytest.mark.parametrize("error", [StopIteration("end"), TimeoutError("late"), KeyError("k")])
def test_what_the_function_raises_is_raised(cache: HybridCache, error: Exception) -> None:
    """As it is, on its own: the cache's own look-up isn't what went wrong."""

    def f() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        keep_by(cache, f)()
    assert caught.value is error
    assert error.__context__ is None


def test_any_callable_can_be_kept(cache: HybridCache, calls: Calls) -> None:
    """A partial object or a built-in has a name, a module and arguments of its own."""
    function: Any = partial(calls.source, "first")
    function.__module__, function.__qualname__ = __name__, "first"
    kept: Any = keep_by(cache, function)
    assert kept(1) == kept(1) == 1
    assert kept(2) == 2
    assert calls == [("first", 1), ("first", 2)]


def test_two_functions_of_one_name_share_nothing_here(cache: HybridCache, calls: Calls) -> None:
    """Local functions and lambdas are told apart in the process, and kept nowhere else."""
    clock = Clock()
    server = FakeRedis(clock)
    shared = make_cache(clock, redis=FakeRedisTier(server))

    def make(number: int) -> Callable[[], int]:
        def local() -> int:
            return number

        return local

    from silvaengine.cache.decorators import cached  # noqa: PLC0415 - here alone a local function stays one
    from silvaengine.cache.lookup import CachePolicy  # noqa: PLC0415

    decorate: Any = cached(lambda: shared, cache_name="test", policy=CachePolicy())
    one, other = decorate(make(1)), decorate(make(2))
    assert [one(), other(), one(), other()] == [1, 2, 1, 2]
    assert not [key for key in server.strings if "}:" in key]


def test_calls_in_a_thread_without_context_are_not_cached(
    cache: HybridCache, calls: Calls, caplog: pytest.LogCaptureFixture
) -> None:
    """Its tenant isn't known: the call is answered, and nothing of another tenant's is seen or kept."""
    kept: Any = keep_by(cache, calls.of_any())

    with invocation("acme", cache):
        assert kept() == 1
        in_thread(kept)
        in_thread(kept)
        assert not in_thread(kept.cache_clear)
        assert not in_thread(kept.cache_delete)
    assert len(calls) == 3
    assert caplog.text.count("without the call's context") == 1
    in_thread(kept)
    in_thread(kept)
    assert len(calls) == 4


@pytest.mark.parametrize("name", ["../../x", "a..b", ""])
def test_a_wrong_cache_name_is_refused_at_once(cache: HybridCache, name: str) -> None:
    """When the module is imported, and not at the first call."""
    with pytest.raises(ValueError, match="cache_name"):
        keep_by(cache, lambda: 1, cache_name=name)
