"""Who callers are, and what of it can be forged, kept too long or stolen: T3, T6, T14, T24."""

import json
from itertools import product
from typing import Any

import pytest

from silvaengine.access.api_keys import key_digest
from silvaengine.tables import CONNECTIONS

from ..unit.http.issuers import NAME, Issuer
from .registries import PEPPER, World, http_event, with_key

TENANTS = ("acme", "globex", "initech")
PLACES = ("header", "query", "identity")
ROUTES = ("greet", "unknown", "job_status", "cache_stats", "cache_clear", "greet/more")
FOREIGN = "Endpoint 'X' does not exist, or this API key has no access to it"


@pytest.fixture
def tenants() -> World:
    """Three tenants with the same function, each with a key of each kind."""
    world = World()
    world.add_function("greet")
    for name in TENANTS:
        world.add_tenant(name, "greet")
    return world


def keys_of(name: str) -> tuple[str, str]:
    """Return a tenant's keys."""
    return f"{name}-key", f"sek_{name}.{name}secret"


def error_of(response: Any, endpoint_id: str) -> tuple[int, str]:
    """Return status and words of a refusal."""
    return response["statusCode"], json.loads(response["body"])["error"].replace(endpoint_id, "X")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_t3_a_key_opens_no_other_tenant(place: str, method: str, tenants: World) -> None:
    """On every route a foreign key and an endpoint that isn't there are one answer, warm or cold."""
    for _ in range(2):
        for owner, target, route in product(TENANTS, (*TENANTS, "nobody"), ROUTES):
            for key in keys_of(owner):
                response = tenants.call(f"/core/{target}/{route}", method, **with_key(place, key))
                if owner == target:
                    assert json.loads(response["body"]).get("error", "").replace(target, "X") != FOREIGN
                else:
                    assert error_of(response, target) == (404, FOREIGN)
    assert {sent["invocation"]["endpoint_id"] for sent in tenants.sent} == set(TENANTS)


@pytest.mark.parametrize("place", PLACES)
def test_t3_a_key_opens_no_other_tenant_to_api_gateway(place: str, tenants: World) -> None:
    """An authorizer call about a foreign tenant is answered with a policy that denies."""
    for owner, target in product(TENANTS, TENANTS):
        for key in keys_of(owner):
            event = http_event(f"/core/{target}/greet", **with_key(place, key))
            response = tenants.handler(event | {"type": "REQUEST", "methodArn": "arn:x"}, None)
            effect = response["policyDocument"]["Statement"][0]["Effect"]
            assert effect == ("Allow" if owner == target else "Deny")


@pytest.mark.parametrize("member", ["api_key", "x-api-key", "apiKey", "endpoint_id"])
def test_t3_a_body_is_no_place_for_a_key(member: str, tenants: World) -> None:
    """Nor is the event's root, nor a path: only header, query and API Gateway's own."""
    body = json.dumps({member: "acme-key"})
    response = tenants.call("/core/acme/greet", "POST", body=body, **{member: "acme-key"})
    assert response["statusCode"] == 403
    assert not tenants.sent


@pytest.fixture
def issuer(tenants: World) -> Issuer:
    """An issuer whose tokens the function of every tenant demands."""
    issuer = Issuer()
    tenants.add_function("greet", auth_required=True)
    tenants.add_function("other", auth_required=True)
    for name in TENANTS:
        tenants.add_tenant(name, "greet", "other")
        options = {"type": "jwt", "issuer": NAME, "audience": f"{name}-shop"}
        tenants.set(f"beta_core_{name}", "authorizer", options)
    tenants.issuer = issuer
    return issuer


def with_token(name: str, token: str) -> dict[str, Any]:
    """Return the headers of a tenant's caller."""
    return {"headers": {"x-api-key": keys_of(name)[1], "authorization": f"Bearer {token}"}}


