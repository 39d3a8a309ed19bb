"""The fence: checks cached values against the clears that this process knows, also while a store fails."""

import logging
import time
from collections import deque
from collections.abc import Callable
from math import inf
from threading import Lock
from weakref import WeakSet, WeakValueDictionary

from silvaengine.cache.clear_log import ALL_TENANTS, ClearLogStore, ClearState
from silvaengine.cache.keys import compile_pattern, tenant_text
from silvaengine.cache.memory import CacheEntry, MemoryTier, TenantView
from silvaengine.redis.breaker import TierError

UNFENCED_SECONDS = 60.0  # how long memory is used while the clear logs can't be read
RETRY_SECONDS = 1.0  # until the next attempt to read them
KEPT_VIEWS = 4096  # with their counters, beside those that an entry in memory or a look-up has
DRIFT_SECONDS = 1.0  # between date and monotonic clock; more means that the process was frozen

_logger = logging.getLogger(__name__)


class Fence:
    """Ends entries in memory as clears become known, and checks those of the other tiers.

    It reads the logs at each invocation if they cost no extra round trip (``per_invocation``). ``clock`` is
    in monotonic seconds, ``date`` in epoch seconds.
    """

    def __init__(
        self,
        memory: MemoryTier,
        store: ClearLogStore,
        *,
        per_invocation: bool,
        clock: Callable[[], float] = time.monotonic,
        date: Callable[[], float] = time.time,
    ) -> None:
        self._memory = memory
        self._store = store
        self._per_invocation = per_invocation
        self._clock = clock
        self._date = date
        self._gap = date() - clock()
        self._views = WeakValueDictionary[tuple[str, str], TenantView]()
        self._latest = deque[TenantView](maxlen=KEPT_VIEWS)
        self._fresh = WeakSet[TenantView]()
        self._lock = Lock()
        self._floor = -inf  # reads that began earlier may lack this process's last clear

    def view(self, name: str, tenant: str) -> TenantView:
        """Return a tenant's part of a cache."""
        view = self._views.get((name, tenant))
        if view is None:
            with self._lock:
                view = self._views.setdefault((name, tenant), TenantView(name, tenant_text(tenant)))
                self._latest.append(view)
        return view

    def views(self, name: str, tenant: str) -> list[TenantView]:
        """Return the parts of a cache that this process has used, of a tenant or ``ALL_TENANTS``."""
        return [
            view
            for view in list(self._views.values())
            if view.name == name and tenant in (ALL_TENANTS, view.tenant)
        ]

    def begin(self) -> None:
        """Begin an invocation: have the logs read again, with Redis always, else only after a freeze.

        The monotonic clock may stop while a Lambda is frozen; the date doesn't, so the two drift apart.
        """
        gap = self._date() - self._clock()
        if self._per_invocation or abs(gap - self._gap) > DRIFT_SECONDS:
            with self._lock:
                self._floor = self._clock()
                for view in self._fresh:
                    view.until = -inf
                self._fresh.clear()
        self._gap = gap

    def refresh(self, view: TenantView) -> None:
        """Read the clear logs, unless what is known is still fresh."""
        started = self._clock()
        if started < view.until:
            return
        try:
            state = self._store.read(view.name, view.tenant)
        except TierError:
            self.mark_unreadable(view)
        else:
            self.apply(view, state, started)

    def apply(self, view: TenantView, state: ClearState, started: float) -> None:
        """Apply the result of a read that began at ``started``, and end the entries that were cleared."""
        with self._lock:
            if started < view.confirmed or started < self._floor:
                return  # a later read was faster, or a clear came in between
            previous = view.state
            is_new = state != previous
            is_behind = is_new and previous is not None and state.is_behind(previous.stamp)
            if not is_behind:
                view.confirmed = started
                view.is_readable = True
                if is_new:
                    self._set_state(view, state)
                view.until = started + self._store.fresh_seconds
                self._fresh.add(view)
        if is_behind:
            self._renew(view)

    def _set_state(self, view: TenantView, state: ClearState) -> None:
        view.state = state
        self._memory.drop_if(lambda entry: entry.view is view and not view.is_valid(entry.stamp, entry.texts))

    def mark_unreadable(self, view: TenantView) -> None:
        """Go on with what is known, for at most a minute since it was confirmed."""
        view.count("generation_errors")
        if view.is_readable:
            view.is_readable = False
            self._end_by(view, view.confirmed + UNFENCED_SECONDS)
        view.until = self._clock() + RETRY_SECONDS

    def _end_by(self, view: TenantView, end: float) -> None:
        for entry in list(self._memory.entries.values()):
            if entry.view is view:
                entry.until, entry.end = min(entry.until, end), min(entry.end, end)

    def accepts(self, view: TenantView, stamp: bytes, texts: tuple[str, ...]) -> bool:
        """Return whether another tier's value is valid; raises ValueError for a malformed stamp."""
        state = view.state
        longest = max(UNFENCED_SECONDS, self._store.fresh_seconds)
        if state is None or self._clock() > view.confirmed + longest:
            return False
        if state.is_valid(stamp, texts):
            return True
        if state.is_behind(stamp):
            self._renew(view)
        return False

    def _renew(self, view: TenantView) -> None:
        """Begin new epochs: the store has lost a clear, so nothing older can be trusted."""
        try:
            self._store.renew(view.name, view.tenant)
        except TierError:
            self.mark_unreadable(view)
        view.state = None
        view.until = -inf
        self._memory.drop_if(lambda entry: entry.view is view)

    def clear(self, name: str, tenant: str, pattern: str) -> bool:
        """End what matches, here and everywhere; return whether the store acknowledged it.

        ``tenant`` may be ``ALL_TENANTS``.
        """
        matches = compile_pattern(pattern)

        def is_cleared(entry: CacheEntry) -> bool:
            view = entry.view
            return (
                view.name == name and tenant in (ALL_TENANTS, view.tenant) and any(map(matches, entry.texts))
            )

        try:
            self._store.clear(name, tenant, pattern)
        except TierError as error:
            _logger.warning("A clear of cache %r could not be recorded in any store: %s", name, error)
            return False
        finally:
            with self._lock:
                self._floor = self._clock()
                for view in self.views(name, tenant):
                    view.until = -inf
            self._memory.drop_if(is_cleared)
        return True

    def replace_store(self, store: ClearLogStore) -> None:
        """Use another store from now on, and forget what is known."""
        self._store = store
        self._views.clear()
        self._latest.clear()
        self._fresh.clear()

    def exists(self, name: str) -> bool:
        """Return whether a cache was ever used; raises TierError when the store can't be reached."""
        return self._store.exists(name)
