"""What a test says that AWS does now: how long things last, and what fails."""

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from silvaengine_cli.strict.calls import Call
from silvaengine_cli.strict.http import Response


@dataclass(frozen=True, slots=True)
class Script:
    """How long something holds that passes by itself: for so many calls, and so many seconds at most.

    Args:
        calls: that meet a state, a role or a policy before it is ready.
        seconds: after which it is ready without them.
        stale_reads: that return a row as it was before its last write.
        stale_seconds: after which none does.
        throttle_every: every how many calls of Lambda's control plane one is refused, 0 for none.
        api_seconds: how long an API waits for its Lambda.
        clock: seconds that only go on.
    """

    calls: int = 3
    seconds: float = 5.0
    stale_reads: int = 1
    stale_seconds: float = 1.0
    throttle_every: int = 5
    api_seconds: float = 29.0
    clock: Callable[[], float] = time.monotonic


@dataclass(slots=True)
class Fault:
    """What the calls whose names match ``call`` (a shell pattern) get instead of their response.

    Args:
        call: a name of ``Call``, such as ``Lambda.Invoke`` or ``DynamoDB.*``.
        refusal: returns the response, such as ``throttled`` or ``failed``.
        times: how many calls fail.
        every: only each so manieth of those that match.
        after: whether the engine has done what was asked.
    """

    call: str
    refusal: Callable[[Call], Response]
    times: int = 1
    every: int = 1
    after: bool = False
    seen: int = field(default=0, init=False)

    def strikes(self, call: Call) -> bool:
        """Count a call that matches, and return whether it fails."""
        if not self.times or not fnmatchcase(call.name, self.call):
            return False
        self.seen += 1
        if self.seen % self.every:
            return False
        self.times -= 1
        return True


class Passing[T]:
    """Facts that pass by themselves: each is kept for so many looks at it and so many seconds."""

    def __init__(self, looks: int, seconds: float, clock: Callable[[], float]) -> None:
        self._looks = looks
        self._seconds = seconds
        self._clock = clock
        self._facts: dict[Hashable, tuple[T, int, float]] = {}
        self._lock = threading.Lock()

    def begin(self, key: Hashable, fact: T) -> None:
        """Keep a fact, in place of an older one; what is over is forgotten."""
        with self._lock:
            now = self._clock()
            self._facts = {each: kept for each, kept in self._facts.items() if kept[2] > now}
            if self._looks:
                self._facts[key] = fact, self._looks, now + self._seconds

    def look(self, key: Hashable, concerns: Callable[[T], bool] = lambda _: True) -> T | None:
        """Return a fact and count the look; return None if it is over, or doesn't concern who looks."""
        with self._lock:
            kept = self._facts.get(key)
            if kept is None or kept[2] <= self._clock() or not concerns(kept[0]):
                return None
            del self._facts[key]
            if kept[1] > 1:
                self._facts[key] = kept[0], kept[1] - 1, kept[2]
            return kept[0]

    def __bool__(self) -> bool:
        """Return whether anything is kept."""
        return bool(self._facts)
