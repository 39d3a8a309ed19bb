"""Answers that can't hurt whoever reads them: T18, T19, T26."""

from collections.abc import Callable
from typing import Any

import pytest

from silvaengine.errors import UnavailableError
from silvaengine.protocol.messages import WorkerResponse
from silvaengine_http.headers import CORS, SECURITY_HEADERS, cors_headers
from silvaengine_http.response import function_response

from ..unit.http.conftest import hidden_headers

type Event = Callable[..., dict[str, Any]]

ORIGIN = "https://app.example.com"
POLICY = {"origins": [ORIGIN, "null", "*"], "credentials": True}
FOREIGN = [
    "null",
    "*",
    "",
    "https://app.example.com.evil.com",
    "https://evil.com/https://app.example.com",
    "https://evilapp.example.com",
    "https://example.com",
    "https://sub.app.example.com",
    "http://app.example.com",
    "https://app.example.com:443",
    "https://app.example.com:8443",
    "https://app.example.com/",
    "https://APP.example.com",
    "https://app.example.com ",
    " https://app.example.com",
    "https://app.example.com, https://evil.com",
    "https://app.example.com\t",
    "https://app\u3002example.com",
    "file://",
]


def asked(world: Any, event: dict[str, Any], origin: str | None) -> dict[str, str]:
    """Ask as a page of this origin and give the response's headers."""
    event["headers"] = {**event["headers"], **({} if origin is None else {"Origin": origin})}
    headers: dict[str, str] = world.handler(event, None)["headers"]
    return headers


def test_t19_a_page_of_a_listed_origin_may_read(world: Any, event_of: Event) -> None:
    """The tenant's own origin is named back, with credentials, and caches are told of it."""
    world.registry.area_settings = {"cors": POLICY}
    headers = asked(world, event_of(), ORIGIN)
    assert headers["Access-Control-Allow-Origin"] == ORIGIN
    assert headers["Access-Control-Allow-Credentials"] == "true"
    assert headers["Vary"] == "Origin"


def preflight(world: Any, event: dict[str, Any], origin: str | None, wanted: str | None) -> dict[str, str]:
    """Ask whether a page of this origin may send these headers; return the response's headers."""
    event["headers"] = {} if wanted is None else {"Access-Control-Request-Headers": wanted}
    return asked(world, event | {"httpMethod": "OPTIONS"}, origin)


@pytest.mark.parametrize("wanted", ["traceparent", "x-api-key,x-own", "X-Own, Authorization"])
@pytest.mark.parametrize("credentials", [True, False])
def test_t19_a_listed_origin_may_send_the_headers_that_it_asks_for(
    wanted: str, credentials: bool, world: Any, event_of: Event
) -> None:
    """With credentials `*` is a header's name and no wildcard, so that those asked for are named back."""
    world.registry.area_settings = {"cors": POLICY | {"credentials": credentials}}
    headers = preflight(world, event_of(), ORIGIN, wanted)
    allowed = headers["Access-Control-Allow-Headers"]
    assert allowed.replace(" ", "").split(",") == wanted.replace(" ", "").split(",")
    assert "Access-Control-Allow-Headers" not in preflight(world, event_of(), "https://evil.com", wanted)


@pytest.mark.parametrize(
    "wanted", ["a b", "x\r\nSet-Cookie: a=1", "\x00", "x:y", '"x"', "ä", "\ud800", "", ",", None]
)
def test_t19_only_names_of_headers_are_named_back(wanted: str | None, world: Any, event_of: Event) -> None:
    """What is no name is left out, and nothing else that a client sends gets into the headers."""
    world.registry.area_settings = {"cors": POLICY}
    usual = preflight(world, event_of(), ORIGIN, None)["Access-Control-Allow-Headers"]
    assert preflight(world, event_of(), ORIGIN, wanted)["Access-Control-Allow-Headers"] == usual
    both = preflight(world, event_of(), ORIGIN, f"{wanted},x-own")
    if wanted is not None:
        assert both["Access-Control-Allow-Headers"] == "x-own"


