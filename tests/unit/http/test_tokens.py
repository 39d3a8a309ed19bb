"""The built-in authorizers of tokens: what is allowed, and what never is."""

import base64
import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .issuers import DISCOVERY, JWKS, KEYS, NAME, Issuer, public_jwk

type EventOf = Callable[..., dict[str, Any]]


@pytest.fixture
def issuer(world: Any) -> Issuer:
    """Return an issuer whose tokens open `greet`."""
    issuer = Issuer()
    world.documents.source = issuer.fetch
    world.add("greet", auth_required=True)
    world.registry.area_settings = {"authorizer": {"type": "jwt", "issuer": NAME, "audience": "shop"}}
    return issuer


def send(world: Any, event_of: EventOf, token: str | None, **changes: Any) -> Any:
    """Send a request with a token; return the status, and the challenge of a refusal."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    response = world.call(event_of(headers=headers, **changes))
    return response["statusCode"], response["headers"].get("WWW-Authenticate")


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_valid_token_opens(algorithm: str, world: Any, event_of: EventOf, issuer: Issuer) -> None:
    """The function learns the claims."""
    assert send(world, event_of, issuer.sign(algorithm, scope="a b"))[0] == 200
    authorizer = world.payload["context"]["authorizer"]
    assert (authorizer["principalId"], authorizer["sub"], authorizer["scope"]) == ("ada", "ada", "a b")


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://login.example.com"},
        {"iss": None},
        {"aud": "another"},
        {"aud": ["another", "more"]},
        {"aud": None},
        {"exp": 999_969},
        {"exp": None},
        {"exp": "soon"},
        {"nbf": 1_000_031},
        {"sub": None},
        {"sub": ""},
    ],
)
def test_wrong_claims_are_refused(claims: Any, world: Any, event_of: EventOf, issuer: Issuer) -> None:
    """Issuer, audience, times and subject are all demanded."""
    try:
        token = issuer.sign(**claims)
    except TypeError:  # PyJWT doesn't sign what it knows to be wrong
        token = jwt.api_jws.encode(json.dumps({"iss": NAME, "aud": "shop", "sub": "ada", **claims}).encode(),
                                   KEYS["RS256"], "RS256", {"kid": "RS256"})  # fmt: skip
    assert send(world, event_of, token) == (401, 'Bearer error="invalid_token"')
    assert not world.invoker.sent


@pytest.mark.parametrize("claims", [{"exp": 999_971}, {"nbf": 1_000_029}, {"aud": ["x", "shop"]}])
def test_clocks_may_differ_a_little(claims: Any, world: Any, event_of: EventOf, issuer: Issuer) -> None:
    """By up to 30 s; one of several audiences is enough."""
    assert send(world, event_of, issuer.sign(**claims))[0] == 200


def _text(value: Any) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _forged(header: dict[str, Any], key: bytes | None = None) -> str:
    claims = {"iss": NAME, "aud": "shop", "sub": "ada", "exp": 1_000_600}
    text = f"{_text(header)}.{_text(claims)}"
    signature = b""
    if key is not None:
        mac = hmac.HMAC(key, hashes.SHA256())
        mac.update(text.encode())
        signature = mac.finalize()
    return f"{text}.{_text(signature)}"


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "none", "kid": "RS256"},
        {"alg": "None", "kid": "RS256"},
        {"kid": "RS256"},
        {"alg": "HS256", "kid": "RS256"},
        {"alg": "HS256"},
        {"alg": ["RS256"], "kid": "RS256"},
    ],
)
def test_algorithms_cannot_be_confused(header: Any, world: Any, event_of: EventOf, issuer: Issuer) -> None:
    """No token without a signature, and none whose secret is the public key (RFC 8725, section 2.1)."""
    public = KEYS["RS256"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for key in (None, public, json.dumps(public_jwk("RS256")).encode()):
        assert send(world, event_of, _forged(header, key))[0] == 401
    assert not world.invoker.sent


def test_a_key_serves_its_own_algorithm(world: Any, event_of: EventOf, issuer: Issuer) -> None:
    """A token that names another key's id, or a key that is for encryption, proves nothing."""
    assert send(world, event_of, issuer.sign("ES256", key_id="RS256"))[0] == 401
    issuer.documents[JWKS] = {"keys": [{**public_jwk("RS256"), "use": "enc"}]}
    world.now += 600
    assert send(world, event_of, issuer.sign(exp=1_002_000))[0] == 401
    issuer.documents[JWKS] = {"keys": [{**public_jwk("RS256"), "alg": "RS512"}]}
    world.now += 600
    assert send(world, event_of, issuer.sign(exp=1_002_000))[0] == 401


