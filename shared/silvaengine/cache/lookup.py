"""One look-up: what is asked for, how it is kept, and what the tiers have found out about it."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from os import urandom
from sys import getsizeof
from typing import Any, Final

from silvaengine.cache.fence import Space
from silvaengine.cache.flights import Flight
from silvaengine.cache.keys import KEPT
from silvaengine.cache.memory import Entry

LONGEST_SECONDS = 30 * 86_400.0  # of a value without a ttl
JITTER = 0.1  # by which a ttl is shortened at random, so that values don't end together

ENTRY_BYTES = 500  # of an entry without its texts and its value

MISSING: Final = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How values are kept.

    ``ttl`` and ``stale_ttl`` are seconds: of a fresh value, and of one that is still served when the source
    fails. ``ttl`` None means 30 days, the longest; 0 or less keeps nothing. ``shared`` hands out the same
    object instead of copies. ``lock`` lets one process load while the others wait. ``local`` keeps values in
    this process only.
    """

    ttl: float | None = 300.0
    stale_ttl: float = 0.0
    shared: bool = False
    lock: bool = False
    local: bool = False

    def seconds(self) -> float:
        """Return how long a value is to be fresh, a little less each time."""
        longest = LONGEST_SECONDS if self.ttl is None else min(self.ttl, LONGEST_SECONDS)
        return longest * (1 - JITTER * int.from_bytes(urandom(2)) / 65_536)


type Packed = tuple[bytes, bytes | None, float, float]
"""An encoded value, its generation, and for how many seconds it is fresh and then still of use."""


class Call(Flight):
    """A look-up and what it has learned so far; one that has to load is a flight.

    Args:
        key: that of the memory tier.
        space: the tenant's part of the cache.
        text: the key of the other tiers.
        texts: what patterns are matched against.
        policy: how the value is kept.
        who: the function or engine that warnings are about.
    """

    stale: Any = MISSING
    packed: Packed | None = None
    entry: Entry | None = None
    register: Callable[[Entry], None] | None = None
    """Told of an entry before it can be found; it keeps the object whose call this is alive meanwhile."""
    started = 0.0
    """When the load began."""
    token: bytes | None = None
    """Of a lock that is held; empty where Redis takes none, None while nobody has tried or another has it."""

    def __init__(
        self,
        key: tuple[Hashable, ...],
        space: Space,
        text: str,
        texts: tuple[str, ...],
        policy: Policy,
        who: str,
    ) -> None:
        self.key = key
        self.space = space
        self.text = text
        self.texts = texts
        self.policy = policy
        self.who = who

    def weight(self) -> int:
        """Estimate the bytes that an entry has beside its value."""
        length = len(self.text)
        return ENTRY_BYTES + (3 * length if length < KEPT else sum(map(getsizeof, self.key)))
