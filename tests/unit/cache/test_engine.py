"""``silvaengine_utility``: the decorators and the engine under the specification's names."""

import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import silvaengine_utility
from silvaengine.cache.disk import DiskTier
from silvaengine.cache.engine import HybridCacheEngine
from silvaengine.cache.hybrid import HybridCache
from silvaengine.cache.process import open_cache, process_cache
from silvaengine.cache.stats import availability
from silvaengine.settings import Settings

from ...fakes.cache import MEBIBYTE, Clock, FakeRedis, FakeRedisTier, in_thread, invocation, make_cache


def _given(cache: HybridCache) -> HybridCache:
    return cache


@pytest.fixture
def engine(cache: HybridCache) -> HybridCacheEngine:
    """An engine on memory alone."""
    return HybridCacheEngine("orders", lambda: cache)


def test_what_was_set_can_be_got(engine: HybridCacheEngine) -> None:
    """A copy of it each time; nothing is None."""
    assert engine.get("k") is None
    assert engine.set("k", {"a": [1]})
    engine.get("k")["a"].append(2)
    assert engine.get("k") == {"a": [1]}
    assert engine.set("k", 2)
    assert engine.get("k", ttl=5) == 2


def test_what_was_set_ends_after_its_ttl(engine: HybridCacheEngine, clock: Clock) -> None:
    """A value is gone once its time to live is over."""
    engine.set("k", 1, ttl=10)
    clock.now += 8.9
    assert engine.get("k") == 1
    clock.now += 1.2
    assert engine.get("k") is None


@pytest.mark.parametrize("ttl", [0, -1])
def test_no_time_to_live_removes(engine: HybridCacheEngine, ttl: float) -> None:
    """Kept for no time is not kept."""
    engine.set("k", 1)
    assert engine.set("k", 2, ttl=ttl)
    assert engine.get("k") is None


def test_what_was_deleted_is_gone(clock: Clock, server: FakeRedis) -> None:
    """A deleted key is gone for every process, and the others stay."""
    caches = [make_cache(clock, redis=FakeRedisTier(server)) for _ in range(2)]
    one, other = (HybridCacheEngine("orders", partial(_given, cache)) for cache in caches)
    one.set("a*", 1), one.set("ab", 2)
    assert [other.get("a*"), other.get("ab")] == [1, 2]
    assert one.delete("a*")
    with invocation("-", *caches):
        pass
    assert [one.get("a*"), other.get("a*"), other.get("ab")] == [None, None, 2]


def test_a_clear_takes_a_pattern_of_keys(engine: HybridCacheEngine) -> None:
    """The key alone is what it is matched against."""
    for key in ("user:1", "user:2", "order:1"):
        engine.set(key, 1)
    assert engine.clear("user:*")
    assert [engine.get(key) for key in ("user:1", "user:2", "order:1")] == [None, None, 1]
    assert engine.clear()
    assert engine.get("order:1") is None
    with pytest.raises(ValueError, match="512 printable"):
        engine.clear("a\n")


def test_values_without_an_encoded_form_are_warned_of_once(
    engine: HybridCacheEngine, caplog: pytest.LogCaptureFixture
) -> None:
    """For the cache and not for each key, which may be a customer's."""
    for number in range(3):
        engine.set(f"customer:{number}", object())
    (record,) = caplog.records
    assert "'orders'" in record.getMessage()
    assert "customer" not in record.getMessage()


def test_tenants_have_keys_of_their_own(engine: HybridCacheEngine, cache: HybridCache) -> None:
    """Neither another tenant nor another cache sees a tenant's key."""
    engine.set("k", "none")
    with invocation("acme", cache):
        assert engine.get("k") is None
        engine.set("k", "acme")
        assert engine.stats()["instance"]["entries"] == 1
    assert engine.get("k") == "none"
    assert HybridCacheEngine("other", lambda: cache).get("k") is None


def test_a_thread_without_the_calls_context_has_no_tenant(
    engine: HybridCacheEngine, cache: HybridCache, caplog: pytest.LogCaptureFixture
) -> None:
    """It gets nothing, and neither keeps nor removes anything: another tenant's thread would meet it."""
    engine.set("k", "none")
    with invocation("acme", cache):
        assert not in_thread(lambda: engine.set("k", "acme"))
        assert not in_thread(lambda: engine.set("k", "acme", ttl=0))
        assert in_thread(lambda: engine.get("k")) is None
        assert not in_thread(lambda: engine.delete("k"))
        assert not in_thread(engine.clear)
    assert engine.get("k") == "none"
    assert caplog.text.count("without the call's context") == 1


def test_a_value_is_found_in_redis(clock: Clock, server: FakeRedis) -> None:
    """Another process finds a value for the time that is left, unless Redis was away at its setting."""
    caches = [make_cache(clock, redis=FakeRedisTier(server)) for _ in range(2)]
    one, other = (HybridCacheEngine("orders", partial(_given, cache)) for cache in caches)
    one.set("k", "v", ttl=100)
    clock.now += 50
    assert other.get("k") == "v"
    server.is_down = True
    assert one.set("l", "v")
    assert one.get("l") == "v"
    server.is_down = False
    assert other.get("l") is None


