"""The built-in authorizers ``jwt`` and ``cognito``: signed tokens of an OpenID Connect issuer.

RFC 7519, and what RFC 8725 says to beware of: the algorithms are asymmetric ones alone and fit the key's
type; issuer, audience and expiry are demanded. A token comes as ``Authorization: Bearer`` (RFC 6750), that
of a socket, which a browser can't give headers, also as the query parameter ``access_token``.
"""

import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, NamedTuple

import jwt

from silvaengine.authorization.access import AccessRequest, CallerIdentity, Members, unauthenticated
from silvaengine.authorization.key_sets import Issuer, Jwk, KeySets
from silvaengine.errors import ConfigurationError, RequestError

# RFC 7518 and RFC 8037, by the key's type; what has a shared secret or none is missing.
ALGORITHMS: Mapping[str, frozenset[str]] = {
    "RSA": frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
    "EC": frozenset({"ES256", "ES384", "ES512"}),
    "OKP": frozenset({"EdDSA"}),
}
LEEWAY_SECONDS = 30.0  # between the issuer's clock and ours
MAX_TOKEN = 16_384
# The clock is ours, and what is demanded of the audience depends on the token's use.
OPTIONS: Any = dict.fromkeys(("verify_exp", "verify_nbf", "verify_iat", "verify_aud"), False)
OPTIONS["require"] = ["exp"]


class TokenAuthorizer(NamedTuple):
    """Lets those in who bring a token of an issuer for one of the audiences.

    ``is_cognito`` says that an access token names its client in ``client_id``, as user pools do. ``scopes``
    must all be granted by the token. ``clock`` gives epoch seconds.
    """

    issuer: Issuer
    audiences: frozenset[str]
    scopes: frozenset[str]
    is_cognito: bool
    keys: KeySets
    clock: Callable[[], float]

    def credential(self, asked: AccessRequest) -> tuple[str, ...]:
        """Keep what a token has proved; its digest stands for it."""
        audiences = ",".join(sorted(self.audiences))
        return (*map(str, self.issuer), audiences, sha256(_token(asked).encode()).hexdigest())

    def authorize(self, asked: AccessRequest) -> CallerIdentity:
        """Verify the token.

        Raises:
            RequestError: 401, there is none or it isn't valid.
            SilvaEngineError: nobody can tell.
        """
        claims = self._verified(_token(asked))
        expires_at = self._checked_times(claims)
        if not self._names_audience(claims):
            raise _invalid("The token is for another audience")
        if not claims.get("sub"):
            raise _invalid("The token names no subject")
        return CallerIdentity(str(claims["sub"]), claims, expires_at)

    def verify_permission(self, asked: AccessRequest) -> Members:
        """Demand that the token still holds, as a socket's may not, and the scopes; raises RequestError."""
        claims = asked.context.get("authorizer") or {}
        self._checked_times(claims)
        if self.scopes - _granted(claims):
            challenge = f'Bearer error="insufficient_scope", scope="{" ".join(sorted(self.scopes))}"'
            headers = {"WWW-Authenticate": challenge}
            raise RequestError("The token lacks a scope", status=403, headers=headers)
        return asked.context

    def _verified(self, token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            key = self.keys.find(self.issuer, header.get("kid"))
            if key is None:
                raise _invalid("The token is signed by an unknown key")
            algorithm = _algorithm(key, header.get("alg"))
            public_key = jwt.PyJWK.from_dict(dict(key), algorithm).key
            claims: dict[str, Any] = jwt.decode(
                token, public_key, [algorithm], OPTIONS, issuer=self.issuer.name
            )
        except jwt.PyJWTError as error:
            raise _invalid("The token is not valid", detail=str(error)) from error
        return claims

    def _checked_times(self, claims: Members) -> float:
        """Return when the token ends."""
        try:
            expires_at = float(claims["exp"]) + LEEWAY_SECONDS
            begins_at = float(claims.get("nbf", 0)) - LEEWAY_SECONDS
        except (KeyError, TypeError, ValueError):
            raise _invalid("The token's times are none") from None
        if not begins_at <= self.clock() < expires_at:
            raise _invalid(
                "The token has expired" if self.clock() >= expires_at else "The token is not valid yet"
            )
        return expires_at

    def _names_audience(self, claims: Members) -> bool:
        if self.is_cognito and claims.get("token_use") == "access":
            return claims.get("client_id") in self.audiences
        given = claims.get("aud")
        return not self.audiences.isdisjoint(given if isinstance(given, list) else [given])


def token_authorizer(options: Members, keys: KeySets, clock: Callable[[], float]) -> TokenAuthorizer:
    """Return the authorizer that a setting describes.

    Args:
        options: of ``jwt``: ``issuer``, ``audience`` (one or a list), ``jwks_uri`` (discovered when absent);
            of ``cognito``: ``user_pool`` and ``client`` (one or a list); of both: ``scopes``.
        keys: the issuers'.
        clock: epoch seconds.

    Raises:
        ConfigurationError: one is missing.
    """
    is_cognito = options.get("type") == "cognito"
    audiences = frozenset(_texts(_needed(options, "client" if is_cognito else "audience")))
    issuer = _pool(str(_needed(options, "user_pool"))) if is_cognito else _issuer(options)
    return TokenAuthorizer(
        issuer, audiences, frozenset(_texts(options.get("scopes"))), is_cognito, keys, clock
    )


def _issuer(options: Members) -> Issuer:
    return Issuer(str(_needed(options, "issuer")), options.get("jwks_uri") or None)


def _pool(user_pool: str) -> Issuer:
    """docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-tokens-verifying-a-jwt.html."""
    region = user_pool.partition("_")[0]
    suffix = ".cn" if region.startswith("cn-") else ""
    name = f"https://cognito-idp.{region}.amazonaws.com{suffix}/{user_pool}"
    return Issuer(name, f"{name}/.well-known/jwks.json")


def _algorithm(key: Jwk, named: object) -> str:
    """Return the algorithm that the token names, if the key is one for it."""
    allowed = ALGORITHMS.get(str(key.get("kty")), frozenset())
    if not isinstance(named, str) or named not in allowed or key.get("alg", named) != named:
        raise _invalid("The token's algorithm is not one of its key's")
    if key.get("use", "sig") != "sig":
        raise _invalid("The token is signed by a key that is none for signatures")
    return named


def _granted(claims: Members) -> frozenset[str]:
    """Read the scopes; API Gateway hands a socket's claims over as text."""
    given = claims.get("scope") or claims.get("scp") or ()
    if isinstance(given, str):
        given = json.loads(given) if given.startswith("[") else given.split()
    return frozenset(map(str, given))


def _token(asked: AccessRequest) -> str:
    scheme, _, token = asked.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" and not asked.method:
        token = (asked.event.get("queryStringParameters") or {}).get("access_token") or ""
    elif scheme.lower() != "bearer":
        token = ""
    token = token.strip()
    if not token:
        raise unauthenticated("This function requires a token")
    if len(token) > MAX_TOKEN:
        raise _invalid("The token is too long")
    return token


def _invalid(message: str, detail: str = "") -> RequestError:
    headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    return RequestError(message, status=401, headers=headers, detail=detail)


def _texts(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(map(str, value)) if isinstance(value, list | tuple) else (str(value),)


def _needed(options: Members, name: str) -> object:
    value = options.get(name)
    if not value:
        detail = f"the authorizer {options.get('type')!r} needs {name!r}"
        raise ConfigurationError("The authorizer is misconfigured", detail=detail)
    return value
