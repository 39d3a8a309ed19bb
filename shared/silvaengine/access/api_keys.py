"""API keys and their hashes: of ``sek_<id>.<secret>`` a row has the id and a digest of the secret.

The digest is an HMAC under a pepper that only the gateways and whoever creates keys may read, so that a copy
of the table opens nothing. A secret has 256 random bits: a slow hash would add cost, and no safety.
"""

import hmac
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from hashlib import sha256
from typing import Any

from silvaengine.aws.secrets import SecretLookup
from silvaengine.aws.table_client import open_table_writer
from silvaengine.clock import process_clock
from silvaengine.errors import SilvaEngineError
from silvaengine.lru import Budget, LruCache
from silvaengine.named_tuple import NamedTuple
from silvaengine.settings import Settings
from silvaengine.tables import CONFIG_DATA, DEFAULT_API_KEY, key_use_key

PREFIX = "sek_"
MAX_SECRETS = 2  # of a key: the new one, and the old one while it is being replaced
IMPLIED_SCOPES = frozenset({"invoke", "jobs"})  # of every key that is its own secret
SCOPES = ("invoke", "jobs", "cache:admin", "admin")
USE_SECONDS = 3600.0  # between two records of a key's use

_logger = logging.getLogger(__name__)


class KeyHash(NamedTuple):
    """A secret's digest, 64 hex digits, and the end of the secret in epoch seconds."""

    hash: str
    expires_at: float | None = None


def split_key(api_key: str) -> tuple[str, str]:
    """Return the key of an API key's row, and its secret; empty for a key that is its own secret."""
    if not api_key.startswith(PREFIX):
        return api_key, ""
    key_id, _, secret = api_key.partition(".")
    return key_id, secret


def key_digest(pepper: bytes, key_id: str, secret: str) -> str:
    """Return the digest of a secret for its key's row; another key's digest differs."""
    return hmac.new(pepper, f"{key_id}.{secret}".encode(), sha256).hexdigest()


def key_id_of(row_key: str) -> str:
    """Return a key's public name; of a key that is its own secret it is a digest."""
    if row_key == DEFAULT_API_KEY:
        return "public"
    if row_key.startswith(PREFIX):
        return row_key
    return f"key-{sha256(row_key.encode()).hexdigest()[:16]}"


def read_key_hashes(row: Mapping[str, Any]) -> tuple[KeyHash, ...]:
    """Return the hashes in a key row."""
    return tuple(KeyHash(each["hash"], each.get("expires_at")) for each in row.get("key_hashes") or ())


class ApiKeyVerifier:
    """Verifies the secrets of keys.

    Args:
        pepper: returns the pepper; called at the first use.
        clock: returns epoch seconds.
    """

    def __init__(self, pepper: Callable[[], bytes], clock: Callable[[], float] = time.time) -> None:
        self._pepper = pepper
        self._clock = clock

    def verify(self, hashes: Iterable[KeyHash], key_id: str, secret: str) -> bool:
        """Return whether a secret is one of a key's, in constant time; an unknown key takes the same work."""
        digest = key_digest(self._pepper(), key_id, secret)
        matches = [hmac.compare_digest(each.hash, digest) and self._is_current(each) for each in hashes]
        return any(matches)

    def is_current(self, hashes: Iterable[KeyHash]) -> bool:
        """Return whether any of a key's secrets has not ended."""
        return any(map(self._is_current, hashes))

    def _is_current(self, key_hash: KeyHash) -> bool:
        return key_hash.expires_at is None or self._clock() < key_hash.expires_at


class KeyUsage:
    """Records when keys were used, each at most once an hour in this process.

    Args:
        write: records the use of a key, by the endpoint of its row.
        budget: bounds what is known of them; a use that was forgotten is recorded again.
        clock: returns seconds that go on in a freeze.
    """

    def __init__(
        self,
        write: Callable[[str, str], object],
        budget: Budget | int,
        clock: Callable[[], float] = process_clock,
    ) -> None:
        self._write = write
        self._recent = LruCache(USE_SECONDS, budget, clock)

    def record(self, key_row_endpoint: str, key_id: str) -> None:
        """Record a use, unless that was done within the hour; a failure is only logged."""
        self._recent.get_or_load((key_row_endpoint, key_id), lambda: self._record(key_row_endpoint, key_id))

    def _record(self, key_row_endpoint: str, key_id: str) -> bool:
        try:
            self._write(key_row_endpoint, key_id)
        except SilvaEngineError as error:
            _logger.warning("The use of key %s was not recorded: %s", key_id, error.detail or error.message)
        return True


def open_api_key_verifier(pepper: str | None, lookups: Mapping[str, SecretLookup]) -> ApiKeyVerifier | None:
    """Return the verifier under a pepper, which is read once; None without a pepper.

    Args:
        pepper: a name in Secrets Manager, or a reference such as ``ssm:/path``.
        lookups: the readers of referenced secrets, by scheme.
    """
    if pepper is None:
        return None

    @cache
    def read() -> bytes:
        scheme, _, name = pepper.partition(":")
        return (lookups[scheme](name) if scheme in lookups else lookups["secretsmanager"](pepper)).encode()

    return ApiKeyVerifier(read)


def open_key_usage(settings: Settings, budget: Budget) -> KeyUsage:
    """Return the record of uses in the table of settings, where the gateways may write these rows."""
    writer = open_table_writer(settings)

    def write(key_row_endpoint: str, key_id: str) -> None:
        values = {"value": int(time.time())}
        writer.update(
            CONFIG_DATA, key_use_key(key_row_endpoint, key_id), "SET #value = :value", values=values
        )

    return KeyUsage(write, budget)
