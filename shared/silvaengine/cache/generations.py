"""Which entries a clear has ended: a record for each cache and for each tenant in it, and nothing to scan.

A record is a random epoch, the sequence of the last whole clear, and the patterns cleared since; each clear
adds one to the sequence. An entry carries the epochs and sequences that were read before its load began. It
lives while the epochs are the same, no whole clear is younger and no younger pattern matches it. No clock is
compared, so that none can be wrong.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from os import urandom
from threading import Lock
from typing import Protocol

from silvaengine.cache.keys import matcher, tenant_text

CLEAR_ATTEMPTS = 20  # a clear is worth some seconds where a folder's other writers are slow
MARKER_LIMIT = 64  # patterns that a record holds; one more makes it a whole clear
ALL_TENANTS = "*"  # in the place of a tenant: the record of the whole cache


def owner_text(tenant: str | None) -> str:
    """Return whose record is meant: a tenant's or, with None, the whole cache's."""
    return ALL_TENANTS if tenant is None else tenant_text(tenant)


def new_epoch() -> str:
    """Return a random epoch: what a record that was lost had said isn't known any more."""
    return urandom(8).hex()


@dataclass(frozen=True)
class Record:
    """What was cleared: ``markers[0]`` has the sequence ``cleared + 1``, and so on.

    Its text is a line ``epoch cleared`` and a line for each pattern; every store keeps that form or these
    members.
    """

    epoch: str
    cleared: int = 0
    markers: tuple[str, ...] = ()

    @property
    def sequence(self) -> int:
        """The sequence of the latest clear."""
        return self.cleared + len(self.markers)

    def ended(self, sequence: int, texts: Iterable[str]) -> bool:
        """Return whether a clear younger than ``sequence`` is about one of the texts."""
        if sequence < self.cleared:
            return True
        younger = self.markers[sequence - self.cleared :]
        return bool(younger) and any(matcher(pattern)(text) for pattern in younger for text in texts)

    def with_clear(self, pattern: str) -> "Record":
        """Return the record after a clear of what matches the pattern."""
        if pattern == "*" or len(self.markers) >= MARKER_LIMIT:
            return Record(self.epoch, self.sequence + 1)
        return Record(self.epoch, self.cleared, (*self.markers, pattern))

    def encode(self) -> bytes:
        """Return the record's text."""
        return "\n".join((f"{self.epoch} {self.cleared}", *self.markers, "")).encode()

    @classmethod
    def decode(cls, text: bytes) -> "Record":
        """Read a record's text; raises ValueError."""
        head, *markers, _ = text.decode().split("\n")
        epoch, cleared = head.split(" ")
        return cls(epoch, int(cleared), tuple(markers))


@dataclass(frozen=True)
class Generation:
    """What is known of one tenant's part of a cache: the whole cache's record and the tenant's own."""

    whole: Record
    own: Record

    @cached_property
    def stamp(self) -> bytes:
        """What an entry carries whose load begins now."""
        records = (self.whole, self.own)
        return " ".join(f"{record.epoch} {record.sequence}" for record in records).encode()

    @property
    def sequence(self) -> int:
        """How many clears the two records tell of."""
        return self.whole.sequence + self.own.sequence

    def holds(self, stamp: bytes, texts: Iterable[str]) -> bool:
        """Return whether an entry with this stamp and these texts still lives."""
        if stamp == self.stamp:
            return True
        try:
            whole_epoch, whole, own_epoch, own = stamp.decode().split(" ")
            sequences = (int(whole), int(own))
        except ValueError:
            return False
        records = (self.whole, self.own)
        return (whole_epoch, own_epoch) == (self.whole.epoch, self.own.epoch) and not any(
            sequence > record.sequence or record.ended(sequence, texts)
            for sequence, record in zip(sequences, records, strict=True)
        )

    def is_behind(self, stamp: bytes) -> bool:
        """Return whether the stamp knows of clears that the records don't: their store lost a write."""
        parts = stamp.split(b" ")
        return len(parts) == 4 and any(
            epoch == record.epoch.encode() and int(sequence) > record.sequence
            for epoch, sequence, record in (
                (parts[0], parts[1], self.whole),
                (parts[2], parts[3], self.own),
            )
        )


