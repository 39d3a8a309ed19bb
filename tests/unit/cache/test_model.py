"""Two instances on one Redis against a model: a dict, a clock, and what was cleared when."""

from fnmatch import fnmatchcase
from typing import NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from silvaengine.cache.fence import RETRY_SECONDS
from silvaengine.cache.hybrid import HybridCache
from silvaengine.cache.lookup import JITTER
from silvaengine.context import tenant

from ...fakes.cache import Clock, FakeRedis, FakeRedisTier, invocation, keep_by, make_cache

TTL = 100.0
instances = st.integers(0, 1)
tenants = st.sampled_from(["acme", "globex"])
keys = st.sampled_from(["a1", "a2", "b1"])
patterns = st.sampled_from(["*", "source:a*", "source:a1", "source:?1", "source:[ab]2", "nothing"])


class Load(NamedTuple):
    """An answer of the source: whose, for which key, the how-manieth, and when it began."""

    owner: str
    key: str
    number: int
    began: float


class Cache(RuleBasedStateMachine):
    """Loads, clears, deletes, outages and the passing of time, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.server = FakeRedis(self.clock)
        self.loads: list[Load] = []
        self.ended: dict[tuple[str, str], int] = {}  # by tenant and key: loads up to this number are over
        self.unshared: set[int] = set()  # loads of an outage, which Redis never got
        self.during: tuple[HybridCache, str] | None = None
        self.caches = [make_cache(self.clock, redis=FakeRedisTier(self.server)) for _ in range(2)]

        def source(key: str) -> tuple[str, str, int, float]:
            return self.load(key)

        self.kept = [keep_by(cache, source, ttl=TTL) for cache in self.caches]

    def load(self, key: str) -> tuple[str, str, int, float]:
        load = Load(tenant.get(), key, len(self.loads) + 1, self.clock())
        self.loads.append(load)
        if self.server.is_down:
            self.unshared.add(load.number)
        if self.during:
            cache, pattern = self.during
            self.during = None
            self._clear(cache, load.owner, pattern)
        return load.owner, load.key, load.number, load.began

    def _clear(self, cache: HybridCache, owner: str, pattern: str) -> None:
        if cache.clear("test", owner, pattern):
            for key in ("a1", "a2", "b1"):
                if fnmatchcase(f"source:{key}", pattern):
                    self.ended[owner, key] = len(self.loads)

    @rule(number=instances, owner=tenants, key=keys)
    def ask(self, number: int, owner: str, key: str) -> None:
        """The answer is the tenant's and the key's, no older than its time, and not from before a clear."""
        before = len(self.loads)
        with invocation(owner, self.caches[number]):
            found = Load(*self.kept[number](key))
        assert (found.owner, found.key) == (owner, key)
        assert found == self.loads[found.number - 1]
        assert self.clock() - found.began <= TTL
        if found.number <= before and not self.server.is_down:
            assert found.number > self.ended.get((owner, key), 0)

    @rule(number=instances, owner=tenants, key=keys)
    @precondition(lambda self: not self.server.is_down)
    def ask_twice(self, number: int, owner: str, key: str) -> None:
        """What one instance has just got the other one finds, and asks no source."""
        with invocation(owner, self.caches[number]):
            first = Load(*self.kept[number](key))
        is_over = first.number in self.unshared or first.number <= self.ended.get((owner, key), 0)
        if is_over or self.clock() - first.began > TTL * (1 - JITTER):
            return
        before = len(self.loads)
        with invocation(owner, self.caches[1 - number]):
            self.kept[1 - number](key)
        assert len(self.loads) == before

    @rule(number=instances, owner=tenants, pattern=patterns)
    def clear(self, number: int, owner: str, pattern: str) -> None:
        """Clear one tenant's values by a pattern."""
        self._clear(self.caches[number], owner, pattern)

    @rule(number=instances, owner=tenants, key=keys)
    def delete(self, number: int, owner: str, key: str) -> None:
        """Delete one value."""
        with invocation(owner, self.caches[number]):
            if self.kept[number].cache_delete(key):
                self.ended[owner, key] = len(self.loads)

    @rule(number=instances, pattern=patterns)
    def clear_during_the_next_load(self, number: int, pattern: str) -> None:
        """Let a clear fall into a load."""
        self.during = (self.caches[number], pattern)

    @rule(seconds=st.sampled_from([0.1, 2.0, 30.0, 95.0, 200.0]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.now += seconds

    @rule()
    def fail(self) -> None:
        """Let Redis fail, or come back; a second later every instance has noticed."""
        self.server.is_down = not self.server.is_down
        self.clock.now += RETRY_SECONDS + 0.1

    @rule()
    def lose_the_records(self) -> None:
        """Let Redis evict what it knows of clears."""
        for key in [key for key in self.server.strings if "}/" in key]:
            del self.server.strings[key]

    @invariant()
    def nothing_waits(self) -> None:
        """No lock and no flight is left behind."""
        assert not any("}!" in key for key in self.server.strings)
        assert not any(cache._flights._flights for cache in self.caches)


TestCache = Cache.TestCase
TestCache.settings = settings(stateful_step_count=40)
