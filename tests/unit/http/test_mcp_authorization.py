"""What MCP demands of a server that takes tokens, by revision 2026-07-28, and by 2025-11-25 alike.

modelcontextprotocol.io/specification/2026-07-28/basic/authorization with "Security Considerations" and
"Authorization Server Discovery", and what these make binding: RFC 6750, RFC 8707, RFC 9728.
Not binding: whatever is of clients and authorization servers; refresh tokens, and flows to other services, of
which a server of functions has none; hierarchies of scopes, since each of an authorizer's is needed itself.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from .issuers import NAME, Issuer
from .mcp_client import DESCRIBED, LEGACY, MODERN, McpClient, add_tool

type EventOf = Callable[..., dict[str, Any]]

URL = "https://api.example.com/beta/core/acme/mcp"
METADATA = "/.well-known/oauth-protected-resource"
WHERE = f'resource_metadata="{URL}{METADATA}"'
AUTHORIZER = {"type": "jwt", "issuer": NAME, "audience": [URL, "shop"], "scopes": ["shop.read"]}
SCOPE = 'scope="shop.read"'


@pytest.fixture
def client(world: Any, event_of: EventOf) -> McpClient:
    """Return a client of an endpoint with a tool that needs a token."""
    add_tool(world, "comment", DESCRIBED, auth_required=True)
    world.registry.area_settings = {"authorizer": AUTHORIZER}
    return McpClient(world, event_of)


@pytest.fixture
def issuer(world: Any) -> Issuer:
    """Return the issuer that the endpoint trusts."""
    issuer = Issuer()
    world.documents.source = issuer.fetch
    return issuer


# By the rule: what is wrong with a token's claims, and the answer's status and challenge.
INVALID = (401, f'Bearer error="invalid_token", {SCOPE}, {WHERE}')
REFUSED: Mapping[str, tuple[dict[str, Any], tuple[int, str]]] = {
    "an expired token": ({"exp": 999_000}, INVALID),
    "a token that has no end": ({"exp": None}, INVALID),
    "a token not valid yet": ({"nbf": 1_000_500}, INVALID),
    "another issuer's": ({"iss": "https://other.example.com/"}, INVALID),
    "one for another resource": ({"aud": "https://api.example.com/beta/core/globex/mcp"}, INVALID),
    "one for a resource above": ({"aud": "https://api.example.com/beta"}, INVALID),
    "one for no resource": ({"aud": None}, INVALID),
    "one signed by an unknown key": ({"key_id": "unknown"}, INVALID),
    "one with too few scopes": (
        {"scope": "other"},
        (403, f'Bearer error="insufficient_scope", {SCOPE}, {WHERE}'),
    ),
}
REQUESTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    (MODERN, "server/discover", {}),
    (MODERN, "tools/list", {}),
    (MODERN, "tools/call", {"name": "comment"}),
    (LEGACY, "initialize", {}),
    (LEGACY, "tools/call", {"name": "comment"}),
)


@pytest.mark.parametrize("rule", REFUSED)
@pytest.mark.parametrize(("revision", "method", "params"), REQUESTS)
def test_a_token_is_checked_before_the_request_is_processed(
    revision: str, method: str, params: Any, rule: str, world: Any, client: McpClient, issuer: Issuer
) -> None:
    """Whatever it asks for: the status says what is wrong, the challenge how to get a better one."""
    claims, expected = REFUSED[rule]
    client.revision = revision
    token = issuer.sign(**{"scope": "shop.read"} | claims)
    answer = client.request(method, params, authorization=f"Bearer {token}")
    assert (answer.status, answer.headers["WWW-Authenticate"]) == expected
    assert answer.body["id"] == 7
    assert token not in json.dumps(answer.body)
    assert world.invoker.sent == []


@pytest.mark.parametrize("headers", [{}, {"authorization": "Basic YTpi"}, {"authorization": "Bearer"}])
@pytest.mark.parametrize(("revision", "method", "params"), REQUESTS)
def test_a_request_without_a_token_is_told_where_there_are_some(
    revision: str, method: str, params: Any, headers: Any, world: Any, client: McpClient, issuer: Issuer
) -> None:
    """RFC 9728, section 5.1, and RFC 6750, section 3; a token in the query is none."""
    client.revision = revision
    client.query = {"access_token": issuer.sign(scope="shop.read")}
    answer = client.request(method, params, **headers)
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, f"Bearer {SCOPE}, {WHERE}")
    assert world.invoker.sent == []


def test_a_challenge_names_no_scope_that_isn_t_known(world: Any, client: McpClient, issuer: Issuer) -> None:
    """Nor do the metadata, for an authorizer without scopes."""
    world.registry.area_settings = {"authorizer": {**AUTHORIZER, "scopes": None}}
    assert client.request("tools/list").headers["WWW-Authenticate"] == f"Bearer {WHERE}"
    assert "scopes_supported" not in client.send(None, method="GET", path=METADATA).body
    token = issuer.sign()
    assert client.call("comment", authorization=f"Bearer {token}").status == 200


@pytest.mark.parametrize("audience", [URL, [URL, "other"], "shop"])
def test_a_token_for_this_resource_is_taken(
    audience: Any, world: Any, client: McpClient, issuer: Issuer
) -> None:
    """The resource of the metadata, as a client has named it to the issuer: RFC 8707, section 2."""
    token = issuer.sign(scope="shop.read", aud=audience)
    for revision, method, params in REQUESTS:
        client.revision = revision
        assert client.request(method, params, authorization=f"Bearer {token}").status == 200
    assert len(world.invoker.sent) == 2


def test_a_token_is_not_passed_on(
    world: Any, client: McpClient, issuer: Issuer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither to the function, nor into the ledger, which may store it, nor into the log."""
    token = issuer.sign(scope="shop.read")
    headers: dict[str, Any] = {"authorization": f"Bearer {token}", "x_kept": "kept"}
    client.call("comment", **headers)
    client.call("comment", prefer="respond-async", idempotency_key="k", **headers)
    assert len(world.invoker.sent) == 2
    signature = token.rpartition(".")[2]
    assert signature not in repr([world.invoker.sent, vars(world.dynamodb), world.s3.payloads])
    assert signature not in capsys.readouterr().out
    context = json.loads(world.invoker.sent[0].payload["context"])
    assert (context["headers"]["x-kept"], context["authorizer"]["sub"]) == ("kept", "ada")


