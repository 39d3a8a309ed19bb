"""The traps that a cache falls into, each by its name."""

import pickle
from dataclasses import make_dataclass
from decimal import Decimal
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

from silvaengine.cache import codec
from silvaengine.cache.disk import DiskTier
from silvaengine.cache.engine import HybridCacheEngine
from silvaengine.cache.keys import call_text
from silvaengine.context import tenant

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

MEBIBYTE = 1_048_576


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def server(clock: Clock) -> FakeRedis:
    """A Redis."""
    return FakeRedis(clock)


def test_trap_another_tenants_value(clock: Clock, server: FakeRedis) -> None:
    """Two tenants who ask alike get each their own, in memory and from Redis."""
    for _ in range(2):
        cache = make_cache(clock, redis=FakeRedisTier(server))
        kept = keep_by(cache, lambda agent_id: tenant.get() + agent_id)
        for owner in ("acme", "globex"):
            with invocation(owner, cache):
                assert kept("a1") == owner + "a1"


def test_trap_the_first_argument_is_the_tenant(clock: Clock) -> None:
    """A module function's first argument is part of the key: the predecessor left it out."""
    kept = keep_by(make_cache(clock), lambda endpoint_id, agent_id: f"{endpoint_id}'s {agent_id}")
    assert [kept("acme", "a1"), kept("globex", "a1")] == ["acme's a1", "globex's a1"]


