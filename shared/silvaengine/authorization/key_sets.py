"""The public keys of token issuers: found by OpenID Connect Discovery, fetched rarely, kept for a while.

openid.net/specs/openid-connect-discovery-1_0.html and RFC 7517.
"""

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from silvaengine.errors import ConfigurationError, UnavailableError

FRESH_SECONDS = 600.0  # after which an issuer is asked for its keys again
STALE_SECONDS = 86_400.0  # for which its last keys are good enough while it gives no answer
RETRY_SECONDS = 60.0  # between two questions that an unknown key or a failure causes
FETCH_SECONDS = 2.0
MAX_BYTES = 262_144
LOOPBACK = ("127.0.0.1", "localhost", "::1")

_logger = logging.getLogger(__name__)

type Fetch = Callable[[str], bytes]
type Jwk = Mapping[str, Any]


class Issuer(NamedTuple):
    """Who signs tokens. ``jwks_uri`` is None where discovery tells it."""

    name: str
    jwks_uri: str | None = None


class _KeySet:
    """An issuer's keys by id, when they were fetched and when the issuer was asked last."""

    __slots__ = ("asked", "fetched", "keys")

    def __init__(self) -> None:
        self.keys: dict[str, Jwk] = {}
        self.fetched = self.asked = float("-inf")


class KeySets:
    """Keeps the issuers' keys.

    Args:
        fetch: returns what lies at a URL; raises OSError.
        clock: seconds.
    """

    def __init__(self, fetch: Fetch, clock: Callable[[], float]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._sets: dict[Issuer, _KeySet] = {}

    def find(self, issuer: Issuer, key_id: str | None) -> Jwk | None:
        """Return an issuer's key, None when it has no such one; without an id its only key.

        Raises:
            UnavailableError: the issuer gives no keys, and has given none in the last day.
            ConfigurationError: what it gives, or its address, is not what it has to be.
        """
        held = self._sets.setdefault(issuer, _KeySet())
        now = self._clock()
        is_known = bool(held.keys) if key_id is None else key_id in held.keys
        if now - held.fetched >= FRESH_SECONDS or not is_known:
            self._refresh(issuer, held, now)
        if now - held.fetched >= STALE_SECONDS:
            raise UnavailableError("The token's issuer can't be reached at the moment", detail=issuer.name)
        if key_id is None:
            return next(iter(held.keys.values())) if len(held.keys) == 1 else None
        return held.keys.get(key_id)

    def _refresh(self, issuer: Issuer, held: _KeySet, now: float) -> None:
        """Ask for the keys, but not for every token that names an unknown one."""
        if now - held.asked < RETRY_SECONDS:
            return
        held.asked = now
        try:
            keys = self._document(issuer.jwks_uri or self._discovered(issuer.name)).get("keys")
        except OSError as error:
            _logger.warning("The keys of %s could not be fetched: %s", issuer.name, error)
            return
        if not isinstance(keys, list):
            raise _wrong(f"{issuer.name} has no list of keys")
        held.keys = {str(key.get("kid")): key for key in keys if isinstance(key, Mapping)}
        held.fetched = now

    def _discovered(self, issuer: str) -> str:
        document = self._document(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if document.get("issuer") != issuer:  # section 4.3
            raise _wrong(f"{issuer} says that its name is {document.get('issuer')!r}")
        return str(document.get("jwks_uri"))

    def _document(self, url: str) -> Mapping[str, Any]:
        place = urlsplit(url)
        if place.scheme != "https" and not (place.scheme == "http" and place.hostname in LOOPBACK):
            raise _wrong(f"{url} is not https")
        try:
            document = json.loads(self._fetch(url))
        except ValueError:
            raise _wrong(f"{url} holds no JSON") from None
        if not isinstance(document, dict):
            raise _wrong(f"{url} holds no object")
        return document


def fetch(url: str) -> bytes:
    """Return what lies at a URL, at most 256 KB, within 2 s and without following a redirection.

    Raises:
        OSError: nothing does.
    """
    from urllib.request import HTTPRedirectHandler, build_opener  # few requests fetch

    class Unfollowed(HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            """Follow nothing."""

    with build_opener(Unfollowed).open(url, timeout=FETCH_SECONDS) as answer:
        content: bytes = answer.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise OSError(f"{url} holds more than {MAX_BYTES} bytes")
    return content


def _wrong(detail: str) -> ConfigurationError:
    return ConfigurationError("The authorizer is misconfigured", detail=detail)
