"""The Redis tier: values, clear logs, counters and locks of each cache.

A value and both clear logs take one round trip. The hash tag is the cache's name, so that on a cluster they
are in one slot, on one node: redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec.
"""

from collections.abc import Mapping
from functools import lru_cache
from os import urandom
from typing import NamedTuple

from silvaengine.cache.clear_log import (
    ALL_TENANTS,
    MAX_PATTERNS,
    ClearLog,
    ClearState,
    decode_state,
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

LOG_SECONDS = 31 * 86_400  # longer than any entry lives; a log that is gone ends them all
MAX_VALUE = 1_048_576  # bytes
SCAN_STEP = 1_000

type Found = tuple[bytes | None, float, ClearState]
"""A value as it is in Redis, None for none, the seconds that it has left there, and the clear state."""


class _Keys(NamedTuple):
    """A tenant's keys in a cache: prefixes for values and locks; those of logs and counters packed."""

    client: RedisClient
    values: str
    locks: str
    logs: bytes
    counters: bytes


class RedisTier:
    """Values, and a ``silvaengine.cache.clear_log.ClearLogStore``.

    Args:
        clients: the connections to Redis.
        prefix: of all keys, so that several deployments can share one Redis.
    """

    fresh_seconds = 1.0

    def __init__(self, clients: RedisClients, prefix: str) -> None:
        self.breaker = clients.breaker
        self._clients = clients
        self._prefix = prefix

    def fetch(self, name: str, tenant: str, text: str) -> Found:
        """Return a value and the clear state in one round trip; raises TierError."""
        client, values, _, logs, _ = self._keys(name, tenant)
        part = pack_part((key := values + text).encode())
        left, (value, everyone, own) = client.exchange(key, FETCH % (part, part, logs), 2)
        return value if left > 0 else None, left / 1000, self._state(name, tenant, everyone, own)

    def acquire(
        self, name: str, tenant: str, text: str, seconds: float, *, force_lock: bool = False
    ) -> tuple[bytes | None, bytes | None, float, ClearState]:
        """Do the same, and take the value's lock where there is no value or, if forced, always.

        The lock's token comes first: empty where Redis takes no lock (it is full, or a replica), None where
        another process has it or there is a value.
        """
        client, values, locks, logs, _ = self._keys(name, tenant)
        part = pack_part((key := values + text).encode())
        token, lock = urandom(TOKEN_BYTES), pack_part((locks + text).encode())
        lease = pack_part(b"%d" % (seconds * 1000))
        request = ACQUIRE % (part, lock, pack_part(token), lease, force_lock) + FETCH % (part, part, logs)
        result, left, (value, everyone, own) = client.exchange(key, request, 3)
        held = token if result == 1 else None if result == 0 else b""
        state = self._state(name, tenant, everyone, own)
        return held, value if left > 0 else None, left / 1000, state

    def read(self, name: str, tenant: str) -> ClearState:
        """See ``ClearLogStore``."""
        ((everyone, own),) = self._execute(name, ("MGET", *self._log_keys(name, tenant)))
        return self._state(name, tenant, everyone, own)

    def clear(self, name: str, tenant: str, pattern: str) -> None:
        """See ``ClearLogStore``."""
        limits = (MAX_PATTERNS, LOG_SECONDS)
        self._execute(name, ("EVAL", CLEAR, 1, self._log_key(name, tenant), pattern, new_epoch(), *limits))

    def renew(self, name: str, tenant: str) -> None:
        """See ``ClearLogStore``."""
        self._execute(name, *(self._begin_log(key) for key in self._log_keys(name, tenant)))

    def exists(self, name: str) -> bool:
        """See ``ClearLogStore``."""
        return bool(self._execute(name, ("EXISTS", self._log_key(name, ALL_TENANTS)))[0])

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
        """Store a value of at most 1 MB, add to the counters, and release the lock if it is held.

        Raises:
            TierError: Redis can't be reached, or refuses to write.
        """
        client, values, locks, _, counters = self._keys(name, tenant)
        key = values + text
        requests = [
            COUNT % (counters, pack_part(counter.encode()), pack_part(b"%d" % number))
            for counter, number in counts.items()
        ]
        if len(value) <= MAX_VALUE:
            lifetime = pack_part(b"%d" % max(1, int(seconds * 1000)))
            requests.append(SET % (pack_part(key.encode()), pack_part(value), lifetime))
        if token:
            requests.append(_release(locks + text, token))
        if requests:
            client.exchange(key, b"".join(requests), len(requests))

    def delete(self, name: str, tenant: str, text: str) -> None:
        """Delete a value; raises TierError."""
        self._execute(name, ("DEL", self._keys(name, tenant).values + text))

    def release(self, name: str, tenant: str, text: str, token: bytes) -> None:
        """Release a lock if it still has this token; raises TierError."""
        client, values, locks, _, _ = self._keys(name, tenant)
        client.exchange(values + text, _release(locks + text, token), 1)

    def counts(self, name: str, tenant: str) -> dict[str, int]:
        """Return the fleet's counters; raises TierError."""
        (flat,) = self._execute(name, ("HGETALL", self._counters(name, tenant)))
        return {key.decode(): int(value) for key, value in zip(flat[::2], flat[1::2], strict=True)}

    def keys(self, name: str, tenant: str, limit: int) -> list[str]:
        """Return up to ``limit`` keys of values, of a tenant or ``ALL_TENANTS``; scans the whole database."""
        start = self._key(name, ":")
        prefix = start if tenant == ALL_TENANTS else f"{start}{tenant}:"
        cursor, keys = b"0", set[str]()
        while len(keys) < limit:
            ((cursor, page),) = self._execute(
                name, ("SCAN", cursor, "MATCH", f"{_escape_glob(prefix)}*", "COUNT", SCAN_STEP)
            )
            keys |= {key.decode().removeprefix(start) for key in page}
            if cursor == b"0":
                break
        return sorted(keys)[:limit]

    def _execute(self, name: str, *commands: Command) -> list[Reply]:
        return self._clients.of(name).execute(self._key(name, ""), *commands)

    def _state(self, name: str, tenant: str, everyone: bytes | None, own: bytes | None) -> ClearState:
        if everyone is None or own is None:
            keys = self._log_keys(name, tenant)
            commands = [(*self._begin_log(key), "NX") for key in keys]
            everyone, own = self._execute(name, *commands, ("MGET", *keys))[-1]
        try:
            return decode_state(everyone or b"", own or b"")
        except ValueError:  # the keys hold something else
            self.renew(name, tenant)
            (logs,) = self._execute(name, ("MGET", *self._log_keys(name, tenant)))
            return decode_state(*logs)

    @lru_cache(maxsize=1024)  # noqa: B019 - the tier lives as long as the process
    def _keys(self, name: str, tenant: str) -> _Keys:
        logs = b"".join(pack_part(key.encode()) for key in self._log_keys(name, tenant))
        counters = pack_part(self._counters(name, tenant).encode())
        values, locks = self._key(name, f":{tenant}:"), self._key(name, f"!{tenant}:")
        return _Keys(self._clients.of(name), values, locks, logs, counters)

    def _begin_log(self, key: str) -> tuple[str | bytes | int, ...]:
        return ("SET", key, ClearLog(new_epoch()).encode(), "EX", LOG_SECONDS)

    def _log_keys(self, name: str, tenant: str) -> tuple[str, str]:
        return self._log_key(name, ALL_TENANTS), self._log_key(name, tenant)

    def _log_key(self, name: str, tenant: str) -> str:
        return self._key(name, f"/{tenant}")

    def _counters(self, name: str, tenant: str) -> str:
        return self._key(name, f"#{tenant}")

    def _key(self, name: str, rest: str) -> str:
        return f"{self._prefix}cache:{{{name}}}{rest}"


def _release(lock: str, token: bytes) -> bytes:
    return RELEASE % (pack_part(lock.encode()), pack_part(token))


def _escape_glob(text: str) -> str:
    return "".join(f"\\{character}" if character in "*?[]\\" else character for character in text)
