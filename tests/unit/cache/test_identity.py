"""What stands for ``self`` and ``cls``: nothing is guessed, and nothing outlives its object."""

import asyncio
import gc
from collections.abc import Callable
from functools import wraps
from threading import Event
from typing import Any
from weakref import ref

import pytest

from silvaengine.cache.hybrid import HybridCache

from ...fakes.cache import Clock, FakeRedis, FakeRedisTier, invocation, keep_by, make_cache


@pytest.fixture
def calls() -> list[Any]:
    """The calls of a test's methods."""
    return []


def answering(calls: list[Any], name: str = "answer") -> Callable[..., Any]:
    """Return a method that answers with the number of its call."""

    def answer(self: Any, argument: int = 0) -> int:
        calls.append(argument)
        return len(calls)

    answer.__name__, answer.__qualname__ = name, f"Service.{name}"
    return answer


def service(cache: HybridCache, calls: list[Any], **attributes: Any) -> Any:
    """Return a class whose method ``answer`` is kept."""
    return type("Service", (), {"answer": keep_by(cache, answering(calls)), **attributes})


def kept_over(cache: HybridCache, method: Any) -> Any:
    """Decorate what ``staticmethod`` or ``classmethod`` gave."""
    return keep_by(cache, method)


class Region:
    """A class that says by a constant that its objects are alike."""

    cache_identity = "region"

    def answer(self) -> int:
        raise NotImplementedError


class Branch:
    """A class some of whose objects are not like the others."""

    cache_identity = "main"

    def __init__(self, name: str = "") -> None:
        if name:
            self.cache_identity = name


class Shop:
    """A class whose objects are told apart by a property."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def cache_identity(self) -> str:
        return self.name


class Account:
    """A class whose objects are told apart by a method's answer."""

    def __init__(self, number: int, country: str) -> None:
        self.number = number
        self.country = country

    def cache_identity(self) -> tuple[str, int]:
        return self.country, self.number


def give_method(monkeypatch: pytest.MonkeyPatch, kind: type, method: Any) -> None:
    """Put a kept method into a class of this module, whose name another process knows."""
    monkeypatch.setattr(kind, "answer", method, raising=False)


def method_of(kind: type, calls: list[Any]) -> Callable[..., Any]:
    """Return what ``answering`` gives, as it would stand in the class."""
    method = answering(calls)
    method.__qualname__ = f"{kind.__qualname__}.answer"
    return method


def test_two_objects_never_share_an_entry(cache: HybridCache, calls: list[Any]) -> None:
    """Their state may differ, so that each loads for itself."""
    kind = service(cache, calls)
    one, other = kind(), kind()
    assert [one.answer(), other.answer(), one.answer(), other.answer()] == [1, 2, 1, 2]


def test_an_objects_state_is_not_looked_at(cache: HybridCache, calls: list[Any]) -> None:
    """An object without an identity is itself, whatever happens to it."""
    one = service(cache, calls)()
    assert one.answer() == 1
    one.setting = 2
    assert one.answer() == 1


def test_entries_end_with_their_object(cache: HybridCache, calls: list[Any]) -> None:
    """The next object, which may get the same number from the interpreter, never sees them."""
    kind = service(cache, calls)
    numbers = set()
    for expected in range(1, 200):
        one = kind()
        numbers.add(id(one))
        assert [one.answer(), one.answer()] == [expected, expected]
        del one
    assert len(numbers) < 199, "no number was given twice, so that nothing was tested"


def test_entries_end_with_an_object_in_a_cycle(cache: HybridCache, calls: list[Any]) -> None:
    """Its entries end even if it is collected late, before its ``id`` is reused."""
    kind = service(cache, calls)
    for expected in range(1, 6):
        one = kind()
        one.myself = one
        assert one.answer() == expected
        del one
        gc.collect()


