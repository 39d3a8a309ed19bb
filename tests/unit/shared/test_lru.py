from collections.abc import Callable
from types import MappingProxyType

import pytest

from silvaengine.lru import Budget, LruCache


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def counting(value: object) -> tuple[Callable[[], object], list[object]]:
    """Return a loader of ``value`` and the list of its calls."""
    calls: list[object] = []

    def load() -> object:
        calls.append(value)
        return value

    return load, calls


@pytest.mark.parametrize("value", [1, None, "", False, []])
def test_a_value_is_loaded_once(value: object) -> None:
    """Falsy values are values."""
    cache = LruCache(ttl=10, budget=2, clock=Clock())
    load, calls = counting(value)
    assert [cache.get_or_load("k", load), cache.get_or_load("k", load)] == [value, value]
    assert len(calls) == 1


def test_an_entry_ends_after_its_ttl() -> None:
    """After its ttl a value is loaded again."""
    clock = Clock()
    cache = LruCache(ttl=10, budget=2, clock=clock)
    load, calls = counting(1)
    cache.get_or_load("k", load)
    clock.now = 10
    cache.get_or_load("k", load)
    assert len(calls) == 2


def test_the_least_recently_used_goes_first() -> None:
    """The bound holds, and what was asked for lately stays."""
    cache = LruCache(ttl=10, budget=2, clock=Clock())
    load, calls = counting(1)
    for key in ("a", "b", "a", "c", "a"):
        cache.get_or_load(key, load)
    assert len(calls) == 3
    cache.get_or_load("b", load)
    assert len(calls) == 4


def test_what_a_loader_raises_is_not_kept() -> None:
    """The next call loads anew."""
    cache = LruCache(ttl=10, budget=2, clock=Clock())

    def fail() -> None:
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        cache.get_or_load("k", fail)
    load, calls = counting(1)
    assert cache.get_or_load("k", load) == 1
    assert len(calls) == 1


def test_ttl_0_keeps_nothing_and_clear_forgets_all() -> None:
    """Both make the next call load."""
    load, calls = counting(1)
    none = LruCache(ttl=0, budget=2, clock=Clock())
    none.get_or_load("k", load)
    none.get_or_load("k", load)
    assert len(calls) == 2
    cache = LruCache(ttl=10, budget=2, clock=Clock())
    cache.get_or_load("k", load)
    cache.clear()
    cache.get_or_load("k", load)
    assert len(calls) == 4


def test_what_was_read_before_a_clear_is_not_kept_after_it() -> None:
    """Another thread clears while a value is loaded: its loader may have read what the clear was about."""
    cache = LruCache(60.0, 10)

    def load() -> str:
        cache.clear()
        return "old"

    assert cache.get_or_load("key", load) == "old"
    assert cache.get_or_load("key", lambda: "new") == "new"


def test_caches_share_a_budget_of_bytes() -> None:
    """Whatever the number of entries, what the caches hold stays within it; what was used lately stays."""
    budget = Budget(1_000_000, in_bytes=True)
    small, large = LruCache(60, budget), LruCache(60, budget)
    small.put("used", "x" * 1_000)
    for number in range(200):
        large.put(number, "x" * 50_000)
        assert small.get("used")
        assert 0 < budget.used <= 1_000_000
    assert [large.get(number) is None for number in (0, 199)] == [True, False]


def test_what_is_larger_than_the_budget_displaces_nothing() -> None:
    """It is given to who asked for it, and kept by nobody."""
    budget = Budget(100_000, in_bytes=True)
    cache = LruCache(60, budget)
    cache.put("small", "x")
    assert len(cache.get_or_load("large", lambda: "x" * 200_000)) == 200_000
    assert (cache.get("small"), cache.get("large")) == ("x", None)


def test_what_values_share_counts_once_as_long_as_one_has_it() -> None:
    """A thousand tenants of one key row have one list of functions."""
    budget = Budget(10_000_000, in_bytes=True)
    cache = LruCache(60, budget)
    shared = MappingProxyType({number: f"{number}" * 1_000 for number in range(1_000)})
    for number in range(1_000):
        cache.put(number, (number, shared))
    assert 2_000_000 < budget.used < 4_000_000
    cache.put(0, "another")
    assert budget.used > 2_000_000
    cache.clear()
    assert budget.used == 0
    assert cache.get(1) is None


def test_a_cleared_cache_leaves_the_others_alone() -> None:
    """What it held is free for them at once."""
    budget = Budget(100_000, in_bytes=True)
    cleared, kept = LruCache(60, budget), LruCache(60, budget)
    kept.put("k", "x")
    used = budget.used
    cleared.put("k", "x" * 50_000)
    cleared.clear()
    assert (budget.used, kept.get("k")) == (used, "x")


def test_keys_and_values_of_what_is_kept_count() -> None:
    """All text counts, wherever it stands: what a process takes more is less than a third."""
    before = budget_of({})
    names = {f"{number:0100}": (number, f"{number:0200}") for number in range(1_000)}
    assert 300_000 < budget_of(names) - before < 700_000
    assert 300_000 < budget_of(MappingProxyType(names)) - before < 700_000
    assert 300_000 < budget_of([{"row": names}]) - before < 700_000


def budget_of(value: object) -> int:
    """Return the bytes that a value takes of a budget."""
    budget = Budget(10_000_000, in_bytes=True)
    LruCache(60, budget).put("key", value)
    return budget.used
