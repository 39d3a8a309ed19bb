"""The Redis tier: values, what was cleared, counters and locks of each cache, all of them in one slot.

A value and both generation records come in one round trip. The hash tag is the cache's name, so that on a
cluster they lie on one node: redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec.
"""

from collections.abc import Mapping
from functools import lru_cache
from os import urandom
from typing import NamedTuple

from silvaengine.cache.generations import (
    ALL_TENANTS,
    MARKER_LIMIT,
    Generation,
    Record,
    generation_of,
    new_epoch,
)
from silvaengine.redis.client import RedisClient, RedisClients, Reply
from silvaengine.redis.commands import (
    ACQUIRE,
    CLEAR,
    COUNT,
    FETCH,
    RELEASE,
    SET,
    TOKEN_BYTES,
    Command,
    pack_part,
)

RECORD_SECONDS = 31 * 86_400  # longer than any entry lives; a record that is gone ends them all
VALUE_LIMIT = 1_048_576  # bytes
SCAN_STEP = 1_000

type Found = tuple[bytes | None, float, Generation]
"""A value as it lies in Redis, None for none, the seconds that it has left there, and what was cleared."""


class _Place(NamedTuple):
    """Where a tenant's values lie: what keys of values and locks begin with, and others as they are sent."""

    client: RedisClient
    values: str
    locks: str
    records: bytes
    counters: bytes


