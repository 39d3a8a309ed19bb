"""Functions behind authorizers, through the deployed gateway."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from .authorization_server import AuthorizationServer, authorization_server
from .conftest import Deployment
from .http_client import Api, Response
from .registry_rows import API_KEY, ENDPOINT

type Issuer = type[AuthorizationServer]


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """An issuer of tokens on this machine."""
    with authorization_server("read") as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def authorizers(deployment: Deployment, issuer: Issuer) -> None:
    """Return two areas of the endpoint an authorizer each, and functions that demand one."""
    tokens = {"type": "jwt", "issuer": issuer.name, "audience": "shop", "scopes": ["read"]}
    settings = {"members": ("authorizer_module_name", "house_authorizer"), "tokens": ("authorizer", tokens)}
    for area, (variable, value) in settings.items():
        deployment.rows.put(
            "configdata", setting_id=f"beta_{area}_{ENDPOINT}", variable=variable, value=value
        )


def ask(api: Api, area: str, token: str | None, body: Any = None) -> Response:
    """Call an area's function with a token."""
    headers = {"x-api-key": API_KEY} | ({"Authorization": f"Bearer {token}"} if token else {})
    path = f"/{area}/{ENDPOINT}/{area}_context"
    return api.post(path, body, headers) if body is not None else api.get(path, headers)


def test_an_authorizer_in_the_predecessors_style(api: Api) -> None:
    """Whoever it lets in reaches the function, with claims and roles in the context."""
    response = ask(api, "members", "ada", {"wish": "little"})
    identity = {"user_id": "7", "is_admin": True, "principalId": "ada"}
    assert response.json() == {
        "authorizer": identity,
        "additionalContext": {"roles": ["ada"]},
        "channel": "e2e",
    }


def test_an_authorizer_that_refuses(api: Api) -> None:
    """Its error is a 403 with its words, and the function doesn't run."""
    response = ask(api, "members", "expired")
    assert response.status == 403
    assert "The token has expired" in response.json()["error"]


def test_a_token_of_the_settings_issuer_opens(api: Api, issuer: Issuer) -> None:
    """The gateway finds the issuer's keys by itself, and the function learns the claims."""
    response = ask(api, "tokens", issuer.sign(aud="shop", scope="read"))
    assert response.status == 200, response.text
    assert response.json()["authorizer"]["sub"] == "ada"


def test_a_refused_token_is_answered_with_a_challenge(api: Api, issuer: Issuer) -> None:
    """The challenge says what is wrong (RFC 6750)."""
    response = ask(api, "tokens", issuer.sign(aud="shop", scope="read", exp=1))
    assert response.status == 401
    assert "www-authenticate" in response.headers


def test_api_gateway_asks_for_a_policy(deployment: Deployment) -> None:
    """The gateway's Lambda answers API Gateway's authorizer call for exactly the method asked about."""
    path = f"/members/{ENDPOINT}/members_context"
    event = {
        "type": "REQUEST",
        "methodArn": f"arn:aws:execute-api:us-east-1:123456789012:api/beta/GET{path}",
        "resource": "/{area}/{endpoint_id}/{proxy+}",
        "path": path,
        "httpMethod": "GET",
        "headers": {"Authorization": "Bearer ada", "x-api-key": API_KEY},
        "queryStringParameters": None,
        "pathParameters": {"area": "members", "endpoint_id": ENDPOINT, "proxy": "members_context"},
        "requestContext": {"stage": "beta", "apiId": "api", "accountId": "123456789012", "identity": {}},
    }
    response = deployment.engine.client("lambda").invoke(
        FunctionName=deployment.outputs.http_gateway_arn, Payload=json.dumps(event)
    )
    policy = json.loads(response["Payload"].read())
    statement = {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": [event["methodArn"]]}
    assert policy["policyDocument"] == {"Version": "2012-10-17", "Statement": [statement]}
    assert policy["context"] == {"user_id": "7", "is_admin": True, "principalId": "ada"}


def test_the_demos_authorizer_lets_a_newcomer_in(api: Api) -> None:
    """The registry that ships lets a newcomer try it."""
    assert api.get("/members/demo/member").status == 401
    response = api.get("/members/demo/member", {"Authorization": "Demo grace"})
    assert response.json() == {"user": "grace", "roles": ["member"]}
    ban = api.post("/members/demo/ban", {"name": "ada"}, {"Authorization": "Demo grace"})
    assert (ban.status, ban.json()["error"]) == (403, "Only an admin may ban a member")