def test_an_entry_whose_caller_was_cancelled_ends_with_its_object(cache: HybridCache) -> None:
    """The entry is stored after the caller and the object are gone, and still ends."""

    async def coroutine(self: Any) -> str:
        return "answer"

    coroutine.__name__, coroutine.__qualname__ = "answer", "Service.answer"
    answer = keep_by(cache, coroutine)
    keep, is_keeping, may_keep = cache.memory.store, Event(), Event()

    def keep_late(key: Any, entry: Any) -> None:
        is_keeping.set()
        assert may_keep.wait(20)
        keep(key, entry)

    async def scenario() -> Any:
        one: Any = service(cache, [], answer=answer)()
        leader = asyncio.ensure_future(one.answer())
        assert await asyncio.to_thread(is_keeping.wait, 20)
        leader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leader
        return ref(one)

    cache.memory.store = keep_late  # type: ignore[method-assign] # late
    loop = asyncio.new_event_loop()
    watched = loop.run_until_complete(scenario())
    may_keep.set()
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    gc.collect()
    assert watched() is None
    (entry,) = cache.memory.entries.values()
    assert entry.until < cache.clock()


def test_an_object_holds_on_to_no_more_than_memory_does(clock: Clock, calls: list[Any]) -> None:
    """A service that lives as long as the process doesn't collect what was evicted long ago."""
    cache = make_cache(clock, max_entries=50)
    one = service(cache, calls)()
    before = _entries()
    for argument in range(2_000):
        one.answer(argument)
    assert _entries() - before <= 60


def _entries() -> int:
    gc.collect()
    return sum(type(each).__name__ == "Entry" for each in gc.get_objects())


def test_an_object_is_not_kept_alive(cache: HybridCache, calls: list[Any]) -> None:
    """A kept method's object goes when its last holder goes."""
    ended: list[int] = []
    one = service(cache, calls, __del__=lambda self: ended.append(1))()
    one.answer()
    del one
    assert ended == [1]


