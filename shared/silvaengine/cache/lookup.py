"""One look-up: what is asked for, how it is kept, and what the tiers have found out about it."""

from collections.abc import Hashable
from dataclasses import dataclass
from os import urandom
from typing import Any, Final, NamedTuple

from silvaengine.cache.fence import Space
from silvaengine.cache.memory import Entry

LONGEST_SECONDS = 30 * 86_400.0  # of a value without a ttl
JITTER = 0.1  # by which a ttl is shortened at random, so that values don't end together

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
        """Give how long a value is to be fresh, a little less each time."""
        longest = LONGEST_SECONDS if self.ttl is None else min(self.ttl, LONGEST_SECONDS)
        return longest * (1 - JITTER * int.from_bytes(urandom(2)) / 65_536)


class Packed(NamedTuple):
    """An encoded value: its generation, and for how many seconds it is fresh and then still of use."""

    data: bytes
    stamp: bytes | None
    fresh: float
    stale: float


@dataclass(slots=True)
class Call:
    """A look-up and what it has learned so far.

    ``key`` is that of the memory tier, ``text`` that of the others; ``texts`` are what patterns are matched
    against. ``stamp`` is the generation that was known, and ``started`` the time, before the load began;
    ``token`` a lock that is held.
    """

    key: tuple[Hashable, ...]
    space: Space
    text: str
    texts: tuple[str, ...]
    policy: Policy
    stale: Any = MISSING
    packed: Packed | None = None
    entry: Entry | None = None
    stamp: bytes | None = None
    started: float = 0.0
    token: bytes | None = None