@pytest.mark.parametrize("token", [None, "", "x", "a.b.c", "..", "é.é.é", "a" * 20_000])
def test_a_malformed_token_is_a_401(token: str | None, world: Any, event_of: EventOf, issuer: Issuer) -> None:
    """It is a 401 with a challenge, never a failure."""
    status, challenge = send(world, event_of, token)
    assert status == 401
    assert challenge.startswith("Bearer")


@pytest.mark.parametrize("header", ["Basic YTpi", "bearer", "Token x"])
def test_only_a_bearer_token_is_read(header: str, world: Any, event_of: EventOf, issuer: Issuer) -> None:
    """No other scheme is, nor the query string of an HTTP request."""
    query = {"access_token": [issuer.sign()]}
    event = event_of(headers={"authorization": header}, multiValueQueryStringParameters=query)
    assert world.call(event)["statusCode"] == 401


def test_keys_are_fetched_rarely(world: Any, event_of: EventOf, issuer: Issuer) -> None:
    """Once in ten minutes, and tokens with invented keys make it once at a time."""
    for number in range(5):
        send(world, event_of, issuer.sign(sub=f"user{number}"))
        send(world, event_of, issuer.sign(key_id=f"invented{number}"))
    assert issuer.asked.count(JWKS) == 1
    world.now += 60
    for number in range(5):
        send(world, event_of, issuer.sign(key_id=f"invented{number}"))
    assert issuer.asked.count(JWKS) == 2


def test_a_new_key_is_found(world: Any, event_of: EventOf, issuer: Issuer) -> None:
    """The issuer's keys are fetched when a token names a new one; the old one ends."""
    issuer.published = ["ES256"]
    assert send(world, event_of, issuer.sign("ES256"))[0] == 200
    issuer.published = ["RS256"]
    world.now += 60
    assert send(world, event_of, issuer.sign("RS256"))[0] == 200
    assert send(world, event_of, issuer.sign("ES256", sub="bob"))[0] == 401


def test_a_strangers_token_keeps_no_new_key_out(world: Any, event_of: EventOf, issuer: Issuer) -> None:
    """However many key ids are invented, a new key is found 2 s after the issuer has published it."""
    issuer.published = ["ES256"]
    assert send(world, event_of, issuer.sign("ES256"))[0] == 200
    for number in range(120):
        world.now += 1
        send(world, event_of, issuer.sign(key_id=f"invented{number}"))
    issuer.published = ["RS256"]
    world.now += 2
    assert send(world, event_of, issuer.sign("RS256"))[0] == 200
    assert issuer.asked.count(JWKS) <= 62


def test_an_issuer_that_failed_is_asked_again_soon(world: Any, event_of: EventOf, issuer: Issuer) -> None:
    """One lost packet costs a second of tokens; an issuer that stays away is asked ever more rarely."""
    issuer.is_away = True
    assert send(world, event_of, issuer.sign())[0] == 503
    issuer.is_away = False
    world.now += 1
    assert send(world, event_of, issuer.sign())[0] == 200
    world.now += 600
    issuer.is_away, before = True, len(issuer.asked)
    for _ in range(60):
        world.now += 1
        assert send(world, event_of, issuer.sign(exp=2_000_000 + world.now))[0] == 200
    assert len(issuer.asked) - before <= 6