@lru_cache(maxsize=4096)
def generation_of(whole: bytes, own: bytes) -> Generation:
    """Read the texts of both records; raises ValueError. The same texts give the same object."""
    return Generation(Record.decode(whole), Record.decode(own))


class GenerationStore(Protocol):
    """Where the records are kept. Every method raises TierError when they can't be reached."""

    fresh_seconds: float
    """How long what was read may be relied on before it is read again."""

    def read(self, name: str, tenant: str) -> Generation:
        """Read both records, made with a new epoch where there is none."""
        ...

    def clear(self, name: str, tenant: str, pattern: str) -> None:
        """Add a clear to a record; ``ALL_TENANTS`` for the whole cache's."""
        ...

    def renew(self, name: str, tenant: str) -> None:
        """Return both records new epochs: nothing older lives on."""
        ...

    def knows(self, name: str) -> bool:
        """Return whether the cache was ever used."""
        ...


class Records(Protocol):
    """What keeps records' texts by cache and key for one process or one host; it may raise TierError."""

    def record(self, name: str, key: str) -> bytes | None:
        """Return a text."""
        ...

    def change(
        self, name: str, key: str, change: Callable[[bytes | None], bytes], attempts: int = 1
    ) -> bytes:
        """Put what ``change`` makes of a text in its place, with no other writer in between.

        Args:
            name: of the cache.
            key: of the text.
            change: makes the new text.
            attempts: how often to wait for another writer's lock, a tier's short timeout each.
        """
        ...


class ProcessRecords:
    """Records in this process, for what has neither Redis nor a table nor a disk."""

    def __init__(self) -> None:
        self._texts: dict[tuple[str, str], bytes] = {}
        self._lock = Lock()

    def record(self, name: str, key: str) -> bytes | None:
        """See ``Records``."""
        return self._texts.get((name, key))

    def change(
        self, name: str, key: str, change: Callable[[bytes | None], bytes], attempts: int = 1
    ) -> bytes:
        """See ``Records``; the lock is never held for long."""
        del attempts
        with self._lock:
            changed = self._texts[name, key] = change(self._texts.get((name, key)))
        return changed


class LocalGenerations:
    """The records where there is neither Redis nor a table: in this process, or in a folder of this host.

    Args:
        records: keeps them.
        fresh_seconds: see ``GenerationStore``.
    """

    def __init__(self, records: Records, fresh_seconds: float = 1.0) -> None:
        self.fresh_seconds = fresh_seconds
        self._records = records

    def read(self, name: str, tenant: str) -> Generation:
        """See ``GenerationStore``."""
        return Generation(*(self._record(name, owner) for owner in (ALL_TENANTS, tenant)))

    def clear(self, name: str, tenant: str, pattern: str) -> None:
        """See ``GenerationStore``."""
        self._change(name, tenant, lambda text: _readable(text).with_clear(pattern))

    def renew(self, name: str, tenant: str) -> None:
        """See ``GenerationStore``."""
        for owner in (ALL_TENANTS, tenant):
            self._change(name, owner, lambda _: Record(new_epoch()))

    def knows(self, name: str) -> bool:
        """See ``GenerationStore``."""
        return self._records.record(name, _key(ALL_TENANTS)) is not None

    def _change(self, name: str, owner: str, change: Callable[[bytes | None], Record]) -> None:
        self._records.change(name, _key(owner), lambda text: change(text).encode(), CLEAR_ATTEMPTS)

    def _record(self, name: str, owner: str) -> Record:
        text = self._records.record(name, _key(owner))
        if text is None or _readable(text).encode() != text:
            text = self._records.change(name, _key(owner), lambda text: _readable(text).encode())
        return _readable(text)


def _key(owner: str) -> str:
    return f"/{owner}"


def _readable(text: bytes | None) -> Record:
    """Read a record's text; in the place of none, or of something else, begins a new one."""
    try:
        return Record.decode(text or b"")
    except ValueError:
        return Record(new_epoch())