class RedisTier:
    """See ``silvaengine.cache.generations.GenerationStore``; and the values.

    Args:
        clients: speak to Redis.
        prefix: what all keys begin with, so that several deployments can share it.
    """

    fresh_seconds = 1.0

    def __init__(self, clients: RedisClients, prefix: str) -> None:
        self.breaker = clients.breaker
        self._clients = clients
        self._prefix = prefix

    def fetch(self, name: str, tenant: str, text: str) -> Found:
        """Return a value and both records in one round trip; raises TierError."""
        client, values, _, records, _ = self._place(name, tenant)
        part = pack_part((key := values + text).encode())
        left, (value, whole, own) = client.exchange(key, FETCH % (part, part, records), 2)
        return value if left > 0 else None, left / 1000, self._generation(name, tenant, whole, own)

    def acquire(
        self, name: str, tenant: str, text: str, seconds: float, *, insists: bool = False
    ) -> tuple[bytes | None, bytes | None, float, Generation]:
        """Do the same, and take the value's lock where there is no value or, insisting, always.

        The owner's token stands before: empty where Redis takes no lock (it is full, or a replica), None
        where another has it or nobody needs it.
        """
        client, values, locks, records, _ = self._place(name, tenant)
        part = pack_part((key := values + text).encode())
        token, lock = urandom(TOKEN_BYTES), pack_part((locks + text).encode())
        lease = pack_part(b"%d" % (seconds * 1000))
        request = ACQUIRE % (part, lock, pack_part(token), lease, insists) + FETCH % (part, part, records)
        taken, left, (value, whole, own) = client.exchange(key, request, 3)
        held = token if taken == 1 else None if taken == 0 else b""
        generation = self._generation(name, tenant, whole, own)
        return held, value if left > 0 else None, left / 1000, generation

    def read(self, name: str, tenant: str) -> Generation:
        """Read both records, made with a new epoch where there is none."""
        ((whole, own),) = self._execute(name, ("MGET", *self._records(name, tenant)))
        return self._generation(name, tenant, whole, own)

    def clear(self, name: str, tenant: str, pattern: str) -> None:
        """Add a clear to a record."""
        limits = (MARKER_LIMIT, RECORD_SECONDS)
        self._execute(name, ("EVAL", CLEAR, 1, self._record(name, tenant), pattern, new_epoch(), *limits))

    def renew(self, name: str, tenant: str) -> None:
        """Return both records new epochs."""
        self._execute(name, *(self._creation(record) for record in self._records(name, tenant)))

    def knows(self, name: str) -> bool:
        """Return whether the cache was ever used."""
        return bool(self._execute(name, ("EXISTS", self._record(name, ALL_TENANTS)))[0])

    def store(
        self,
        name: str,
        tenant: str,
        text: str,
        value: bytes,
        seconds: float,
        counts: Mapping[str, int],
        token: bytes | None = None,
    ) -> None:
        """Keep a value of at most 1 MB, add to the counters, and give back a lock that is held.

        Raises:
            TierError: Redis is away, or refuses to write.
        """
        client, values, locks, _, counters = self._place(name, tenant)
        key = values + text
        requests = [
            COUNT % (counters, pack_part(what.encode()), pack_part(b"%d" % number))
            for what, number in counts.items()
        ]
        if len(value) <= VALUE_LIMIT:
            lasts = pack_part(b"%d" % max(1, int(seconds * 1000)))
            requests.append(SET % (pack_part(key.encode()), pack_part(value), lasts))
        if token:
            requests.append(_release(locks + text, token))
        if requests:
            client.exchange(key, b"".join(requests), len(requests))

    def delete(self, name: str, tenant: str, text: str) -> None:
        """Remove a value; raises TierError."""
        self._execute(name, ("DEL", self._place(name, tenant).values + text))

    def release(self, name: str, tenant: str, text: str, token: bytes) -> None:
        """Return the lock back, if it is still this owner's; raises TierError."""
        client, values, locks, _, _ = self._place(name, tenant)
        client.exchange(values + text, _release(locks + text, token), 1)

    def counts(self, name: str, tenant: str) -> dict[str, int]:
        """Return the fleet's counters; raises TierError."""
        (flat,) = self._execute(name, ("HGETALL", self._counters(name, tenant)))
        return {key.decode(): int(value) for key, value in zip(flat[::2], flat[1::2], strict=True)}

    def keys(self, name: str, tenant: str, limit: int) -> list[str]:
        """List up to so many keys of values, of one tenant or of all; walks the whole database."""
        begin = self._key(name, ":")
        pattern = begin if tenant == ALL_TENANTS else f"{begin}{tenant}:"
        cursor, found = b"0", set[str]()
        while len(found) < limit:
            ((cursor, page),) = self._execute(
                name, ("SCAN", cursor, "MATCH", f"{_literal(pattern)}*", "COUNT", SCAN_STEP)
            )
            found |= {key.decode().removeprefix(begin) for key in page}
            if cursor == b"0":
                break
        return sorted(found)[:limit]

    def _execute(self, name: str, *commands: Command) -> list[Reply]:
        return self._clients.of(name).execute(self._key(name, ""), *commands)

    def _generation(self, name: str, tenant: str, whole: bytes | None, own: bytes | None) -> Generation:
        if whole is None or own is None:
            records = self._records(name, tenant)
            creations = [(*self._creation(record), "NX") for record in records]
            whole, own = self._execute(name, *creations, ("MGET", *records))[-1]
        try:
            return generation_of(whole or b"", own or b"")
        except ValueError:  # something else lies in a record's place
            self.renew(name, tenant)
            (made,) = self._execute(name, ("MGET", *self._records(name, tenant)))
            return generation_of(*made)

    @lru_cache(maxsize=1024)  # noqa: B019 - the tier lives as long as the process
    def _place(self, name: str, tenant: str) -> _Place:
        records = b"".join(pack_part(record.encode()) for record in self._records(name, tenant))
        counters = pack_part(self._counters(name, tenant).encode())
        values, locks = self._key(name, f":{tenant}:"), self._key(name, f"!{tenant}:")
        return _Place(self._clients.of(name), values, locks, records, counters)

    def _creation(self, record: str) -> tuple[str | bytes | int, ...]:
        return ("SET", record, Record(new_epoch()).encode(), "EX", RECORD_SECONDS)

    def _records(self, name: str, tenant: str) -> tuple[str, str]:
        return self._record(name, ALL_TENANTS), self._record(name, tenant)

    def _record(self, name: str, owner: str) -> str:
        return self._key(name, f"/{owner}")

    def _counters(self, name: str, tenant: str) -> str:
        return self._key(name, f"#{tenant}")

    def _key(self, name: str, rest: str) -> str:
        return f"{self._prefix}cache:{{{name}}}{rest}"


def _release(lock: str, token: bytes) -> bytes:
    return RELEASE % (pack_part(lock.encode()), pack_part(token))


def _literal(text: str) -> str:
    return "".join(f"\\{character}" if character in "*?[]\\" else character for character in text)
