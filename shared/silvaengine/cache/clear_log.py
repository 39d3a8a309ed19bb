"""Clear logs: which clears have made cached values invalid; nothing is searched and deleted.

Each cache has a log for all tenants, and one for each tenant. A log is a random epoch, the sequence of the
last full clear, and the patterns cleared since; each clear adds one to the sequence. A value's stamp is the
epochs and sequences that were read before its load began. It is valid while the epochs are the same, and no
later clear is full or has a pattern that matches it. No clocks are compared, so none can be wrong.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from os import urandom
from threading import Lock
from typing import Protocol

from silvaengine.cache.keys import compile_pattern, tenant_text
from silvaengine.named_tuple import NamedTuple

CLEAR_ATTEMPTS = 20  # some seconds, for a disk whose other writers are slow
MAX_PATTERNS = 64  # of a log; one more makes it a full clear
KEPT_LOGS = 2048  # bytes of both; with long patterns they have up to 64 KB
ALL_TENANTS = "*"  # instead of a tenant: the log for all of them


def tenant_or_all(tenant: str | None) -> str:
    """Return the tenant's part of keys, ``ALL_TENANTS`` for None."""
    return ALL_TENANTS if tenant is None else tenant_text(tenant)


def new_epoch() -> str:
    """Return a random epoch, for a log whose clears are unknown."""
    return urandom(8).hex()


class ClearLog(NamedTuple):
    """The clears of a cache, for one tenant or all: ``patterns[0]`` has the sequence ``full_clear + 1`` etc.

    As text it is a line ``epoch full_clear``, then a line for each pattern.
    """

    epoch: str
    full_clear: int = 0
    patterns: tuple[str, ...] = ()

    @property
    def sequence(self) -> int:
        """The sequence of the last clear."""
        return self.full_clear + len(self.patterns)

    def has_cleared(self, texts: Iterable[str], sequence: int) -> bool:
        """Return whether a clear after ``sequence`` matches one of the texts."""
        if sequence < self.full_clear:
            return True
        later = self.patterns[sequence - self.full_clear :]
        return bool(later) and any(compile_pattern(pattern)(text) for pattern in later for text in texts)

    def with_clear(self, pattern: str) -> "ClearLog":
        """Return the log after one more clear."""
        if pattern == "*" or len(self.patterns) >= MAX_PATTERNS:
            return ClearLog(self.epoch, self.sequence + 1)
        return ClearLog(self.epoch, self.full_clear, (*self.patterns, pattern))

    def encode(self) -> bytes:
        """Return the log as text."""
        return "\n".join((f"{self.epoch} {self.full_clear}", *self.patterns, "")).encode()

    @classmethod
    def decode(cls, text: bytes) -> "ClearLog":
        """Parse a log's text; raises ValueError."""
        head, *patterns, _ = text.decode().split("\n")
        epoch, full_clear = head.split(" ")
        return cls(epoch, int(full_clear), tuple(patterns))


@dataclass(frozen=True)
class ClearState:
    """Both logs that count for one tenant's values in a cache: that of all tenants, and its own."""

    everyone: ClearLog
    tenant: ClearLog

    @cached_property
    def stamp(self) -> bytes:
        """The stamp of a value whose load begins now."""
        logs = (self.everyone, self.tenant)
        return " ".join(f"{log.epoch} {log.sequence}" for log in logs).encode()

    @property
    def sequence(self) -> int:
        """The number of clears in both logs."""
        return self.everyone.sequence + self.tenant.sequence

    def is_valid(self, stamp: bytes, texts: Iterable[str]) -> bool:
        """Return whether no clear has ended a value with this stamp and these texts."""
        if stamp == self.stamp:
            return True
        try:
            seen = self._seen(stamp)
        except ValueError:
            return False
        return all(
            epoch == log.epoch and sequence <= log.sequence and not log.has_cleared(texts, sequence)
            for log, epoch, sequence in seen
        )

    def is_behind(self, stamp: bytes) -> bool:
        """Return whether the stamp has seen clears that the logs lack: their store has lost a write.

        Raises:
            ValueError: it isn't a stamp.
        """
        return any(
            epoch == log.epoch and sequence > log.sequence for log, epoch, sequence in self._seen(stamp)
        )

    def _seen(self, stamp: bytes) -> list[tuple[ClearLog, str, int]]:
        """Return both logs, each with the epoch and the sequence that the stamp has of it."""
        all_epoch, all_sequence, epoch, sequence = stamp.decode().split(" ")
        return [(self.everyone, all_epoch, int(all_sequence)), (self.tenant, epoch, int(sequence))]


