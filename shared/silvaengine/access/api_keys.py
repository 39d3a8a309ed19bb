"""API keys whose rows hold no secret: of ``sek_<id>.<secret>`` a row has the id and a digest of the secret.

The digest is an HMAC under a pepper that only the gateways and whoever makes keys may read, so that a copy of
the table opens nothing. A secret has 256 random bits: a slow hash would add cost, and no safety.
"""

import hmac
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from hashlib import sha256
from typing import Any, NamedTuple

from silvaengine.aws.secrets import SecretLookup
from silvaengine.aws.table_client import open_table_writer
from silvaengine.errors import SilvaEngineError
from silvaengine.lru import LruCache
from silvaengine.settings import Settings
from silvaengine.tables import CONFIG_DATA, DEFAULT_API_KEY, key_use_key

PREFIX = "sek_"
ACTIVE = 2  # secrets that a key has at the most: the new one, and the old one while it is being replaced
IMPLIED_SCOPES = frozenset({"invoke", "jobs"})  # what a key that is its own secret may do unasked
SCOPES = ("invoke", "jobs", "cache:admin", "admin")
USE_SECONDS = 3600.0  # between two notes of a key's use
MAX_USES = 4096

_logger = logging.getLogger(__name__)


class KeyHash(NamedTuple):
    """A secret's digest, 64 hex digits, and when it ends, in epoch seconds."""

    hash: str
    expires_at: float | None = None


def split_key(api_key: str) -> tuple[str, str | None]:
    """Return what a key's row is named by, and the secret; None for a key that is its own secret."""
    if not api_key.startswith(PREFIX):
        return api_key, None
    key_id, _, secret = api_key.partition(".")
    return key_id, secret


def key_digest(pepper: bytes, key_id: str, secret: str) -> str:
    """Return the digest that a row keeps of a secret; it fits no other key's row."""
    return hmac.new(pepper, f"{key_id}.{secret}".encode(), sha256).hexdigest()


def key_id_of(row_key: str) -> str:
    """Name a key without opening anything: one that is its own secret by its digest."""
    if row_key == DEFAULT_API_KEY:
        return "public"
    if row_key.startswith(PREFIX):
        return row_key
    return f"key-{sha256(row_key.encode()).hexdigest()[:16]}"


def read_key_hashes(row: Mapping[str, Any]) -> tuple[KeyHash, ...]:
    """Read the digests of a connection's row."""
    return tuple(KeyHash(each["hash"], each.get("expires_at")) for each in row.get("key_hashes") or ())


class ApiKeyVerifier:
    """Tells whether a secret opens a key.

    Args:
        pepper: returns the pepper; called at the first use.
        clock: epoch seconds.
    """

    def __init__(self, pepper: Callable[[], bytes], clock: Callable[[], float] = time.time) -> None:
        self._pepper = pepper
        self._clock = clock

    def opens(self, hashes: Iterable[KeyHash], key_id: str, secret: str) -> bool:
        """Compare in constant time; the work is the same for a key that isn't there."""
        digest = key_digest(self._pepper(), key_id, secret)
        found = [hmac.compare_digest(each.hash, digest) and self._is_alive(each) for each in hashes]
        return any(found)

    def is_alive(self, hashes: Iterable[KeyHash]) -> bool:
        """Return whether any secret still opens a key."""
        return any(map(self._is_alive, hashes))

    def _is_alive(self, key_hash: KeyHash) -> bool:
        return key_hash.expires_at is None or self._clock() < key_hash.expires_at


class KeyUsage:
    """Notes when keys were used, each at most once an hour in this process.

    Args:
        write: notes the use of an owner's key.
        clock: monotonic seconds.
    """

    def __init__(
        self, write: Callable[[str, str], object], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._write = write
        self._noted = LruCache(USE_SECONDS, MAX_USES, clock)

    def note(self, owner: str, key_id: str) -> None:
        """Note it, unless that was done lately; that it fails is no request's concern."""
        self._noted.get_or_load((owner, key_id), lambda: self._written(owner, key_id))

    def _written(self, owner: str, key_id: str) -> bool:
        try:
            self._write(owner, key_id)
        except SilvaEngineError as error:
            _logger.warning("The use of key %s was not noted: %s", key_id, error.detail or error.message)
        return True


def open_api_key_verifier(pepper: str | None, lookups: Mapping[str, SecretLookup]) -> ApiKeyVerifier | None:
    """Return what checks keys under the pepper, which is read once; None where there is none.

    Args:
        pepper: a name in Secrets Manager, or a reference such as ``ssm:/path``.
        lookups: what resolves references to secrets, by scheme.
    """
    if pepper is None:
        return None

    @cache
    def read() -> bytes:
        scheme, _, name = pepper.partition(":")
        return (lookups[scheme](name) if scheme in lookups else lookups["secretsmanager"](pepper)).encode()

    return ApiKeyVerifier(read)


def open_key_usage(settings: Settings) -> KeyUsage:
    """Return what notes uses in the table of settings, where the gateways may write these rows."""
    writer = open_table_writer(settings.region, settings.table_prefix)

    def write(owner: str, key_id: str) -> None:
        values = {"value": int(time.time())}
        writer.update(CONFIG_DATA, key_use_key(owner, key_id), "SET #value = :value", values=values)

    return KeyUsage(write)