def test_without_a_tool_that_needs_one_there_is_no_challenge(world: Any, client: McpClient) -> None:
    """Such an endpoint has keys."""
    add_tool(world, "comment", DESCRIBED)
    assert client.request("tools/list").status == 200


def events(event_of: EventOf) -> Mapping[str, tuple[Callable[[str], dict[str, Any]], str]]:
    """Return for each kind of API how an event is made of a path below its root, and its URL."""

    def rest(path: str, *, stage: str = "") -> dict[str, Any]:
        area, endpoint_id, proxy = path[1:].split("/", 2)
        parameters = {"area": area, "endpoint_id": endpoint_id, "proxy": proxy}
        event = event_of(path=path, pathParameters=parameters, httpMethod="GET", body=None, headers=headers)
        event["requestContext"] |= {"path": f"{stage}{path}"}
        return event

    def http(path: str, *, stage: str = "") -> dict[str, Any]:
        area, endpoint_id, proxy = path[1:].split("/", 2)
        parameters = {"area": area, "endpoint_id": endpoint_id, "proxy": proxy}
        event = event_of(
            "api_v2", rawPath=f"{stage}{path}", pathParameters=parameters, body=None, headers=headers
        )
        event["requestContext"] |= {"stage": stage[1:] or "$default"}
        event["requestContext"]["http"] |= {"method": "GET", "path": f"{stage}{path}"}
        return event

    headers = {"host": "api.example.com", "x-forwarded-proto": "https"}
    return {
        "a REST API": (lambda path: rest(path, stage="/beta"), "https://api.example.com/beta"),
        "a REST API's domain": (rest, "https://api.example.com"),
        "an HTTP API": (http, "https://api.example.com"),
        "an HTTP API's stage": (lambda path: http(path, stage="/prod"), "https://api.example.com/prod"),
    }


@pytest.mark.parametrize("kind", ["a REST API", "a REST API's domain", "an HTTP API", "an HTTP API's stage"])
@pytest.mark.parametrize("path", [f"/core/acme/mcp{METADATA}", f"{METADATA}/core/acme/mcp"])
@pytest.mark.usefixtures("client")
def test_the_metadata_are_of_the_resource(kind: str, path: str, world: Any, event_of: EventOf) -> None:
    """RFC 9728, sections 2 and 3: for anybody, at the challenge's address and at the well-known one."""
    make, root = events(event_of)[kind]
    event = make(path)
    event["requestContext"].get("identity", {}).pop("apiKey", None)
    response = world.call(event)
    assert (response["statusCode"], response["headers"]["Content-Type"]) == (200, "application/json")
    assert json.loads(response["body"]) == {
        "resource": f"{root}/core/acme/mcp",
        "authorization_servers": [NAME],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["shop.read"],
    }
    world.registry.area_settings = {}
    assert world.call(event)["statusCode"] == 404


@pytest.mark.usefixtures("client")
def test_a_pool_of_cognito_is_an_authorization_server(world: Any, client: McpClient) -> None:
    """Its issuer comes of its name."""
    authorizer = {"type": "cognito", "user_pool": "eu-west-1_abc", "client": "c"}
    world.registry.area_settings = {"authorizer": authorizer}
    metadata = client.send(None, method="GET", path=METADATA).body
    assert metadata["authorization_servers"] == ["https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc"]
    assert client.request("tools/list").headers["WWW-Authenticate"] == f"Bearer {WHERE}"


def test_other_methods_than_get_have_no_metadata(client: McpClient) -> None:
    """The path takes GET and HEAD."""
    assert client.send(None, method="DELETE", path=METADATA).status == 405