def decode_state(everyone: bytes | None, tenant: bytes | None) -> ClearState:
    """Parse the texts of both logs; raises ValueError. They seldom change, and each hit in Redis has them."""
    everyone, tenant = everyone or b"", tenant or b""
    is_short = len(everyone) + len(tenant) <= KEPT_LOGS
    return (_short_state if is_short else _short_state.__wrapped__)(everyone, tenant)


@lru_cache(maxsize=1024)
def _short_state(everyone: bytes, tenant: bytes) -> ClearState:
    return ClearState(ClearLog.decode(everyone), ClearLog.decode(tenant))


class ClearLogStore(Protocol):
    """A store of clear logs. Every method raises TierError when it can't be reached."""

    fresh_seconds: float
    """How long a state may be used before it is read again."""

    def read(self, name: str, tenant: str) -> ClearState:
        """Return both logs of a tenant in a cache; a missing one is begun with a new epoch."""

    def clear(self, name: str, tenant: str, pattern: str) -> None:
        """Add a clear to the log of a tenant or ``ALL_TENANTS``."""

    def renew(self, name: str, tenant: str) -> None:
        """Begin both logs with new epochs, so that nothing older is valid."""

    def exists(self, name: str) -> bool:
        """Return whether the cache was ever used."""


class LogTexts(Protocol):
    """Logs' texts by cache and key, of one process or one host. Methods may raise TierError."""

    def read_text(self, name: str, key: str) -> bytes | None:
        """Return a text, None where there is none."""

    def update_text(
        self, name: str, key: str, update: Callable[[bytes | None], bytes], attempts: int = 1
    ) -> bytes:
        """Replace a text with what ``update`` makes of it, with no other writer in between, and return that.

        ``attempts`` is how often to wait for another writer's lock, each time for the tier's short timeout.
        """


class ProcessLogTexts:
    """Logs' texts in this process, where there is neither Redis nor a table nor a disk."""

    def __init__(self) -> None:
        self._texts: dict[tuple[str, str], bytes] = {}
        self._lock = Lock()

    def read_text(self, name: str, key: str) -> bytes | None:
        """See ``LogTexts``."""
        return self._texts.get((name, key))

    def update_text(
        self, name: str, key: str, update: Callable[[bytes | None], bytes], attempts: int = 1
    ) -> bytes:
        """See ``LogTexts``; the lock is never held for long."""
        del attempts
        with self._lock:
            text = self._texts[name, key] = update(self._texts.get((name, key)))
        return text


class LocalClearLogs:
    """Clear logs without Redis and a table: in this process, or on this host's disk."""

    def __init__(self, texts: LogTexts, fresh_seconds: float = 1.0) -> None:
        self.fresh_seconds = fresh_seconds
        self._texts = texts

    def read(self, name: str, tenant: str) -> ClearState:
        """See ``ClearLogStore``."""
        return ClearState(self._read_log(name, ALL_TENANTS), self._read_log(name, tenant))

    def clear(self, name: str, tenant: str, pattern: str) -> None:
        """See ``ClearLogStore``."""
        self._update(name, tenant, lambda text: _decode_or_begin(text).with_clear(pattern))

    def renew(self, name: str, tenant: str) -> None:
        """See ``ClearLogStore``."""
        for each in (ALL_TENANTS, tenant):
            self._update(name, each, lambda _: ClearLog(new_epoch()))

    def exists(self, name: str) -> bool:
        """See ``ClearLogStore``."""
        return self._texts.read_text(name, _key(ALL_TENANTS)) is not None

    def _update(self, name: str, tenant: str, update: Callable[[bytes | None], ClearLog]) -> None:
        self._texts.update_text(name, _key(tenant), lambda text: update(text).encode(), CLEAR_ATTEMPTS)

    def _read_log(self, name: str, tenant: str) -> ClearLog:
        text = self._texts.read_text(name, _key(tenant))
        if text is None or _decode_or_begin(text).encode() != text:
            text = self._texts.update_text(name, _key(tenant), lambda text: _decode_or_begin(text).encode())
        return _decode_or_begin(text)


def _key(tenant: str) -> str:
    return f"/{tenant}"


def _decode_or_begin(text: bytes | None) -> ClearLog:
    """Parse a log's text; begin a new log if there is none or it can't be parsed."""
    try:
        return ClearLog.decode(text or b"")
    except ValueError:
        return ClearLog(new_epoch())