def test_trap_another_classs_value(clock: Clock, server: FakeRedis) -> None:
    """Methods of one name of two classes share nothing."""

    def method(self: Any) -> str:
        return type(self).__name__

    made = []
    cache = make_cache(clock, redis=FakeRedisTier(server))
    for name in ("Cats", "Dogs"):
        function: Any = FunctionType(method.__code__, method.__globals__, "answer")
        function.__qualname__ = f"{name}.answer"
        kind = type(name, (), {"cache_identity": "any", "__module__": __name__})
        kind.answer = keep_by(cache, function)  # type: ignore[attr-defined] # made here
        made.append(kind())
    assert [each.answer() for each in made * 2] == ["Cats", "Dogs"] * 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a,b",), ("a", "b")),
        (("a:b", "c"), ("a", "b:c")),
        (("~1",), (1,)),
        (("",), ()),
        ((["a", "b"],), (["a,b"],)),
        (({"k": "v,k2=w"},), ({"k": "v", "k2": "w"},)),
        ((("a",), "b"), (("a", "b"),)),
    ],
)
def test_trap_separator_collision(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    """No separator in a value makes two calls one."""
    assert call_text(one) != call_text(other)


def test_trap_none_is_a_hit(clock: Clock) -> None:
    """None is kept like any value."""
    source, calls = counting(None)
    kept = keep_by(make_cache(clock), source)
    assert [kept("a"), kept("a")] == [None, None]
    assert len(calls) == 1


def test_trap_equal_numbers(clock: Clock) -> None:
    """1, 1.0, True, "1" and Decimal(1) are five keys, also inside of a tuple."""
    source, calls = counting(0)
    kept = keep_by(make_cache(clock), source)
    for value in (1, 1.0, True, "1", Decimal(1)):
        kept(value)
        kept((value,))
    assert len(calls) == 10


def test_trap_default_spelled_out(clock: Clock) -> None:
    """A default that is spelled out, by place or by name, is the default."""
    calls: list[Any] = []

    def source(a: int, b: int = 2) -> None:
        calls.append((a, b))

    kept = keep_by(make_cache(clock), source)
    kept(1), kept(1, 2), kept(1, b=2), kept(a=1, b=2), kept(b=2, a=1)
    assert calls == [(1, 2)]


def test_trap_callers_name_in_the_key(clock: Clock, server: FakeRedis) -> None:
    """Whoever calls, the key is the function's; two functions called by one caller share nothing."""
    cache = make_cache(clock, redis=FakeRedisTier(server))

    def first(a: str) -> str:
        return f"first {a}"

    def second(a: str) -> str:
        return f"second {a}"

    one, two = keep_by(cache, first), keep_by(cache, second)
    assert [one("a"), two("a")] == ["first a", "second a"]
    assert not [key for key in server.strings if "callers_name" in key]


def test_trap_a_pattern_that_matches(clock: Clock) -> None:
    """A pattern reaches what its words say: the predecessor's keys were hashes that none matched."""
    cache = make_cache(clock)
    engine = HybridCacheEngine("test", lambda: cache)
    for key in ("user:1", "user:2", "order:1"):
        engine.set(key, key)
    assert engine.clear("user:*")
    assert [engine.get(key) for key in ("user:1", "user:2", "order:1")] == [None, None, "order:1"]


def test_trap_mutated_hit(clock: Clock) -> None:
    """What one caller does to its value is seen by nobody else."""
    source, _ = counting({"list": [1]})
    kept = keep_by(make_cache(clock), source)
    for _ in range(3):
        found = kept("a")
        assert found == {"list": [1]}
        found["list"].append(2)


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> Any:
        return Path.touch, (self.canary,)


def test_trap_code_in_redis(clock: Clock, server: FakeRedis, tmp_path: Path) -> None:
    """A pickle that lies in Redis is never read as one."""
    source, calls = counting(1)
    cache = make_cache(clock, redis=FakeRedisTier(server))
    kept = keep_by(cache, source)
    kept("a")
    (key,) = [key for key in server.strings if ":a" in key]
    stamp = server.strings[key][0].partition(b"\n")[0]
    for planted in (pickle.dumps(Bomb(tmp_path / "c")), stamp + b"\n" + pickle.dumps(Bomb(tmp_path / "c"))):
        server.strings[key] = planted, clock() + 100
        cache.memory.drop_if(lambda _: True)
        assert kept("a") == 1
    assert len(calls) == 3
    assert not (tmp_path / "c").exists()


def test_trap_pickled_row_on_disk(clock: Clock, tmp_path: Path) -> None:
    """A row that another program planted as a pickle is no value, and its code isn't run."""
    import diskcache  # noqa: PLC0415 - only here

    folder = tmp_path / "cache"
    cache = make_cache(clock, disk=DiskTier(folder, MEBIBYTE))
    source, calls = counting(1)
    kept = keep_by(cache, source)
    kept("a")
    with diskcache.Cache(str(folder / "test")) as planted:
        keys = [key for key in planted.iterkeys() if ":a" in str(key)]
        assert keys
        for key in keys:
            planted.set(key, Bomb(tmp_path / "canary"))
    cache.memory.drop_if(lambda _: True)
    assert kept("a") == 1
    assert len(calls) == 2
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("garbage", [b"", b"\xc1", b"SE1", b"SE1 x\n", b"\x80\x04.", bytes(1000)])
def test_trap_corrupt_value(clock: Clock, server: FakeRedis, garbage: bytes) -> None:
    """What was damaged is loaded anew."""
    source, calls = counting("right")
    cache = make_cache(clock, redis=FakeRedisTier(server))
    kept = keep_by(cache, source)
    kept("a")
    (key,) = [key for key in server.strings if ":a" in key]
    server.strings[key] = garbage, clock() + 100
    cache.memory.drop_if(lambda _: True)
    assert kept("a") == "right"
    assert len(calls) == 2


def test_trap_changed_dataclass(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value of a class that has got another field since is no value."""
    module = __import__("sys").modules[__name__]
    old = make_dataclass("Point", [("x", int)], module=__name__)
    monkeypatch.setattr(module, "Point", old, raising=False)
    data = codec.encode(old(1))
    assert codec.decode(data) == old(1)
    monkeypatch.setattr(
        module, "Point", make_dataclass("Point", [("x", int), ("y", int, 0)], module=__name__)
    )
    with pytest.raises(codec.NotDecodableError):
        codec.decode(data)


@pytest.mark.parametrize("ttl", [0, -1])
def test_trap_ttl_zero(clock: Clock, ttl: float) -> None:
    """A time to live of nothing keeps nothing; it isn't for ever."""
    source, calls = counting(1)
    kept = keep_by(make_cache(clock), source, ttl=ttl)
    kept("a"), kept("a")
    assert len(calls) == 2


@pytest.mark.parametrize("jump", [7200.0, -7200.0])
def test_trap_clock_jump_of_two_hours(clock: Clock, jump: float) -> None:
    """A date that is set anew neither ends a value nor lengthens its life."""
    date = Clock()
    source, calls = counting(1)
    cache = make_cache(clock, date=date)
    kept = keep_by(cache, source, ttl=600)
    kept("a")
    date.now += jump
    with invocation("-", cache):
        kept("a")
    assert len(calls) == 1
    clock.now += 600
    kept("a")
    assert len(calls) == 2


def test_trap_clear_during_a_load(clock: Clock, server: FakeRedis) -> None:
    """A load that began before a clear leaves nothing behind, in no tier."""
    cache = make_cache(clock, redis=FakeRedisTier(server))
    results = iter(["before", "after"])

    def source(key: str) -> str:
        value = next(results)
        if value == "before":
            assert cache.clear("test", "-", "*")
        return value

    kept = keep_by(cache, source)
    assert kept("a") == "before"
    assert kept("a") == "after"
    other = make_cache(clock, redis=FakeRedisTier(server))
    assert keep_by(other, source)("a") == "after"


def test_trap_evicted_generation(clock: Clock, server: FakeRedis) -> None:
    """When Redis evicts the record of a clear, what was cleared stays cleared."""
    source, calls = counting("old", "new")
    cache = make_cache(clock, redis=FakeRedisTier(server))
    kept = keep_by(cache, source)
    kept("a")
    value = {key: entry for key, entry in server.strings.items() if ":a" in key}
    kept.cache_clear()
    for key in [key for key in server.strings if "/" in key]:
        del server.strings[key]
    server.strings |= value
    assert keep_by(make_cache(clock, redis=FakeRedisTier(server)), source)("a") == "new"
    assert len(calls) == 2


def test_trap_sixty_megabyte_value(clock: Clock, server: FakeRedis, tmp_path: Path) -> None:
    """A value that no tier has room for is handed over all the same, and displaces nothing."""
    cache = make_cache(clock, redis=FakeRedisTier(server), disk=DiskTier(tmp_path, 128 * MEBIBYTE))
    source, calls = counting(b"small", b"x" * 60 * MEBIBYTE, b"x" * 60 * MEBIBYTE)
    kept = keep_by(cache, source)
    kept("small")
    assert [len(kept("large")), len(kept("large"))] == [60 * MEBIBYTE] * 2
    assert kept("small") == b"small"
    assert len(calls) == 3
    assert max(len(value) for value, _ in server.strings.values()) < MEBIBYTE


def test_trap_full_disk(clock: Clock, tmp_path: Path) -> None:
    """A disk that takes nothing costs its tier, never the call."""
    (tmp_path / "file").write_text("no folder")
    cache = make_cache(clock, disk=DiskTier(tmp_path / "file", MEBIBYTE), store=FlakyStore())
    source, calls = counting(1)
    kept = keep_by(cache, source)
    assert [kept("a"), kept("a")] == [1, 1]
    assert len(calls) == 1