@pytest.mark.parametrize("origin", [None, ORIGIN, "https://evil.com"])
@pytest.mark.parametrize("has_policy", [True, False])
def test_t19_caches_are_told_what_a_preflight_depends_on(
    origin: str | None, has_policy: bool, world: Any, event_of: Event
) -> None:
    """A cache on the way keeps preflights apart by origin and headers, unless all are the same."""
    world.registry.area_settings = {"cors": POLICY} if has_policy else {}
    for wanted in (None, "x-own"):
        headers = preflight(world, event_of(), origin, wanted)
        if origin is None or has_policy:
            assert headers["Vary"] == "Origin, Access-Control-Request-Headers"
        else:
            assert "Vary" not in headers


def test_t19_a_refusal_without_an_origin_is_not_every_ones(world: Any, event_of: Event) -> None:
    """Whom the tenant lets read isn't looked up then, and a cache mustn't take the response for a page's."""
    world.registry.area_settings = {"cors": POLICY}
    headers = asked(world, event_of(headers={"x-api-key": "wrong"}), None)
    assert headers["Vary"] == "Origin"


@pytest.mark.parametrize("policy", [POLICY, None])
def test_t19_a_page_reads_every_header_that_is_for_it(
    policy: dict[str, Any] | None, world: Any, event_of: Event
) -> None:
    """With credentials `*` would expose none, so that each response names its own."""
    world.registry.area_settings = {"cors": policy} if policy else {}
    keyed = {"Idempotency-Key": "k1", "x-api-key": "acme-key", "Origin": ORIGIN}
    own = {"X-Own": "1", "etag": '"1"', "content-type": "text/plain", "Set-Cookie": "a=1"}
    world.responses("json", {"statusCode": 200, "headers": own, "multiValueHeaders": {"Link": ["a", "b"]}})
    job = event_of(httpMethod="POST", body="{}", headers={**keyed, "Prefer": "respond-async"})
    sent: list[tuple[dict[str, Any], set[str]]] = [
        (event_of(headers={"Origin": ORIGIN}), {"X-Own", "etag", "Link"}),
        (event_of(httpMethod="DELETE", headers={"Origin": ORIGIN}), {"Allow"}),
        (job, {"Location", "Retry-After", "Preference-Applied"}),
        (job, {"Idempotency-Replayed"}),
    ]
    for request, names in sent:
        response = world.handler(request, None)
        assert hidden_headers(response) == set()
        exposed = response["headers"]["Access-Control-Expose-Headers"].split(", ")
        assert {*names, "x-request-id"} <= set(exposed)
        assert not {"Set-Cookie", "*"} & set(exposed)


@pytest.mark.parametrize("origin", [None, *FOREIGN])
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_t19_no_other_origin_may_read(method: str, origin: str | None, world: Any, event_of: Event) -> None:
    """Nothing but an exact origin is named back: no suffix, prefix, port, case, null or star."""
    world.registry.area_settings = {"cors": POLICY}
    headers = asked(world, event_of(httpMethod=method), origin)
    assert headers["Vary"].split(", ")[0] == "Origin"
    if origin is None and method == "OPTIONS":
        return  # no browser's preflight: nobody's policy is looked up
    assert not {name for name in headers if name.startswith("Access-Control-")}


@pytest.mark.parametrize(
    "changes",
    [
        {"httpMethod": "OPTIONS", "headers": {}},
        {"headers": {"x-api-key": "wrong"}},
        {"body": "{", "httpMethod": "POST"},
        {"path": "/core/acme/nothing", "pathParameters": None},
        {"httpMethod": "DELETE"},
    ],
    ids=["preflight", "wrong key", "malformed body", "no such function", "wrong method"],
)
def test_t19_errors_and_preflights_keep_to_the_policy(
    changes: dict[str, Any], world: Any, event_of: Event
) -> None:
    """A refused request and a preflight, which has no key, are answered under the tenant's policy, too."""
    world.registry.area_settings = {"cors": POLICY}
    assert asked(world, event_of(**changes), ORIGIN)["Access-Control-Allow-Origin"] == ORIGIN
    assert "Access-Control-Allow-Origin" not in asked(world, event_of(**changes), "https://evil.com")