def test_an_issuers_last_keys_serve_for_a_day(world: Any, event_of: EventOf, issuer: Issuer) -> None:
    """Its last keys serve for a day; without any the response is 503, which lets nobody in."""
    issuer.is_away = True
    assert send(world, event_of, issuer.sign())[0] == 503
    issuer.is_away = False
    world.now += 60
    assert send(world, event_of, issuer.sign())[0] == 200
    issuer.is_away = True
    world.now += 86_300
    assert send(world, event_of, issuer.sign(exp=2_000_000))[0] == 200
    world.now += 100
    assert send(world, event_of, issuer.sign(exp=2_000_001))[0] == 503


any_wrong_document = pytest.mark.parametrize(
    ("url", "document"),
    [
        (DISCOVERY, {"issuer": "https://evil.example.com/", "jwks_uri": JWKS}),
        (DISCOVERY, {"issuer": NAME, "jwks_uri": "http://10.0.0.1/keys"}),
        (DISCOVERY, {"issuer": NAME, "jwks_uri": "file:///etc/passwd"}),
        (DISCOVERY, {"issuer": NAME, "jwks_uri": "http://127.0.0.1:9001/2018-06-01/runtime/invocation/next"}),
        (DISCOVERY, {"issuer": NAME, "jwks_uri": "http://localhost/keys"}),
        (DISCOVERY, {"issuer": NAME, "jwks_uri": "http://[::1]:9001/keys"}),
        (DISCOVERY, {"issuer": NAME}),
        (JWKS, {"keys": "none"}),
        (JWKS, b"<html>"),
        (JWKS, []),
    ],
)


@any_wrong_document
def test_an_issuers_wrong_documents_are_a_misconfiguration(
    url: str, document: Any, world: Any, event_of: EventOf, issuer: Issuer
) -> None:
    """The caller is refused, and no other address is asked."""
    issuer.documents[url] = document
    assert send(world, event_of, issuer.sign())[0] == 500
    assert all(asked.startswith("https://login.example.com/") for asked in issuer.asked)


@any_wrong_document
def test_an_issuers_wrong_documents_cost_no_key_that_holds(
    url: str, document: Any, world: Any, event_of: EventOf, issuer: Issuer
) -> None:
    """As if it didn't respond: a page of a proxy's is no reason to refuse everybody."""
    assert send(world, event_of, issuer.sign())[0] == 200
    issuer.documents[url] = document
    world.now += 600
    assert [send(world, event_of, issuer.sign(exp=2_000_000 + number))[0] for number in range(3)] == [200] * 3
    world.now += 86_400
    assert send(world, event_of, issuer.sign(exp=3_000_000))[0] == 500


def test_an_issuer_on_this_machine_has_its_keys_at_its_own_address(
    world: Any, event_of: EventOf, issuer: Issuer
) -> None:
    """As in development; another port of the machine may be anything, in a Lambda its runtime API."""
    issuer.name = "http://127.0.0.1:5000"
    world.registry.area_settings["authorizer"]["issuer"] = issuer.name
    for address, status in (("http://127.0.0.1:9001", 500), (issuer.name, 200)):
        url = f"{address}/.well-known/jwks.json"
        discovery = f"{issuer.name}/.well-known/openid-configuration"
        issuer.documents[discovery] = {"issuer": issuer.name, "jwks_uri": url}
        assert send(world, event_of, issuer.sign())[0] == status
        world.now += 1
    assert not [asked for asked in issuer.asked if "9001" in asked]


