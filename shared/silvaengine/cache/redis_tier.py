"""The Redis tier: values, clear logs, counters and locks of each cache.

A value and both clear logs take one round trip. The hash tag is the cache's name, so that on a cluster they
are in one slot, on one node: redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from os import urandom

from silvaengine.cache.clear_log import (
    ALL_TENANTS,
    MAX_PATTERNS,
    ClearLog,
    ClearState,
    decode_state,
    new_epoch,
)
from silvaengine.redis.breaker import TierError
from silvaengine.redis.client import RedisClients, escape_glob, reads_replies
from silvaengine.redis.commands import CLEAR, LOCK, UNLOCK, Command, Reply

TOKEN_BYTES = 16  # of a lock's owner
LOG_SECONDS = 31 * 86_400  # longer than any entry lives; a log that is gone ends them all
MAX_VALUE = 1_048_576  # bytes

type Found = tuple[bytes | None, float, ClearState]
"""A value as it is in Redis, None for none, the seconds that it has left there, and the clear state."""


class RedisTier:
    """Values, and a ``silvaengine.cache.clear_log.ClearLogStore``.

    All keys begin with ``prefix``, so that several deployments can share one Redis.
    """

    fresh_seconds = 1.0

    def __init__(self, clients: RedisClients, prefix: str) -> None:
        self.breaker = clients.breaker
        self._clients = clients
        self._is_cluster = clients.is_cluster
        self._prefix = prefix

    @reads_replies
    def fetch(self, name: str, tenant: str, text: str) -> Found:
        """Return a value and the clear state in one round trip; raises TierError."""
        return self._found(name, tenant, self._execute(name, *self._fetch(name, tenant, text)))

    @reads_replies
    def acquire(
        self, name: str, tenant: str, text: str, seconds: float, *, force_lock: bool = False
    ) -> tuple[bytes | None, Found]:
        """Do the same, and take the value's lock where there is no value or, if forced, always.

        The lock's token comes first: empty where Redis takes no lock (it is full, or a replica, or moves the
        slot), None where another process has it or there is a value.
        """
        token, lease = urandom(TOKEN_BYTES), int(seconds * 1000)
        keys = self._value_key(name, tenant, text), self._lock_key(name, tenant, text)
        lock = ("EVAL", LOCK, 2, *keys, token, lease, int(force_lock))
        try:
            result, *replies = self._execute(name, lock, *self._fetch(name, tenant, text))
        except TierError:  # a cluster's slot that moves may have the script's two keys on two nodes
            return b"", self.fetch(name, tenant, text)
        held = token if result == 1 else None if result == 0 else b""
        return held, self._found(name, tenant, replies)

    def _fetch(self, name: str, tenant: str, text: str) -> list[Command]:
        key = self._value_key(name, tenant, text)
        return [("PTTL", key), *self._read(key, *self._log_keys(name, tenant))]

    def _found(self, name: str, tenant: str, replies: Sequence[Reply]) -> Found:
        left, (value, everyone, own) = replies[0], _texts(replies[1:])
        return value if left > 0 else None, left / 1000, self._state(name, tenant, everyone, own)

    @reads_replies
    def read(self, name: str, tenant: str) -> ClearState:
        """See ``ClearLogStore``."""
        return self._state(name, tenant, *self._logs(name, tenant))

    def clear(self, name: str, tenant: str, pattern: str) -> None:
        """See ``ClearLogStore``."""
        limits = (MAX_PATTERNS, LOG_SECONDS)
        self._execute(name, ("EVAL", CLEAR, 1, self._log_key(name, tenant), pattern, new_epoch(), *limits))

    def renew(self, name: str, tenant: str) -> None:
        """See ``ClearLogStore``."""
        self._execute(name, *(self._begin_log(key) for key in self._log_keys(name, tenant)))

    @reads_replies
    def exists(self, name: str) -> bool:
        """See ``ClearLogStore``."""
        (number,) = self._execute(name, ("EXISTS", self._log_key(name, ALL_TENANTS)))
        return bool(number > 0)

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
        counters = self._counters(name, tenant)
        commands: list[Command] = [
            ("HINCRBY", counters, counter, number) for counter, number in counts.items()
        ]
        if len(value) <= MAX_VALUE:
            key, lifetime = self._value_key(name, tenant, text), max(1, int(seconds * 1000))
            commands.append(("SET", key, value, "PX", lifetime))
        if token:
            commands.append(self._release(name, tenant, text, token))
        if commands:
            self._execute(name, *commands)

    def delete(self, name: str, tenant: str, text: str) -> None:
        """Delete a value; raises TierError."""
        self._execute(name, ("DEL", self._value_key(name, tenant, text)))

    def release(self, name: str, tenant: str, text: str, token: bytes) -> None:
        """Release a lock if it still has this token; raises TierError."""
        self._execute(name, self._release(name, tenant, text, token))

    def _release(self, name: str, tenant: str, text: str, token: bytes) -> Command:
        return ("EVAL", UNLOCK, 1, self._lock_key(name, tenant, text), token)

    @reads_replies
    def counts(self, name: str, tenant: str) -> dict[str, int]:
        """Return the fleet's counters; raises TierError."""
        (flat,) = self._execute(name, ("HGETALL", self._counters(name, tenant)))
        return {key.decode(): int(value) for key, value in zip(flat[::2], flat[1::2], strict=True)}

    @reads_replies
    def keys(self, name: str, tenant: str, limit: int) -> list[str]:
        """Return up to ``limit`` keys of values, of a tenant or ``ALL_TENANTS``; scans the whole database."""
        start = self._key(name, ":")
        prefix = start if tenant == ALL_TENANTS else f"{start}{tenant}:"
        keys = set[str]()
        for key in self._clients.of(name).scan(f"{escape_glob(prefix)}*"):
            keys.add(key.removeprefix(start))
            if len(keys) == limit:
                break
        return sorted(keys)

    def _execute(self, name: str, *commands: Command) -> list[Reply]:
        return self._clients.of(name).execute(self._key(name, ""), *commands)

    def _state(self, name: str, tenant: str, everyone: bytes | None, own: bytes | None) -> ClearState:
        if everyone is None or own is None:
            new = [(*self._begin_log(key), "NX") for key in self._log_keys(name, tenant)]
            everyone, own = self._logs(name, tenant, *new)
        try:
            return decode_state(everyone, own)
        except ValueError:  # the keys hold something else
            self.renew(name, tenant)
            return decode_state(*self._logs(name, tenant))

    def _logs(self, name: str, tenant: str, *before: Command) -> list[bytes | None]:
        """Return both clear logs, None for none, after executing other commands."""
        commands = [*before, *self._read(*self._log_keys(name, tenant))]
        return _texts(self._execute(name, *commands)[len(before) :])

    def _read(self, *keys: str) -> list[Command]:
        """Return the command that reads keys; on a cluster one for each, which it may redirect by itself."""
        return [("MGET", key) for key in keys] if self._is_cluster else [("MGET", *keys)]

    def _begin_log(self, key: str) -> tuple[str | bytes | int, ...]:
        return ("SET", key, ClearLog(new_epoch()).encode(), "EX", LOG_SECONDS)

    def _value_key(self, name: str, tenant: str, text: str) -> str:
        return self._key(name, f":{tenant}:{text}")

    def _lock_key(self, name: str, tenant: str, text: str) -> str:
        return self._key(name, f"!{tenant}:{text}")

    def _log_keys(self, name: str, tenant: str) -> tuple[str, str]:
        return self._log_key(name, ALL_TENANTS), self._log_key(name, tenant)

    def _log_key(self, name: str, tenant: str) -> str:
        return self._key(name, f"/{tenant}")

    def _counters(self, name: str, tenant: str) -> str:
        return self._key(name, f"#{tenant}")

    def _key(self, name: str, rest: str) -> str:
        return f"{self._prefix}cache:{{{name}}}{rest}"


def _texts(replies: Sequence[Reply]) -> list[bytes | None]:
    """Return the values in the replies to ``MGET``; raises TypeError."""
    texts = list(chain(*replies))
    if not {bytes, type(None)}.issuperset(map(type, texts)):
        raise TypeError
    return texts
