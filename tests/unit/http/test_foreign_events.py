"""Events of other senders: each is refused by name, in the form that its sender understands."""

import json
from collections.abc import Callable
from typing import Any

import pytest

ALB = {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/x/1"}}
LATTICE = {"serviceArn": "arn:aws:vpc-lattice:us-east-1:123456789012:service/svc-1", "region": "us-east-1"}
ORIGIN = "https://app.example.com"


def _request(**members: Any) -> dict[str, Any]:
    """Return what all of them have alike, for a function that exists."""
    return {"path": "/core/acme/greet", "body": "", "isBase64Encoded": False, **members}


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "POST"])
def test_a_load_balancer_is_refused_by_name(method: str, world: Any) -> None:
    """Its query arrives undecoded and nothing says what stage it is: a 400 says what to use instead."""
    event = _request(
        requestContext=ALB, httpMethod=method, headers={"origin": ORIGIN}, queryStringParameters={"a": "%20"}
    )
    response = world.call(event)
    assert response["statusCode"] == 400
    assert "Application Load Balancer" in json.loads(response["body"])["error"]
    assert not world.invoker.sent
    assert "multiValueHeaders" not in response


def test_a_load_balancer_with_lists_gets_lists(world: Any) -> None:
    """It takes no ``headers`` then, and makes a 502 of a response without ``multiValueHeaders``.

    docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
    """
    event = _request(requestContext=ALB, httpMethod="GET", multiValueHeaders={"origin": [ORIGIN]})
    response = world.handler(event, None)
    assert response["statusCode"] == 400
    assert "headers" not in response
    assert response["multiValueHeaders"]["Content-Type"] == ["application/json"]
    assert len(response["multiValueHeaders"]["x-request-id"]) == 1


@pytest.mark.parametrize(
    "event",
    [
        {"raw_path": "/core/acme/greet", "method": "GET", "headers": {}, "is_base64_encoded": False},
        _request(version="2.0", method="GET", headers={"host": ["x"]}, requestContext=LATTICE),
    ],
)
def test_vpc_lattice_is_refused_by_name(event: dict[str, Any], world: Any) -> None:
    """Neither version of its event is a request of API Gateway's."""
    response = world.call(event)
    assert response["statusCode"] == 400
    assert "VPC Lattice" in json.loads(response["body"])["error"]


@pytest.mark.parametrize(
    "event",
    [
        {"Records": [{"cf": {"config": {}, "request": {"method": "GET", "uri": "/core/acme/greet"}}}]},
        {"Records": [{"eventSource": "aws:sqs", "body": "{}"}]},
        {"endpoint_id": "acme", "funct": "greet", "params": {}},
        {"requestContext": {"connectionId": "c1", "routeKey": "$default"}, "body": "{}"},
        {"httpMethod": 3, "path": "/core/acme/greet"},
        "nonsense",
        None,
    ],
)
def test_anything_else_is_no_http_request(event: Any, world: Any) -> None:
    """Whoever invokes the gateway with another event gets a 400, and nothing is called."""
    response = world.call(event)
    assert response["statusCode"] == 400
    assert "Not an HTTP request" in json.loads(response["body"])["error"]
    assert not world.invoker.sent


@pytest.mark.parametrize("kind", ["TOKEN", "REQUEST"])
def test_an_authorizer_call_without_a_request_is_denied(kind: str, world: Any) -> None:
    """API Gateway takes nothing but a policy; a TOKEN authorizer's event doesn't say what is asked for."""
    arn = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod/GET/core/acme/greet"
    policy = world.handler({"type": kind, "methodArn": arn, "authorizationToken": "x"}, None)
    assert policy["policyDocument"]["Statement"][0]["Effect"] == "Deny"
    assert "Not an HTTP request" in policy["context"]["error_message"]


def test_what_a_function_url_sends_is_no_foreign_event(
    world: Any, event_of: Callable[..., dict[str, Any]]
) -> None:
    """Requests are served, whatever further members they have."""
    assert world.call(event_of("function_url", raw_path="/x"))["statusCode"] == 200