def test_calls_on_an_object_without_weak_references_are_not_cached(
    cache: HybridCache, calls: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Neither an identity nor weak references: its end couldn't be noticed."""
    one = service(cache, calls, __slots__=())()
    assert [one.answer(), one.answer()] == [1, 2]
    assert "cache_identity" in caplog.text


@pytest.mark.parametrize(
    "make",
    [Region, lambda: Shop("a"), lambda: Account(1, "at")],
    ids=["constant", "property", "method"],
)
def test_objects_of_one_identity_share_in_every_tier(
    clock: Clock, calls: list[Any], monkeypatch: pytest.MonkeyPatch, make: Callable[[], Any]
) -> None:
    """A class may say what its answers depend on, by a constant, a property or a method."""
    server = FakeRedis(clock)
    kind = type(make())
    for _ in range(2):
        cache = make_cache(clock, redis=FakeRedisTier(server))
        give_method(monkeypatch, kind, keep_by(cache, method_of(kind, calls)))
        for _ in range(3):
            assert make().answer() == 1
    assert len(calls) == 1


def test_objects_of_different_identities_do_not_share(
    clock: Clock, calls: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two with different settings have entries of their own, in memory and in Redis."""
    server = FakeRedis(clock)
    cache = make_cache(clock, redis=FakeRedisTier(server))
    cases: list[tuple[type, list[Any]]] = [
        (Shop, [Shop("a"), Shop("b"), Shop("a:b")]),
        (Account, [Account(1, "at"), Account(1, "de"), Account(2, "at"), Account("1", "at")]),  # type: ignore[arg-type] # text and number
    ]
    for kind, objects in cases:
        give_method(monkeypatch, kind, keep_by(cache, method_of(kind, calls)))
        before = len(calls)
        assert len({each.answer() for each in objects for _ in range(2)}) == len(objects)
        assert len(calls) - before == len(objects)


def test_an_object_may_differ_from_its_classs_constant(
    cache: HybridCache, calls: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it says of itself counts, though most of its kind say nothing."""
    give_method(monkeypatch, Branch, keep_by(cache, method_of(Branch, calls)))
    objects: list[Any] = [Branch(), Branch("east"), Branch(), Branch("east")]
    assert [each.answer() for each in objects] == [1, 2, 1, 2]


def test_an_object_may_be_told_an_identity_from_outside(
    cache: HybridCache, calls: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At any time and of any type; and so may the class."""
    give_method(monkeypatch, Region, keep_by(cache, method_of(Region, calls)))
    one, other = Region(), Region()
    assert [one.answer(), other.answer()] == [1, 1]
    for identity, expected in (("west", 2), ("region", 1), (1, 3), ("~1", 4), (1, 3), ("west", 2)):
        one.cache_identity = identity  # type: ignore[assignment] # of any type
        assert [one.answer(), one.answer()] == [expected, expected]
    assert other.answer() == 1
    monkeypatch.setattr(Region, "cache_identity", "west")
    assert other.answer() == 2


def test_an_identity_that_only_an_object_has_is_ignored(cache: HybridCache, calls: list[Any]) -> None:
    """The class says whether its objects share; without it each has entries of its own."""
    kind = service(cache, calls)
    objects = [kind(), kind()]
    for each in objects:
        each.cache_identity = "any"
    assert [each.answer() for each in objects * 2] == [1, 2, 1, 2]


def test_classes_of_one_name_share_no_constant(
    cache: HybridCache, calls: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One made at run time, named like another, has entries of its own."""
    give_method(monkeypatch, Region, keep_by(cache, method_of(Region, calls)))
    double: Any = type("Region", (Region,), {"__module__": __name__})
    objects: list[Any] = [Region(), double()]
    assert [each.answer() for each in objects * 2] == [1, 2, 1, 2]


def test_an_identity_that_changes_is_followed(
    cache: HybridCache, calls: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A property is asked at each call."""
    give_method(monkeypatch, Shop, keep_by(cache, method_of(Shop, calls)))
    one: Any = Shop("a")
    assert one.answer() == 1
    one.name = "b"
    assert one.answer() == 2
    one.name = "a"
    assert one.answer() == 1


def test_a_colon_in_an_identity_is_no_separator(
    clock: Clock, calls: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Identity ``a:b`` with argument ``c`` isn't identity ``a`` with argument ``b:c``."""
    server = FakeRedis(clock)
    caches = [make_cache(clock, redis=FakeRedisTier(server)) for _ in range(2)]
    results = []
    for cache, name, argument in ((caches[0], "a:b", "c"), (caches[1], "a", "b:c")):
        give_method(monkeypatch, Shop, keep_by(cache, method_of(Shop, calls)))
        one: Any = Shop(name)
        results.append(one.answer(argument))
    assert results == [1, 2]


def test_a_subclass_has_answers_of_its_own(
    cache: HybridCache, calls: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though it inherits the method and the identity."""
    give_method(monkeypatch, Region, keep_by(cache, method_of(Region, calls)))

    class Town(Region):
        pass

    assert [Region().answer(), Town().answer(), Region().answer(), Town().answer()] == [1, 2, 1, 2]


def test_an_overridden_method_is_kept_when_it_is_called_through_super(
    cache: HybridCache, calls: list[Any]
) -> None:
    """The object is one whose class has the function, if only further up."""
    base = service(cache, calls)

    class Override(base):  # type: ignore[misc,valid-type] # made by the test
        def answer(self, argument: int = 0) -> Any:
            return super().answer(argument)

    one = Override()
    assert [one.answer(), one.answer()] == [1, 1]


def test_a_private_method_is_a_method(cache: HybridCache, calls: list[Any]) -> None:
    """The class holds it under another name than its own."""

    class Service:
        def ask(self) -> Any:
            return self.__load()

        def __load(self) -> Any:
            calls.append(1)
            return len(calls)

        __load = keep_by(cache, __load)

    one = Service()
    assert [one.ask(), one.ask(), Service().ask()] == [1, 1, 2]


def test_another_decorator_around_it_changes_nothing(cache: HybridCache, calls: list[Any]) -> None:
    """The method is found under whatever was put around it."""

    def around(function: Any) -> Any:
        @wraps(function)
        def outer(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return outer

    kind: Any = type("Service", (), {"answer": around(around(keep_by(cache, answering(calls))))})
    one, other = kind(), kind()
    assert [one.answer(), one.answer(), other.answer()] == [1, 1, 2]


@pytest.mark.parametrize("outer", [True, False], ids=["over", "under"])
def test_a_static_method_has_no_object(cache: HybridCache, calls: list[Any], outer: bool) -> None:
    """In both orders of the decorators its first argument is one like others."""
    function = answering(calls)
    static: Any = (
        kept_over(cache, staticmethod(function)) if outer else staticmethod(keep_by(cache, function))
    )
    kind: Any = type("Service", (), {"answer": static})
    assert [kind.answer("a"), kind().answer("a"), kind.answer("b")] == [1, 1, 2]
    assert [kind.answer(1), kind.answer(True), kind.answer(1)] == [3, 4, 3]


@pytest.mark.parametrize("outer", [True, False], ids=["over", "under"])
def test_a_class_method_is_its_classs(cache: HybridCache, calls: list[Any], outer: bool) -> None:
    """In both orders; called on the class or an object, and a subclass has entries of its own."""
    function = answering(calls)
    method: Any = kept_over(cache, classmethod(function)) if outer else classmethod(keep_by(cache, function))
    kind: Any = type("Service", (), {"answer": method})

    class Sub(kind):  # type: ignore[misc] # made by the test
        pass

    assert [kind.answer(), kind().answer(), Sub.answer(), Sub().answer(), kind.answer()] == [1, 1, 2, 2, 1]


class Model:
    """A class of a module, whose class method another process shares."""

    @classmethod
    def answer(cls, argument: int = 0) -> int:
        raise NotImplementedError


def test_a_class_method_is_shared_by_processes(
    clock: Clock, calls: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A class that has its name for itself is known elsewhere."""
    server = FakeRedis(clock)
    for _ in range(2):
        cache = make_cache(clock, redis=FakeRedisTier(server))
        give_method(monkeypatch, Model, classmethod(keep_by(cache, method_of(Model, calls))))
        assert Model.answer() == 1
    assert len(calls) == 1


@pytest.mark.parametrize("is_known", [True, False], ids=["by name", "by its calls"])
def test_a_methods_entry_is_deleted_by_its_object(
    cache: HybridCache, calls: list[Any], monkeypatch: pytest.MonkeyPatch, is_known: bool
) -> None:
    """It comes first, for Python doesn't bind ``cache_delete``; without it nothing is guessed."""
    for make in (lambda function: function, classmethod):
        kind: Any = Model if is_known else type("Service", (), {})
        function: Any = method_of(Model, calls) if is_known else answering(calls)
        give_method(monkeypatch, kind, make(keep_by(cache, function)))
        one = kind()
        owner = kind if make is classmethod else one
        for bound in (kind.answer, one.answer):
            before = one.answer(1)
            for wrong in ((1,), (), ("x", 1)):
                with pytest.raises(TypeError, match=r"\.answer\.cache_delete\(obj, \.\.\.\)"):
                    bound.cache_delete(*wrong)
            assert one.answer(1) == before
            assert bound.cache_delete(owner, 1)
            assert one.answer(1) == before + 1


def test_a_static_methods_entry_is_deleted_by_its_arguments(
    cache: HybridCache, calls: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no object."""
    give_method(monkeypatch, Model, staticmethod(keep_by(cache, method_of(Model, calls))))
    kind: Any = Model
    assert [kind.answer("a"), kind.answer.cache_delete("a"), kind.answer("a")] == [1, True, 2]


def test_a_class_that_borrows_a_name_stays_in_the_process(
    clock: Clock, calls: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A class made at run time, named like another one, doesn't get that one's answers."""
    server = FakeRedis(clock)
    cache = make_cache(clock, redis=FakeRedisTier(server))
    give_method(monkeypatch, Model, classmethod(keep_by(cache, method_of(Model, calls))))
    double: Any = type("Model", (Model,), {"__module__": __name__})
    assert [Model.answer(), double.answer()] == [1, 2]
    other = make_cache(clock, redis=FakeRedisTier(server))
    give_method(monkeypatch, Model, classmethod(keep_by(other, method_of(Model, calls))))
    assert [double.answer(), Model.answer()] == [3, 1]


def test_a_function_is_no_method_of_an_object_that_has_its_namesake(
    cache: HybridCache, calls: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    """An object whose class doesn't have the function is an argument, and one that no key can hold."""
    kind = service(cache, calls)

    class Other:
        def answer(self) -> None:
            """Be another function of that name."""

    other = Other()
    assert [kind.answer(other), kind.answer(other)] == [1, 2]
    assert "Other" in caplog.text


def test_a_methods_key_function_sees_its_object(cache: HybridCache, calls: list[Any]) -> None:
    """And what it makes is a key of that object."""
    kind = type(
        "Service", (), {"answer": keep_by(cache, answering(calls), key=lambda self, argument: argument)}
    )
    one, other = kind(), kind()
    assert [one.answer(1), one.answer(1), other.answer(1)] == [1, 1, 2]


def test_tenants_of_one_object_are_apart(cache: HybridCache, calls: list[Any]) -> None:
    """A service that serves all tenants answers each with its own."""
    one = service(cache, calls)()
    results = []
    for tenant in ("acme", "other", "acme"):
        with invocation(tenant, cache):
            results.append(one.answer())
    assert results == [1, 2, 1]
