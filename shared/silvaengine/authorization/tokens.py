"""The built-in authorizers ``jwt`` and ``cognito``: signed tokens of an OpenID Connect issuer.

RFC 7519, with the precautions of RFC 8725: only asymmetric algorithms that fit the key's type; issuer,
audience and expiry are required. A token comes as ``Authorization: Bearer`` (RFC 6750), and for a socket, to
which a browser can't add headers, also as the query parameter ``access_token``.
"""

import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

import jwt

from silvaengine.authorization.key_sets import Issuer, Jwk, KeySets, user_pool_issuer
from silvaengine.authorization.model import (
    AccessRequest,
    CallerIdentity,
    Members,
    misconfigured,
    unauthenticated,
)
from silvaengine.errors import RequestError

# RFC 7518 and RFC 8037, by the key's type; without those that have a shared secret or none.
ALGORITHMS: Mapping[str, frozenset[str]] = {
    "RSA": frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
    "EC": frozenset({"ES256", "ES384", "ES512"}),
    "OKP": frozenset({"EdDSA"}),
}
LEEWAY_SECONDS = 30.0  # between the issuer's clock and this one
MAX_TOKEN = 16_384
# Times are checked with the given clock, and the audience's claim depends on the token's use.
OPTIONS: Any = dict.fromkeys(("verify_exp", "verify_nbf", "verify_iat", "verify_aud"), False)
OPTIONS["require"] = ["exp"]


class TokenAuthorizer:
    """Tokens of an issuer for one of the audiences; of Cognito, access tokens name their client instead.

    Args:
        options: of ``jwt``: ``issuer``, ``audience`` (one or a list), ``jwks_uri`` (discovered when absent);
            of ``cognito``: ``user_pool`` and ``client`` (one or a list); of both: ``scopes``, all of which a
            token must have.
        keys: the issuers' keys.
        clock: returns epoch seconds.

    Raises:
        ConfigurationError: an option is missing.
    """

    def __init__(self, options: Members, keys: KeySets, clock: Callable[[], float]) -> None:
        self._is_cognito = options.get("type") == "cognito"
        self._audiences = frozenset(_texts(_require(options, "client" if self._is_cognito else "audience")))
        self._issuer = (
            user_pool_issuer(str(_require(options, "user_pool")))
            if self._is_cognito
            else Issuer(str(_require(options, "issuer")), options.get("jwks_uri") or None)
        )
        self._scopes = frozenset(_texts(options.get("scopes")))
        self._keys = keys
        self._clock = clock

    def credential(self, request: AccessRequest) -> tuple[str, ...]:
        """Return the token's digest, with the issuer and the audiences."""
        audiences = ",".join(sorted(self._audiences))
        return (*map(str, self._issuer), audiences, sha256(_token(request).encode()).hexdigest())

    def authorize(self, request: AccessRequest) -> CallerIdentity:
        """Verify the token; return its subject as the caller.

        Raises:
            RequestError: 401, there is no token or it isn't valid.
            SilvaEngineError: it can't be verified at the moment.
        """
        claims = self._verify(_token(request))
        expires_at = self._check_times(claims)
        if not self._names_audience(claims):
            raise _invalid("The token has the wrong audience")
        if not claims.get("sub"):
            raise _invalid("The token has no subject")
        return CallerIdentity(str(claims["sub"]), claims, expires_at)

    def verify_permission(self, request: AccessRequest) -> Members:
        """Check the scopes, and that a socket's token has not ended since; raises RequestError."""
        claims = request.context.get("authorizer") or {}
        self._check_times(claims)
        if self._scopes - _scopes(claims):
            challenge = f'Bearer error="insufficient_scope", scope="{" ".join(sorted(self._scopes))}"'
            headers = {"WWW-Authenticate": challenge}
            raise RequestError("The token does not have a required scope", status=403, headers=headers)
        return request.context

    def _verify(self, token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            key = self._keys.find(self._issuer, header.get("kid"))
            if key is None:
                raise _invalid("The token is signed by an unknown key")
            algorithm = _algorithm(key, header.get("alg"))
            public_key = jwt.PyJWK.from_dict(dict(key), algorithm).key
            claims: dict[str, Any] = jwt.decode(
                token, public_key, [algorithm], OPTIONS, issuer=self._issuer.name
            )
        except jwt.PyJWTError as error:
            raise _invalid("The token is not valid", detail=str(error)) from error
        return claims

    def _check_times(self, claims: Members) -> float:
        """Return the epoch second at which the token ends."""
        try:
            expires_at = float(claims["exp"]) + LEEWAY_SECONDS
            begins_at = float(claims.get("nbf", 0)) - LEEWAY_SECONDS
        except (KeyError, TypeError, ValueError):
            raise _invalid("The token's exp and nbf must be numbers") from None
        if not begins_at <= self._clock() < expires_at:
            raise _invalid(
                "The token has expired" if self._clock() >= expires_at else "The token is not valid yet"
            )
        return expires_at

    def _names_audience(self, claims: Members) -> bool:
        if self._is_cognito and claims.get("token_use") == "access":
            return claims.get("client_id") in self._audiences
        audience = claims.get("aud")
        return not self._audiences.isdisjoint(audience if isinstance(audience, list) else [audience])


def _algorithm(key: Jwk, name: object) -> str:
    """Return the algorithm that the token names, if it fits the key."""
    allowed = ALGORITHMS.get(str(key.get("kty")), frozenset())
    if not isinstance(name, str) or name not in allowed or key.get("alg", name) != name:
        raise _invalid("The token's algorithm does not match its key")
    if key.get("use", "sig") != "sig":
        raise _invalid("The token's key is not a signing key")
    return name


def _scopes(claims: Members) -> frozenset[str]:
    """Return the token's scopes; a socket's claims come from API Gateway as text."""
    scopes = claims.get("scope") or claims.get("scp") or ()
    if isinstance(scopes, str):
        scopes = json.loads(scopes) if scopes.startswith("[") else scopes.split()
    return frozenset(map(str, scopes))


def _token(request: AccessRequest) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        query = {} if request.method else request.event.get("queryStringParameters") or {}
        token = query.get("access_token") or ""
    token = token.strip()
    if not token:
        raise unauthenticated("This function requires a token")
    if len(token) > MAX_TOKEN:
        raise _invalid("The token is too long")
    return token


def _invalid(message: str, detail: str = "") -> RequestError:
    return unauthenticated(message, 'Bearer error="invalid_token"', detail)


def _texts(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(map(str, value)) if isinstance(value, list | tuple) else (str(value),)


def _require(options: Members, name: str) -> object:
    value = options.get(name)
    if not value:
        raise misconfigured(f"the authorizer {options.get('type')!r} needs {name!r}")
    return value
