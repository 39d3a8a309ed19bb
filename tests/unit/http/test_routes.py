"""Requests by a route: what their functions, authorizers, logs and the ledger get."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin

import pytest

from silvaengine.access.rate_limits import RateLimit
from silvaengine.protocol.messages import WorkerResponse

from .test_executions import settle

type Send = Callable[..., Any]


@pytest.fixture
def event_at(rest_path: Callable[[str], dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Return a request for a path."""

    def build(method: str, path: str, query: dict[str, list[str]] | None = None, **changes: Any) -> Any:
        several = {"multiValueQueryStringParameters": query or {}, "queryStringParameters": None}
        return rest_path(path) | several | {"httpMethod": method, "body": None} | changes

    return build


@pytest.fixture
def send(world: Any, event_at: Callable[..., dict[str, Any]]) -> Send:
    """Send a request for a path below two functions with routes, and one without."""
    world.add("comment_list", route="GET /tickets/{ticket_id}/comments", methods=("GET",))
    world.add("comment", route="POST /tickets/{ticket_id}/comments", methods=("POST", "PUT"))
    world.add("file", route="GET /files/{path+}", methods=("GET",))
    return lambda *arguments, **changes: world.call(event_at(*arguments, **changes))


@pytest.mark.parametrize("path", ["/core/acme/tickets/a%20b/comments", "/core/acme/tickets/a%20b/comments/"])
def test_a_route_reaches_its_function(path: str, world: Any, send: Send) -> None:
    """Its arguments are parameters by name; what follows is no `path`; a slash at the end means nothing."""
    assert send("GET", path, {"lang": ["de"]})["statusCode"] == 200
    sent = world.payload
    assert sent["funct"] == "comment_list"
    assert sent["params"] == {
        "ticket_id": "a b", "lang": "de", "endpoint_id": "acme", "area": "core"
    }  # fmt: skip
    assert sent["context"]["path_parameters"] == {"ticket_id": "a b"}


def test_the_path_goes_before_the_query(world: Any, send: Send) -> None:
    """A query's member of the same name isn't there, for no one: what was admitted is what is called."""
    send("GET", "/core/acme/tickets/17/comments", {"ticket_id": ["18"], "path": ["p"], "endpoint_id": ["x"]})
    sent = world.payload
    assert sent["params"] == {"ticket_id": "17", "path": "p", "endpoint_id": "acme", "area": "core"}
    assert sent["context"]["query"] == {"path": ["p"]}


def test_several_methods_of_a_path_are_several_functions(world: Any, send: Send) -> None:
    """HEAD is like GET, without a body; another method is a 405 with those of the path."""
    path = "/core/acme/tickets/17/comments"
    functions = []
    for method in ("GET", "HEAD", "POST"):
        assert send(method, path)["statusCode"] == 200
        functions.append(world.payload["funct"])
    assert functions == ["comment_list", "comment_list", "comment"]
    assert send("HEAD", path)["body"] == ""
    refused = send("PUT", path)  # which its function takes by name
    assert refused["statusCode"] == 405
    assert refused["headers"]["Allow"] == "GET, POST, HEAD, OPTIONS"
    assert "This path does not allow the method PUT" in refused["body"]
    assert send("OPTIONS", path)["statusCode"] == 204


def test_the_rest_of_a_path(world: Any, send: Send) -> None:
    """It is of one segment or more, and an encoded slash is none of its slashes."""
    send("GET", "/core/acme/files/a/b%20c")
    assert world.payload["params"]["path"] == "a/b c"
    assert send("GET", "/core/acme/files")["statusCode"] == 404
    assert "encoded slash" in send("GET", "/core/acme/files/a%2Fb")["body"]


def test_names_go_before_routes(world: Any, send: Send) -> None:
    """By its name a function is called as ever; so is one whose name a route begins with."""
    send("GET", "/core/acme/comment_list/x")
    assert world.payload["params"] == {"path": "x", "endpoint_id": "acme", "area": "core"}
    world.add("tickets", methods=("GET",))
    send("GET", "/core/acme/tickets/17/comments")
    assert (world.payload["funct"], world.payload["params"]["path"]) == ("tickets", "17/comments")


def test_a_name_asks_for_no_routes(world: Any, send: Send) -> None:
    """So that a request by name costs what it did."""
    world.registry.asked.clear()
    send("GET", "/core/acme/comment_list")
    assert ("routes",) not in world.registry.asked


def test_neither_name_nor_route(world: Any, send: Send) -> None:
    """The 404 is that of a missing function."""
    response = send("GET", "/core/acme/tickets/17")
    assert response["statusCode"] == 404
    assert "Function 'tickets' does not exist at endpoint 'acme'" in response["body"]