def test_what_can_be_used_is_said(clock: Clock, server: FakeRedis, tmp_path: Path) -> None:
    """The specification's members of ``cache_stats`` tell what can be used."""
    cache = make_cache(clock, redis=FakeRedisTier(server), disk=DiskTier(tmp_path, MEBIBYTE, clock))
    said = {"cache_name": "api", "disk_available": True, "disk_path": str(tmp_path / "api")}
    assert availability(cache, "api") == {**said, "redis_available": True}
    server.is_down = True
    assert availability(cache, "api") == {**said, "redis_available": False}
    assert availability(make_cache(clock), "api") == {
        "cache_name": "api",
        "redis_available": False,
        "disk_available": False,
        "disk_path": None,
    }


def test_a_cache_has_the_tiers_of_its_deployment(tmp_path: Path) -> None:
    """The environment says which tiers a cache has."""
    environment = {"CACHE_DIR": str(tmp_path), "REDIS_HOST": "localhost"}
    both = open_cache(Settings.from_environment(environment))
    assert both.tiers.redis
    assert both.tiers.disk
    disk = open_cache(Settings.from_environment({"CACHE_DIR": str(tmp_path)}))
    assert (disk.tiers.redis, disk.clear("api", None)) == (None, True)
    memory = open_cache(Settings.from_environment({"CACHE_DIR": "none"}))
    assert (memory.tiers.redis, memory.tiers.disk, memory.clear("api", None)) == (None, None, True)
    table = open_cache(Settings.from_environment({"CACHE_DIR": "none", "CACHE_FENCE_SECONDS": "5"}))
    assert table.fence is not memory.fence


def test_the_decorators_use_the_processs_cache() -> None:
    """The package gives them by their specified names, each loaded when it is asked for."""
    process_cache().isolate()
    calls: list[int] = []

    @silvaengine_utility.method_cache(ttl=1800, cache_name="settings")
    def one(a: int) -> int:
        calls.append(a)
        return a

    @silvaengine_utility.hybrid_cache(ttl=300, cache_name="api", stale_ttl=float("inf"), shared=True)
    def other(a: int) -> list[int]:
        calls.append(a)
        return [a]

    assert one(1) == one(a=1) == 1
    assert other(2) is other(2)
    assert calls == [1, 2]
    engine = silvaengine_utility.HybridCacheEngine("api")
    engine.set("k", 1)
    assert engine.get("k") == 1
    assert engine.clear()
    assert other(2) == [2]
    assert calls == [1, 2, 2]
    with pytest.raises(AttributeError, match="nothing"):
        silvaengine_utility.nothing  # noqa: B018 - the case


@pytest.mark.parametrize("name", ["../../x", "", ".a"])
def test_a_wrong_name_is_refused(name: str) -> None:
    """A wrong cache name is refused wherever it is given."""
    with pytest.raises(ValueError, match="cache_name"):
        HybridCacheEngine(name)
    with pytest.raises(ValueError, match="cache_name"):
        silvaengine_utility.method_cache(cache_name=name)


@pytest.mark.slow
def test_importing_the_cache_loads_no_tier(tmp_path: Path) -> None:
    """Nor does a cached function that finds what it needs in memory."""
    program = """
import sys
from silvaengine_utility import method_cache
@method_cache()
def f(a):
    return a
f(1), f(1)
print(sorted({"redis", "diskcache", "asyncio", "sqlite3", "boto3", "botocore"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"CACHE_DIR": "none"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"


@pytest.mark.slow
@pytest.mark.parametrize("cluster", ["true", "false"])
def test_redis_without_its_package_is_passed_over(cluster: str) -> None:
    """The library alone may be told of a Redis: calls are answered, and one warning says what is missing."""
    program = """
import sys
sys.modules["hiredis"] = None
from silvaengine_utility import HybridCacheEngine, method_cache
@method_cache()
def f(a):
    return a
engine = HybridCacheEngine()
print(f(1), f(1), f(2), engine.set("k", 1), engine.get("k"), f.cache_clear())
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"CACHE_DIR": "none", "REDIS_HOST": "localhost", "REDIS_CLUSTER": cluster},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "1 1 2 True 1 False\n"
    assert done.stderr.count("ModuleNotFoundError") == 1


def test_the_options_of_both_decorators_are_the_same(cache: HybridCache) -> None:
    """What one takes the other takes."""
    wrong: dict[str, Any] = {"no_such_option": True}
    for decorator in (silvaengine_utility.method_cache, silvaengine_utility.hybrid_cache):
        with pytest.raises(TypeError):
            decorator(**wrong)
        kept: Any = decorator(cache_enabled=False, key=lambda a: a, lock=True)(lambda a: object())
        assert kept(1) is not kept(1)
