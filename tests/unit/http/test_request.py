"""Requests: the same whichever of AWS's HTTP events brought them, and tolerant of what events leave out."""

from collections.abc import Callable
from typing import Any

import pytest

from silvaengine.errors import RequestError
from silvaengine_http.path import read_path
from silvaengine_http.request import Request, read_method, read_request


@pytest.fixture
def read(event_of: Callable[..., dict[str, Any]]) -> Callable[..., Request]:
    """Read a recorded event with members replaced."""

    def build(name: str = "rest_v1", **changes: Any) -> Request:
        event = event_of(name, **changes)
        return read_request(event, read_method(event), read_path(event))

    return build


@pytest.mark.parametrize("name", ["rest_v1", "api_v2", "function_url"])
def test_each_event_gives_the_same_request(name: str, read: Callable[..., Request]) -> None:
    """REST API, HTTP API and Function URL differ in form, not in what a function gets."""
    request = read(name)
    assert request.method == "POST"
    assert request.api_key == "acme-key"
    assert request.query == {"lang": ["de"], "tag": ["x", "y z"]}
    assert request.body == '{"name": "Ada"}'
    assert request.headers["content-type"] == "application/json"
    assert request.stage == (None if name == "function_url" else "prod")
    assert request.params == {
        "lang": "de",
        "tag": "y z",
        "path": "a/b c",
        "endpoint_id": "acme",
        "area": "core",
    }


def test_the_context_is_what_functions_are_promised(read: Callable[..., Request]) -> None:
    """It is the event's requestContext, with tenant, area, headers as sent and every query value."""
    context = read().function_context()
    assert context["identity"]["sourceIp"] == "192.0.2.1"
    assert context["requestId"] == "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
    assert context["channel"] == "acme"
    assert context["area"] == "core"
    assert context["headers"]["Content-Type"] == "application/json"
    assert context["query"] == {"lang": ["de"], "tag": ["x", "y z"]}


def test_cookies_are_a_header_in_both_payloads(read: Callable[..., Request]) -> None:
    """Payload 2.0 lists cookies apart; a function finds them among the headers all the same."""
    assert read("api_v2").headers["cookie"] == "session=1; theme=dark"


@pytest.mark.parametrize(
    ("identity", "headers", "query", "key"),
    [
        ({"apiKey": "a"}, {"X-Api-Key": "b"}, {"x-api-key": "c"}, "a"),
        ({"apiKey": None}, {"X-API-KEY": "b"}, {"x-api-key": "c"}, "b"),
        ({"apiKey": ""}, {"x-api-key": ""}, {"x-api-key": "c"}, "c"),
        ({}, None, {"x-api-key": ""}, "#####"),
        (None, {}, None, "#####"),
        ({}, {"x-api-key": None}, None, "#####"),
    ],
)
def test_the_api_key_is_looked_for_in_order(
    identity: Any, headers: Any, query: Any, key: str, read: Callable[..., Request]
) -> None:
    """API Gateway's own key, the header, the query, the default key; null and empty count as absent."""
    request = read(
        requestContext={"identity": identity},
        headers=headers,
        multiValueHeaders=None,
        queryStringParameters=query,
        multiValueQueryStringParameters=None,
    )
    assert request.api_key == key
    assert request.query == {}


@pytest.mark.parametrize("key", ["k" * 1025, "é" * 513])
def test_an_endless_api_key_is_refused(key: str, read: Callable[..., Request]) -> None:
    """A key that no row can have is a 403 without a look-up."""
    with pytest.raises(RequestError) as refused:
        read(requestContext={}, headers={"x-api-key": key})
    assert refused.value.status == 403


@pytest.mark.parametrize(
    ("stage", "expected"), [("prod", "prod"), ("$default", None), ("", None), (None, None), (7, None)]
)
def test_the_stage_is_the_apis_own(stage: Any, expected: str | None, read: Callable[..., Request]) -> None:
    """An API without a stage of its own leaves it to the deployment's settings."""
    assert read(requestContext={"stage": stage}).stage == expected


def test_nulls_are_absence(read: Callable[..., Request]) -> None:
    """API Gateway sends null for maps that are empty."""
    request = read(
        headers=None,
        multiValueHeaders=None,
        queryStringParameters=None,
        multiValueQueryStringParameters=None,
        pathParameters=None,
        requestContext=None,
        body=None,
        cookies=None,
    )
    assert (dict(request.headers), request.query, request.body) == ({}, {}, None)
    assert request.route.function == "greet"


def test_multi_value_maps_serve_alone(read: Callable[..., Request]) -> None:
    """Headers and query are read from whichever map is there."""
    request = read(
        headers=None,
        multiValueHeaders={"X-A": ["1", "2"], "X-B": [None, "3"]},
        queryStringParameters={"a": "last", "b": "only"},
        multiValueQueryStringParameters={"a": ["first", "last"], "c": None},
    )
    assert request.headers == {"x-a": "1, 2", "x-b": "3"}
    assert request.query == {"a": ["first", "last"], "b": ["only"], "c": []}
    assert request.params["a"] == "last"
    assert "c" not in request.params