def test_t6_what_was_allowed_once_is_allowed_nowhere_else(tenants: World, issuer: Issuer) -> None:
    """A token that is remembered for one tenant is verified for the next, by that tenant's own rules."""
    token = issuer.sign(aud="acme-shop", exp=2_000_000)
    for _ in range(2):
        for target, method, route in product(TENANTS, ("GET", "POST"), ("greet", "other")):
            response = tenants.call(f"/core/{target}/{route}", method, **with_token(target, token))
            assert response["statusCode"] == (200 if target == "acme" else 401)


def test_t6_a_withdrawn_authorization_ends_in_a_minute(tenants: World, issuer: Issuer) -> None:
    """A token whose key the issuer took back, once its keys are read again: at most one minute later."""
    token = issuer.sign(aud="acme-shop", exp=2_000_000)
    assert tenants.call("/core/acme/greet", **with_token("acme", token))["statusCode"] == 200
    tenants.now += 550
    assert tenants.call("/core/acme/greet", **with_token("acme", token))["statusCode"] == 200
    issuer.published = ["ES256"]
    tenants.now += 60
    assert tenants.call("/core/acme/greet", **with_token("acme", token))["statusCode"] == 401


@pytest.mark.parametrize("change", ["revoked", "area", "endpoints", "whitelist", "grants", "authorizer"])
def test_t6_a_change_of_the_registry_counts_in_five_seconds(
    change: str, tenants: World, issuer: Issuer
) -> None:
    """Whatever of it let a caller in: the key, what it may and from where, or who decides."""
    token = issuer.sign(aud="acme-shop", exp=2_000_000)
    assert tenants.call("/core/acme/greet", **with_token("acme", token))["statusCode"] == 200
    row = tenants.reader.get(CONNECTIONS, {"endpoint_id": "acme", "api_key": "sek_acme"}) or {}
    match change:
        case "revoked":
            row = {**row, "key_hashes": []}
        case "area":
            row = {**row, "functions": []}
        case "endpoints":
            row = {**row, "endpoints": ["globex"]}
        case "whitelist":
            row = {**row, "whitelist": ["10.0.0.0/8"]}
        case "grants":
            row = {**row, "grants": ["jobs"]}
        case _:
            tenants.set("beta_core_acme", "authorizer", {"type": "iam"})
    tenants.tables.put(CONNECTIONS, **row)
    tenants.announce(1)
    tenants.now += 5
    assert tenants.call("/core/acme/greet", **with_token("acme", token))["statusCode"] in (401, 403, 404)


def test_t14_another_pepper_makes_other_digests() -> None:
    """So that who has the digests can't try secrets out without it."""
    digests = {key_digest(pepper, "sek_a", "secret") for pepper in (PEPPER, b"other", b"")}
    assert len(digests | {key_digest(PEPPER, "sek_b", "secret")}) == 4


def test_t14_an_unknown_key_costs_the_work_of_a_known_one(tenants: World) -> None:
    """One digest each, whether id, secret or endpoint is wrong; the comparison takes constant time."""
    work = []
    for key in ("sek_acme.wrong", "sek_nobody.wrong", "sek_globex.globexsecret", "sek_acme.acmesecret"):
        before = tenants.peppers
        tenants.call("/core/acme/greet", **with_key("header", key))
        work.append(tenants.peppers - before)
    assert work == [1, 1, 1, 1]


@pytest.mark.parametrize(("kind", "name"), [(0, "key-"), (1, "sek_acme")])
def test_t24_the_log_says_who_called(
    kind: int, name: str, tenants: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each request's line names tenant, function and key, and holds no key."""
    key = keys_of("acme")[kind]
    tenants.call("/core/acme/greet", **with_key("header", key))
    (text,) = capsys.readouterr().out.splitlines()
    line = json.loads(text)
    assert (line["endpoint_id"], line["function"]) == ("acme", "greet")
    assert line["key_id"].startswith(name)
    assert key not in text
    assert "acmesecret" not in text


def test_t24_the_log_says_whom_an_authorizer_named(
    tenants: World, issuer: Issuer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Beside the key: several people may share one."""
    tenants.call("/core/acme/greet", **with_token("acme", issuer.sign(aud="acme-shop")))
    (text,) = capsys.readouterr().out.splitlines()
    assert json.loads(text)["principal"] == "ada"