def test_a_token_is_verified_once_a_minute(world: Any, event_of: EventOf, issuer: Issuer) -> None:
    """The identity is cached for that function and method, and ends with the token."""
    token = issuer.sign(exp=1_000_010)
    assert send(world, event_of, token)[0] == 200
    world.now += 39
    assert send(world, event_of, token)[0] == 200
    world.now += 1
    assert send(world, event_of, token)[0] == 401


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"scope": "orders:read orders:write"}, 200),
        ({"scp": ["orders:write", "orders:read"]}, 200),
        ({"scope": "orders:read"}, 403),
        ({"scope": "orders:read orders:writeall"}, 403),
        ({}, 403),
    ],
)
def test_a_token_must_have_all_scopes(
    claims: Any, status: int, world: Any, event_of: EventOf, issuer: Issuer
) -> None:
    """All that the settings demand must be granted (RFC 6750, section 3.1)."""
    world.registry.area_settings["authorizer"]["scopes"] = ["orders:read", "orders:write"]
    found, challenge = send(world, event_of, issuer.sign(**claims))
    assert found == status
    if status == 403:
        assert challenge == 'Bearer error="insufficient_scope", scope="orders:read orders:write"'


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"token_use": "access", "client_id": "app", "aud": None}, 200),
        ({"token_use": "id", "aud": "app"}, 200),
        ({"token_use": "access", "client_id": "other", "aud": "app"}, 401),
        ({"token_use": "id", "client_id": "app", "aud": "other"}, 401),
    ],
)
def test_a_cognito_user_pools_tokens_open(claims: Any, status: int, world: Any, event_of: EventOf) -> None:
    """One line of settings; access tokens name their client where id tokens have an audience."""
    pool = "eu-central-1_Ab12"
    issuer = Issuer(f"https://cognito-idp.eu-central-1.amazonaws.com/{pool}")
    world.documents.source = issuer.fetch
    world.add("greet", auth_required=True)
    world.registry.area_settings = {"authorizer": {"type": "cognito", "user_pool": pool, "client": "app"}}
    assert send(world, event_of, issuer.sign(**claims))[0] == status
    assert issuer.asked == [f"{issuer.name}/.well-known/jwks.json"]


@pytest.mark.parametrize(
    "options",
    [
        {"type": "jwt", "issuer": NAME},
        {"type": "jwt", "audience": "shop"},
        {"type": "cognito", "client": "app"},
        {"type": "jwt", "issuer": "http://login.example.com/", "audience": "shop"},
    ],
)
def test_a_missing_option_is_a_misconfiguration(
    options: Any, world: Any, event_of: EventOf, issuer: Issuer
) -> None:
    """It is a misconfiguration, not an open door."""
    world.registry.area_settings = {"authorizer": options}
    assert send(world, event_of, issuer.sign())[0] == 500
    assert not world.invoker.sent


SIGNER = {"userArn": "arn:aws:sts::123456789012:assumed-role/shop/ada", "accountId": "123456789012"}


@pytest.mark.parametrize(
    ("context", "principals", "status"),
    [
        ({"identity": SIGNER}, None, 200),
        ({"authorizer": {"iam": SIGNER}}, None, 200),
        ({"identity": SIGNER}, ["arn:aws:sts::123456789012:assumed-role/shop/*"], 200),
        ({"identity": SIGNER}, ["arn:aws:iam::123456789012:user/*"], 403),
        ({"identity": {"userArn": None, "sourceIp": "192.0.2.1"}}, None, 401),
        ({}, None, 401),
    ],
)
def test_a_signed_request_opens(
    context: Any, principals: Any, status: int, world: Any, event_of: EventOf
) -> None:
    """The caller is the ARN that signed it, as AWS says."""
    world.add("greet", auth_required=True)
    world.registry.area_settings = {"authorizer": {"type": "iam", "principals": principals}}
    response = world.call(event_of(requestContext=context))
    assert response["statusCode"] == status
    if status == 200:
        authorizer = world.payload["context"]["authorizer"]
        assert authorizer["principalId"] == authorizer["user_arn"] == SIGNER["userArn"]
