"""The public keys of token issuers: found by OpenID Connect Discovery, fetched rarely, kept for a day.

openid.net/specs/openid-connect-discovery-1_0.html and RFC 7517.
"""

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from silvaengine.authorization.model import misconfigured
from silvaengine.errors import ConfigurationError, UnavailableError
from silvaengine.lru import Budget, LruCache
from silvaengine.named_tuple import NamedTuple
from silvaengine.redis.breaker import Breaker

FRESH_SECONDS = 600.0  # after which an issuer's keys are fetched again
STALE_SECONDS = 86_400.0  # for which its last keys are used while it doesn't respond
PAUSE_SECONDS = 2.0  # between two fetches that unknown keys cause
FETCH_SECONDS = 2.0
MAX_BYTES = 262_144
LOOPBACK = ("127.0.0.1", "localhost", "::1")

_logger = logging.getLogger(__name__)

type Fetch = Callable[[str], bytes]
type Jwk = Mapping[str, Any]


class Issuer(NamedTuple):
    """Who signs tokens. ``jwks_uri`` is None to discover it."""

    name: str
    jwks_uri: str | None = None


class _KeySet:
    """An issuer's keys by id, and when they were fetched; the breaker is open after a failure."""

    __slots__ = ("breaker", "fetched_at", "keys")

    def __init__(self, breaker: Breaker) -> None:
        self.keys: dict[str, Jwk] = {}
        self.fetched_at = float("-inf")
        self.breaker = breaker


def user_pool_issuer(user_pool: str) -> Issuer:
    """Return the issuer of a Cognito user pool.

    docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-tokens-verifying-a-jwt.html
    """
    region = user_pool.partition("_")[0]
    suffix = ".cn" if region.startswith("cn-") else ""
    name = f"https://cognito-idp.{region}.amazonaws.com{suffix}/{user_pool}"
    return Issuer(name, f"{name}/.well-known/jwks.json")


class KeySets:
    """The issuers' keys.

    Args:
        fetch: returns the content of a URL; raises OSError.
        budget: bounds what is kept of them.
        clock: returns seconds.
    """

    def __init__(self, fetch: Fetch, budget: Budget | int, clock: Callable[[], float]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._sets = LruCache(STALE_SECONDS, budget, clock)

    def find(self, issuer: Issuer, key_id: str | None) -> Jwk | None:
        """Return an issuer's key, None if it has no such key; without an id its only key.

        Raises:
            UnavailableError: the issuer doesn't respond, and hasn't in the last day.
            ConfigurationError: likewise its documents or its address are not what they have to be.
        """
        key_set = self._sets.get_or_load(issuer, lambda: _KeySet(Breaker(self._clock)))
        now = self._clock()
        is_known = bool(key_set.keys) if key_id is None else key_id in key_set.keys
        if now - key_set.fetched_at >= FRESH_SECONDS or not is_known:
            self._refresh(issuer, key_set, now)
        if now - key_set.fetched_at >= STALE_SECONDS:
            raise UnavailableError("The token's issuer can't be reached; try again", detail=issuer.name)
        if key_id is None:
            return next(iter(key_set.keys.values())) if len(key_set.keys) == 1 else None
        return key_set.keys.get(key_id)

    def _refresh(self, issuer: Issuer, key_set: _KeySet, now: float) -> None:
        """Fetch the keys, but not for every token that names an unknown one."""
        if now - key_set.fetched_at < PAUSE_SECONDS or not key_set.breaker.allows():
            return
        key_set.breaker.record_failure()  # until the keys are there
        try:
            keys = self._document(issuer.jwks_uri or self._discover(issuer.name)).get("keys")
            if not isinstance(keys, list):
                raise misconfigured(f"{issuer.name} has no list of keys")
        except (OSError, ConfigurationError) as error:
            if isinstance(error, ConfigurationError) and now - key_set.fetched_at >= STALE_SECONDS:
                raise
            reason = getattr(error, "detail", error)
            _logger.warning("The keys of %s could not be fetched: %s", issuer.name, reason)
            return
        key_set.keys = {str(key.get("kid")): key for key in keys if isinstance(key, Mapping)}
        key_set.fetched_at = now
        key_set.breaker.record_success()
        self._sets.put(issuer, key_set)  # as large as it is now

    def _discover(self, issuer: str) -> str:
        document = self._document(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if document.get("issuer") != issuer:  # section 4.3
            raise misconfigured(f"{issuer} reports the issuer {document.get('issuer')!r}")
        url = str(document.get("jwks_uri"))
        if urlsplit(url).scheme != "https" and urlsplit(url)[:2] != urlsplit(issuer)[:2]:
            raise misconfigured(f"{issuer} has its keys at {url}, which is not https")
        return url

    def _document(self, url: str) -> Mapping[str, Any]:
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
            raise misconfigured(f"{url} is not https")
        try:
            document = json.loads(self._fetch(url))
        except ValueError:
            raise misconfigured(f"{url} did not return JSON") from None
        if not isinstance(document, dict):
            raise misconfigured(f"{url} did not return a JSON object")
        return document


def fetch(url: str) -> bytes:
    """Return the content of a URL, at most 256 KB, within 2 s and without following a redirect.

    Raises:
        OSError: there is none, or it is too large or not whole.
    """
    from http.client import HTTPException  # lazy: only fetching a key set needs these
    from urllib.request import HTTPRedirectHandler, build_opener

    class NoRedirects(HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            """Follow no redirect."""

    try:
        with build_opener(NoRedirects).open(url, timeout=FETCH_SECONDS) as response:
            content: bytes = response.read(MAX_BYTES + 1)
    except HTTPException as error:
        raise OSError(f"{url}: {error!r}") from error
    if len(content) > MAX_BYTES:
        raise OSError(f"{url} returned more than {MAX_BYTES} bytes")
    if response.length:  # bytes that are missing
        raise OSError(f"{url} was cut off")
    return content