def test_a_header_names_functions_only(world: Any, send: Send) -> None:
    """Where the endpoint's settings appoint one, its value is no beginning of a route."""
    world.registry.area_settings = {"api_unified_call_index": "x-function"}
    headers = {"x-function": "tickets"}
    response = send("GET", "/core/acme/greet/17/comments", headers=headers, multiValueHeaders=None)
    assert response["statusCode"] == 404


def test_a_function_of_another_area(world: Any, send: Send) -> None:
    """It is refused as by its name."""
    world.add("report", route="GET /reports/{year}", area="admin")
    response = send("GET", "/core/acme/reports/2026")
    assert response["statusCode"] == 403
    assert "Function 'report' is not in area 'core'" in response["body"]


def test_an_internal_function_has_no_route(world: Any, send: Send) -> None:
    """Rows that another tool wrote may give it one; clients don't learn of it."""
    world.add("hidden", route="GET /hidden_things", internal=True)
    response = send("GET", "/core/acme/hidden_things")
    assert response["statusCode"] == 404


def test_a_job_by_a_route(world: Any, send: Send, event_at: Callable[..., Any]) -> None:
    """Its Location leads to job_status, however deep the path; its status is found."""
    url = "/core/acme/tickets/17/comments/"
    response = send("POST", url, headers={"prefer": "respond-async"}, multiValueHeaders=None)
    assert response["statusCode"] == 202
    location = urljoin(url, response["headers"]["Location"])
    job_id = json.loads(response["body"])["job_id"]
    assert location == f"/core/acme/job_status?job_id={job_id}"
    settle(world, WorkerResponse("json", {"ok": True}))
    status = send("GET", "/core/acme/job_status", {"job_id": [job_id]})
    assert json.loads(status["body"])["function"] == "comment"


def test_an_idempotency_key_by_a_route(world: Any, send: Send) -> None:
    """It runs once; for another path, or by the name, the same key is another request."""
    keyed = {"headers": {"idempotency-key": "k"}, "multiValueHeaders": None}
    first = send("POST", "/core/acme/tickets/17/comments", **keyed)
    settle(world, WorkerResponse("text", '{"ok": true}'))
    again = send("POST", "/core/acme/tickets/17/comments", **keyed)
    assert (first["statusCode"], again["body"]) == (200, '{"ok": true}')
    assert again["headers"]["Idempotency-Replayed"] == "true"
    assert len(world.invoker.sent) == 1
    for path in ("tickets/18/comments", "comment/17/comments", "comment"):
        assert send("POST", f"/core/acme/{path}", **keyed)["statusCode"] == 422


def test_limits_count_a_request_by_a_route_once(world: Any, send: Send) -> None:
    """The limit is charged before it is known what is called."""
    world.registry.limits = (RateLimit("tenant", "acme", 0.001, 2),)
    path = "/core/acme/tickets/17/comments"
    assert [send("GET", path)["statusCode"] for _ in range(3)] == [200, 200, 429]


def test_the_log_line_names_the_function(world: Any, send: Send, log_line: Callable[[], Any]) -> None:
    """It has the function's name, and nothing of the path, which may be of a person."""
    send("GET", "/core/acme/tickets/lovelace@example.com/comments")
    line = log_line()
    assert line["function"] == "comment_list"
    assert "lovelace" not in json.dumps(line)


@pytest.mark.parametrize(
    ("method", "path", "effect"),
    [
        ("GET", "/core/acme/tickets/17/comments", "Allow"),
        ("OPTIONS", "/core/acme/tickets/17/comments", "Allow"),
        ("PATCH", "/core/acme/tickets/17/comments", "Deny"),
        ("GET", "/core/acme/tickets/17", "Deny"),
    ],
)
def test_an_authorizer_call_by_a_route(
    method: str, path: str, effect: str, world: Any, event_at: Callable[..., Any], send: Send
) -> None:
    """API Gateway's own question is answered by the function that the route means."""
    arn = {"type": "REQUEST", "methodArn": "arn:aws:execute-api:eu-central-1:1:api/prod/GET/x"}
    (statement,) = world.handler(event_at(method, path) | arn, None)["policyDocument"]["Statement"]
    assert statement["Effect"] == effect


def test_a_full_event_function_by_a_route(world: Any, send: Send) -> None:
    """The arguments are among its params, and the event says them beside the path as it came."""
    world.add("raw", route="GET /raw_things/{thing}", area="raw")
    send("GET", "/raw/acme/raw_things/a%20b")
    sent = world.payload
    assert sent["params"] == {"thing": "a b", "endpoint_id": "acme", "area": "raw"}
    assert sent["aws_event"]["requestContext"]["path_parameters"] == {"thing": "a b"}
    assert sent["aws_event"]["pathParameters"]["proxy"] == "raw_things/a%20b"