def test_t19_a_policy_that_can_not_be_read_opens_nothing(world: Any, event_of: Event) -> None:
    """While the tables can't be reached nobody may read a preflight's response."""

    def unavailable(*_: object) -> None:
        raise UnavailableError("no")

    world.registry.gateway_settings = unavailable
    assert "Access-Control-Allow-Origin" not in asked(world, event_of(httpMethod="OPTIONS"), ORIGIN)


def test_t19_credentials_go_with_origins_alone() -> None:
    """No policy gives credentials to every origin, and they have to be asked for by true itself."""
    assert "Access-Control-Allow-Credentials" not in CORS
    for credentials in (False, None, "true", 1):
        headers = cors_headers({"origins": [ORIGIN], "credentials": credentials}, ORIGIN) or {}
        assert headers["Access-Control-Allow-Origin"] == (ORIGIN,)
        assert "Access-Control-Allow-Credentials" not in headers


@pytest.mark.parametrize("policy", [{}, [], "*", True, 0, {"origins": ORIGIN}, {"origins": {ORIGIN: 1}}])
def test_t19_what_is_no_policy_allows_nobody(policy: object) -> None:
    """A setting that says nothing sensible is not taken for the default."""
    assert cors_headers(policy, ORIGIN) == {"Vary": ("Origin",)}


def test_t19_a_function_does_not_open_what_its_tenant_closed(world: Any, event_of: Event) -> None:
    """Under a policy a function's own CORS headers are left out, and its Vary stays."""
    world.registry.area_settings = {"cors": POLICY}
    headers = {"access-control-allow-origin": "*", "Access-Control-Max-Age": "9", "vary": "Accept"}
    world.responses("json", {"statusCode": 200, "headers": headers, "body": ""})
    response = world.handler(event_of(), None)
    assert not {name for name in response["headers"] if name.lower().startswith("access-control-")}
    assert response["multiValueHeaders"]["Vary"] == ["Accept", "Origin"]


def test_t19_without_a_policy_every_origin_may_read(world: Any, event_of: Event) -> None:
    """The contract's default stands, without credentials, and a function may say otherwise."""
    assert asked(world, event_of(), ORIGIN)["Access-Control-Allow-Origin"] == "*"
    world.responses("json", {"statusCode": 200, "headers": {"access-control-allow-origin": ORIGIN}})
    headers = world.handler(event_of(), None)["headers"]
    assert headers["access-control-allow-origin"] == ORIGIN
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize("kind", ["json", "error"])
def test_t26_every_answer_tells_browsers_what_not_to_do(kind: Any, world: Any, event_of: Event) -> None:
    """Nothing is stored on the way, sniffed, framed, run, or told to other sites."""
    world.responses(kind, "no", status=400)
    headers = world.handler(event_of(), None)["headers"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Strict-Transport-Security"] == "max-age=31536000"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"


def test_t26_a_function_says_itself_what_its_page_may_do(world: Any, event_of: Event) -> None:
    """A function's own headers stand, and its policy holds beside the sandbox, which a setting lifts."""
    own = {"content-type": "text/html", "cache-control": "max-age=60", "content-security-policy": "img-src *"}
    world.responses("json", {"statusCode": 200, "headers": own})
    headers = world.handler(event_of(), None)["headers"]
    policies = [policy.split() for policy in headers["Content-Security-Policy"].split(",")]
    assert policies[0] == ["img-src", "*"]
    assert policies[1][0] == "sandbox"
    assert "allow-same-origin" not in policies[1]
    world.registry.area_settings = {"sandbox": False}
    assert world.handler(event_of(), None)["headers"]["content-security-policy"] == "img-src *"
    assert headers["cache-control"] == "max-age=60"
    assert "Cache-Control" not in headers


def test_t18_what_is_for_the_next_hop_alone_goes_no_further() -> None:
    """Hop-by-hop headers, and those that Connection names, are left out (RFC 9110, section 7.6.1)."""
    headers = {
        "Connection": "close, X-Hop",
        "x-hop": "1",
        "Trailer": "x",
        "Proxy-Authenticate": "y",
        "X-Own": "z",
    }
    response = function_response(WorkerResponse("json", {"statusCode": 200, "headers": headers}))
    assert response.headers == {"X-Own": ("z",)}
    assert set(SECURITY_HEADERS).isdisjoint(response.headers)