@pytest.mark.parametrize(
    ("single", "several", "expected"),
    [
        ({"X-Tag": "two"}, {"X-Tag": ["one", "two"]}, {"X-Tag": "one, two"}),
        ({"Cookie": "b=2"}, {"Cookie": ["a=1", "b=2"]}, {"Cookie": "a=1; b=2"}),
        (None, {"Cookie": ["a=1; b=2", "c=3"]}, {"Cookie": "a=1; b=2; c=3"}),
        ({"X-Tag": "one", "x-tag": "two"}, None, {"X-Tag": "one, two"}),
        ({"Via": "b", "X-A": "1"}, {"Via": ["a", "b"]}, {"Via": "a, b", "X-A": "1"}),
        ({"X-A": "1"}, {"X-B": ["2"]}, {"X-A": "1", "X-B": "2"}),
        ({"X-A": "1"}, {"X-A": []}, {}),
        ({"X-A": "1"}, {"X-A": 3}, {}),
        ({"X-A": None, "X-B": "2"}, {"X-A": [None], "X-B": ["2"]}, {"X-B": "2"}),
    ],
)
def test_a_header_on_several_lines_is_one_value(
    single: Any, several: Any, expected: dict[str, str], read: Callable[..., Request]
) -> None:
    """No line is lost, whichever map has them and however the client writes the name."""
    request = read(headers=single, multiValueHeaders=several)
    assert request.function_context()["headers"] == expected
    assert request.headers == {name.lower(): value for name, value in expected.items()}


@pytest.mark.parametrize(
    ("name", "lines", "status"),
    [
        ("Prefer", ["respond-async", "wait=10"], 202),
        ("Prefer", ["wait=10", "respond-async"], 202),
        ("X-Api-Key", ["acme-key", "acme-key"], 404),
        ("Idempotency-Key", ["k1", "k2"], 400),
        ("Content-Type", ["application/json", "text/xml"], 415),
    ],
)
def test_each_line_counts(
    name: str, lines: list[str], status: int, world: Any, event_of: Callable[..., dict[str, Any]]
) -> None:
    """A list goes on over lines; of what may be there once, two are refused and none is chosen."""
    event = event_of(
        headers={name: lines[-1]}, multiValueHeaders={name: lines}, requestContext={"stage": "prod"}
    )
    assert world.call(event)["statusCode"] == status


def test_a_client_cannot_set_reserved_names_by_query(read: Callable[..., Request]) -> None:
    """Tenant, area and context come from the gateway, and keys are no parameters."""
    names = ["endpoint_id", "area", "context", "aws_event", "aws_context", "connection_id", "X-Api-Key"]
    request = read(multiValueQueryStringParameters={name: ["globex"] for name in names})
    assert request.query.keys() == {"lang", "tag"}
    assert request.params["endpoint_id"] == "acme"
    assert request.params["area"] == "core"


def test_the_path_is_absent_when_empty(read: Callable[..., Request]) -> None:
    """A function gets no empty path; a client's own parameter of that name stays."""
    request = read(
        pathParameters={"area": "core", "endpoint_id": "acme", "proxy": "greet"},
        multiValueQueryStringParameters={"path": ["mine"]},
    )
    assert request.params["path"] == "mine"


def test_a_get_may_have_a_body(read: Callable[..., Request]) -> None:
    """A body is forwarded whatever the method."""
    assert read(httpMethod="GET").body == '{"name": "Ada"}'


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"headers": []}, None),
        ({"headers": "x"}, "'headers' is not an object"),
        ({"multiValueQueryStringParameters": 3}, "'multiValueQueryStringParameters' is not an object"),
        ({"requestContext": ["x"]}, "'requestContext' is not an object"),
        ({"body": {"a": 1}}, "'body' is not a string"),
        ({"rawQueryString": "a=%ff"}, "query string is not valid UTF-8"),
        ({"requestContext": {"identity": {"apiKey": "\ud800"}}}, "API key is not valid UTF-8"),
    ],
)
def test_members_of_a_wrong_kind_are_refused(
    changes: dict[str, Any], words: str | None, read: Callable[..., Request]
) -> None:
    """An event with a member of another kind is a 400 that names it; an empty one counts as absent."""
    with pytest.raises(RequestError, match=words or "'headers' is not an object"):
        read(**changes)


@pytest.mark.parametrize(
    "members",
    [
        {"headers": {"x-a": "\ud800"}},
        {"headers": {"\ud800": "x"}},
        {"headers": {"x-a": "b"}, "multiValueHeaders": {"x-a": ["\ud800", "b"]}},
    ],
)
def test_half_a_surrogate_pair_in_a_header_reaches_no_function(
    members: dict[str, Any], read: Callable[..., Request]
) -> None:
    """Nothing could store it or send it back; a function that takes no headers needn't care."""
    request = read(**members)
    with pytest.raises(RequestError, match="headers are not valid UTF-8"):
        request.function_context()


@pytest.mark.parametrize(
    ("event", "method"),
    [
        ({}, ""),
        ({"httpMethod": "head"}, "HEAD"),
        ({"version": "2.0", "requestContext": {"http": {"method": "GET"}}}, "GET"),
        ({"version": ["2.0"], "requestContext": []}, ""),
    ],
)
def test_any_object_has_a_method_or_none(event: dict[str, Any], method: str) -> None:
    """An error needs the right format too, so that reading it can't fail."""
    assert read_method(event) == method


@pytest.mark.parametrize("event", [{}, {"Records": []}, {"httpMethod": None}])
def test_what_is_no_http_event_is_refused(event: dict[str, Any], world: Any) -> None:
    """The gateway serves HTTP events and nothing else."""
    response = world.call(event)
    assert response["statusCode"] == 400
    assert "Not an HTTP request" in response["body"]


@pytest.mark.parametrize(("method", "has_body"), [("GET", True), ("head", False)])
def test_a_refusal_to_head_has_no_body(
    method: str, has_body: bool, world: Any, event_of: Callable[..., dict[str, Any]]
) -> None:
    """As RFC 9110 has it, section 9.3.2."""
    response = world.call(event_of(path="/", pathParameters=None, httpMethod=method))
    assert (response["statusCode"], bool(response["body"])) == (404, has_body)
