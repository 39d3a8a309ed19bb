"""The way of a request: whom the gateway asks, what it sends to a worker, what it answers and tells."""

import json
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from silvaengine.authorization import events
from silvaengine.errors import (
    ConfigurationError,
    DeadlineError,
    InvocationError,
    RequestError,
    UnavailableError,
)
from silvaengine_cli import engine_debugger

NOW = 1_000_000.0
ARN = "arn:aws:lambda:us-east-1:123456789012:function:worker"

type EventOf = Callable[..., dict[str, Any]]


def _error(response: dict[str, Any]) -> str:
    body = json.loads(response["body"])
    assert body.keys() == {"error", "request_id"}
    assert body["request_id"] == response["headers"]["x-request-id"]
    return str(body["error"])


@pytest.mark.parametrize("name", ["rest_v1", "api_v2", "function_url"])
def test_a_request_reaches_its_function(name: str, world: Any, event_of: EventOf) -> None:
    """The worker gets the contract's payload, and the client the function's text, byte for byte."""
    world.responses("text", '{"hello":  "Ada"}')
    response = world.call(event_of(name))
    assert (response["statusCode"], response["body"]) == (200, '{"hello":  "Ada"}')
    sent = world.payload
    assert sent.keys() == {
        "MODULENAME",
        "CLASSNAME",
        "funct",
        "setting",
        "params",
        "body",
        "context",
        "invocation",
    }
    assert (sent["MODULENAME"], sent["CLASSNAME"], sent["funct"]) == ("demo", "Demo", "greet")
    assert sent["setting"] == '{"greeting": "hello"}'
    assert sent["body"] == '{"name": "Ada"}'
    assert sent["params"]["endpoint_id"] == "acme"
    assert sent["params"]["path"] == "a/b c"
    assert sent["context"]["channel"] == "acme"
    traceparent = sent["invocation"].pop("traceparent")
    assert traceparent.split("-")[1] == response["headers"]["x-request-id"]
    assert sent["invocation"] == {
        "request_id": response["headers"]["x-request-id"],
        "endpoint_id": "acme",
        "area": "core",
        "function": "greet",
        "deadline": NOW + 27,
        "attempt": 1,
        "hops": 0,
    }
    assert world.invoker.sent[0].arn == ARN


def test_the_registry_is_asked_in_order(world: Any, event_of: EventOf) -> None:
    """Its generation is looked at first, so that a change counts from this request on."""
    world.call(event_of())
    assert world.registry.asked == [
        ("refresh",),
        ("connection", "acme", "acme-key", "core", "prod"),
        ("function", "greet"),
    ]


@pytest.mark.parametrize(
    ("path", "changes", "status", "words"),
    [
        ("/core/globex/greet", {}, 404, "Endpoint 'globex' does not exist"),
        ("/core/acme/nothing", {}, 404, "Function 'nothing' does not exist at endpoint 'acme'"),
        ("/admin/acme/greet", {}, 403, "Function 'greet' is not in area 'admin'"),
        (
            "/core/acme/greet",
            {"httpMethod": "DELETE"},
            405,
            "Function 'greet' does not allow the method DELETE",
        ),
        ("/core/acme/secret", {}, 403, "requires an authorizer and none is configured"),
        ("/core/acme/greet/..", {}, 400, "Path segment 4 is a dot segment"),
        ("/core/acme/greet", {"body": "{"}, 400, "The body is not valid JSON"),
        (
            "/core/acme/greet",
            {"headers": {"Content-Type": "application/xml"}, "multiValueHeaders": None},
            415,
            "'application/xml'",
        ),
        ("/core/acme/greet", {"body": "a" * 6_291_457}, 413, "6291456 bytes"),
    ],
)
def test_a_refusal_says_what_is_wrong(
    path: str,
    changes: dict[str, Any],
    status: int,
    words: str,
    world: Any,
    rest_path: Callable[[str], dict[str, Any]],
) -> None:
    """Each refusal has a status of its own and a text for the client, and nothing is invoked."""
    world.add("secret", auth_required=True)
    response = world.call(rest_path(path) | changes)
    assert response["statusCode"] == status
    assert words in _error(response)
    assert not world.invoker.sent
    assert not world.alerts.sent


@pytest.mark.parametrize(
    ("methods", "allow"),
    [
        (("POST",), "POST, OPTIONS"),
        (("GET", "POST"), "GET, POST, HEAD, OPTIONS"),
        (("HEAD", "GET"), "HEAD, GET, OPTIONS"),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(
    methods: tuple[str, ...], allow: str, world: Any, event_of: EventOf
) -> None:
    """405 lists what is allowed; HEAD is wherever GET is, OPTIONS is everywhere."""
    world.add("greet", methods=methods)
    response = world.call(event_of(httpMethod="PATCH"))
    assert response["statusCode"] == 405
    assert response["headers"]["Allow"] == allow


def test_head_is_get_without_a_body(world: Any, event_of: EventOf) -> None:
    """HEAD runs the function and answers its headers."""
    response = world.call(event_of(httpMethod="HEAD", body=None))
    assert (response["statusCode"], response["body"]) == (200, "")
    assert response["headers"]["Content-Type"] == "application/json"
    assert not any(name.lower() == "content-length" for name in response["headers"])
    assert world.payload["context"]["httpMethod"] == "POST"


def test_head_gets_errors_without_a_body(world: Any, event_of: EventOf) -> None:
    """Even an error has no body for HEAD."""
    world.add("greet", methods=("POST",))
    response = world.call(event_of(httpMethod="HEAD", body=None))
    assert (response["statusCode"], response["body"]) == (405, "")


@pytest.mark.parametrize("path", ["/core/acme/greet", "/core/nobody/nothing", "/core/acme/.."])
def test_options_needs_no_lookup(path: str, world: Any, event_of: EventOf) -> None:
    """A preflight is answered for any path, without a word about what is there."""
    response = world.call(event_of(httpMethod="OPTIONS", path=path, pathParameters=None))
    assert (response["statusCode"], response["body"]) == (204, "")
    assert response["headers"]["Access-Control-Allow-Origin"] == "*"
    assert "POST" in response["headers"]["Access-Control-Allow-Methods"]
    assert "Authorization" in response["headers"]["Access-Control-Allow-Headers"]
    assert not world.registry.asked


def test_an_event_function_is_accepted(world: Any, event_of: EventOf) -> None:
    """Nobody waits for it: it is handed over with no deadline of ours, and 202 says so at once."""
    world.add("greet", funct_type="Event")
    response = world.call(event_of())
    assert response["statusCode"] == 202
    job_id = world.payload["job"]["job_id"]
    assert json.loads(response["body"]) == {"job_id": job_id, "status": "accepted"}
    assert world.invoker.sent[0].event is True
    assert world.payload["invocation"]["deadline"] is None


@pytest.mark.parametrize(
    ("remaining", "expected"), [(29_000, 27.0), (28_000, 27.0), (10_500, 9.5), (None, 27.0)]
)
def test_the_deadline_fits_both_limits(
    remaining: int | None, expected: float, world: Any, event_of: EventOf
) -> None:
    """27 s from the start, or a second before Lambda ends the gateway."""
    context = None if remaining is None else SimpleNamespace(get_remaining_time_in_millis=lambda: remaining)
    world.call(event_of(), context)
    assert world.invoker.sent[0].deadline == NOW + expected
    assert world.payload["invocation"]["deadline"] == NOW + expected


def test_a_function_that_is_debugged_may_take_as_long_as_lambda_lets_it(
    world: Any, event_of: EventOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `silvaengine dev --debug` installs lifts the gateway's own limit."""
    monkeypatch.setattr(sys, "breakpointhook", sys.breakpointhook)
    monkeypatch.setattr(events, "WAIT_SECONDS", events.WAIT_SECONDS)
    engine_debugger.install()
    world.call(event_of(), SimpleNamespace(get_remaining_time_in_millis=lambda: 900_000))
    assert world.invoker.sent[0].deadline == NOW + 899


@pytest.mark.parametrize("header", ["X-Function", "x-function"])
def test_a_header_may_name_the_function(header: str, world: Any, event_of: EventOf) -> None:
    """Where the endpoint's settings say so, a header (any case) names the function instead of the path."""
    world.add("other")
    world.registry.area_settings = {"api_unified_call_index": header}
    world.call(event_of(headers={"X-FUNCTION": "other"}))
    assert world.payload["funct"] == "other"
    world.call(event_of(headers={"X-Function": ""}))
    assert world.payload["funct"] == "greet"


@pytest.mark.parametrize("name", ["..", "a/b", "a\x00", "x" * 513])
def test_a_header_is_no_way_around(name: str, world: Any, event_of: EventOf) -> None:
    """A name from a header is under the rules of a name from the path."""
    world.registry.area_settings = {"api_unified_call_index": "x-function"}
    response = world.call(event_of(headers={"X-Function": name}))
    assert response["statusCode"] == 400
    assert "Header 'x-function'" in _error(response)


@pytest.mark.parametrize(
    ("failure", "status", "words", "headers"),
    [
        (
            InvocationError("The function failed", error_type="KeyError", detail="hunter2"),
            502,
            "The function failed",
            {},
        ),
        (
            DeadlineError("The function did not respond in time", detail=ARN),
            504,
            "did not respond in time",
            {},
        ),
        (UnavailableError("Busy", detail=ARN, retry_after=2), 503, "Busy", {"Retry-After": "2"}),
        (ConfigurationError("Misconfigured", detail="hunter2"), 500, "Misconfigured", {}),
        (RuntimeError("hunter2"), 500, "Internal server error", {}),
    ],
)
def test_a_failure_tells_the_client_little_and_the_operator_more(
    failure: Exception, status: int, words: str, headers: dict[str, str], world: Any, event_of: EventOf
) -> None:
    """A failure has its status and a public text; no trace, ARN or foreign word reaches client or topic."""
    world.invoker.result = failure
    response = world.call(event_of())
    assert response["statusCode"] == status
    assert words in _error(response)
    assert headers.items() <= response["headers"].items()
    for secret in ("hunter2", "arn:", "Traceback", "silvaengine_http", "KeyError"):
        assert secret not in json.dumps(response)
    ((subject, dedup_key, notice),) = world.alerts.sent
    assert subject == ARN
    assert str(status) in dedup_key
    assert notice == {
        "service": "http",
        "request_id": response["headers"]["x-request-id"],
        "endpoint_id": "acme",
        "area": "core",
        "function": "greet",
        "status": status,
    }


def test_a_payload_that_is_too_large_is_the_clients_affair(world: Any, event_of: EventOf) -> None:
    """The invoker's 413 reaches the client and no operator."""
    world.invoker.result = RequestError("The request is too large", status=413)
    assert world.call(event_of())["statusCode"] == 413
    assert not world.alerts.sent


@pytest.mark.parametrize(("status", "notices"), [(400, 0), (409, 0), (500, 1), (504, 1)])
def test_a_functions_error_is_answered(status: int, notices: int, world: Any, event_of: EventOf) -> None:
    """A function's error keeps its message and status; only a 5xx is told to the operator."""
    world.responses("error", "Function 'greet' failed", status=status, error_type="KeyError")
    response = world.call(event_of())
    assert response["statusCode"] == status
    assert _error(response) == "Function 'greet' failed"
    assert len(world.alerts.sent) == notices


def test_a_refusal_of_parameters_has_its_details(world: Any, event_of: EventOf) -> None:
    """What a typed function's worker found is the client's to mend."""
    details = [{"in": "body", "path": "/a", "message": "Required", "value_type": "absent"}]
    world.responses("error", "see details", status=422, details=details)
    response = world.call(event_of())
    assert response["statusCode"] == 422
    body = json.loads(response["body"])
    assert (body["error"], body["details"]) == ("see details", details)
    assert body["request_id"]


def test_a_functions_own_5xx_is_told_to_the_operator(world: Any, event_of: EventOf) -> None:
    """A proxy response with a 5xx is a failure, even though the function returned it."""
    world.responses("json", {"statusCode": 503, "body": "down"})
    assert world.call(event_of())["body"] == "down"
    assert len(world.alerts.sent) == 1


def test_a_failure_before_any_function_is_known_has_a_subject(world: Any, event_of: EventOf) -> None:
    """A notice needs no function."""

    def unavailable(_: object) -> None:
        raise UnavailableError("Busy")

    world.registry.refresh = unavailable
    assert world.call(event_of())["statusCode"] == 503
    assert world.alerts.sent[0][0] == "silvaengine http gateway"


def test_a_registry_that_cant_be_read_answers_a_browser_too(world: Any, event_of: EventOf) -> None:
    """That the tenant's CORS headers aren't known either changes no response."""

    def refused(*_: object) -> None:
        raise ConfigurationError("The service is misconfigured", detail="AccessDenied")

    world.registry.key_access = world.registry.gateway_settings = refused
    response = world.handler(event_of(headers={"Origin": "https://a.example"}), None)
    assert (response["statusCode"], response["headers"]["Vary"]) == (500, "Origin")
    assert "The service is misconfigured" in response["body"]


@pytest.mark.parametrize("result", ["plain: yes", {"a": 1}, None, [1]])
def test_a_foreign_workers_bare_result_is_answered(result: Any, world: Any, event_of: EventOf) -> None:
    """A worker that knows nothing of our answers gives its result as it is."""
    world.invoker.result = result
    response = world.call(event_of())
    assert response["statusCode"] == 200
    assert response["body"] == (result if isinstance(result, str) else json.dumps(result))


def test_one_line_tells_of_a_request(
    world: Any, event_of: EventOf, log_line: Callable[[], dict[str, Any]]
) -> None:
    """An operator reads who asked for what, how it ended and how long it took; nothing that was said."""
    response = world.call(event_of(headers={"Content-Type": "application/json", "X-Secret": "hunter2"}))
    line = log_line()
    assert {name: line[name] for name in ("service", "endpoint_id", "area", "function", "status")} == {
        "service": "http",
        "endpoint_id": "acme",
        "area": "core",
        "function": "greet",
        "status": 200,
    }
    assert line["request_id"] == response["headers"]["x-request-id"]
    assert line.keys() >= {"resolve_ms", "authorize_ms", "invoke_ms", "total_ms", "cold_start"}
    for said in ("hunter2", "Ada", "hello", "acme-key"):
        assert said not in json.dumps(line)


def test_a_failure_has_its_line_too(
    world: Any, event_of: EventOf, log_line: Callable[[], dict[str, Any]]
) -> None:
    """The line names the kind of the error; its private words are in the log record of the same id."""
    world.invoker.result = RuntimeError("hunter2")
    world.call(event_of())
    line = log_line()
    assert (line["status"], line["error"]) == (500, "RuntimeError")
    assert "hunter2" not in json.dumps(line)


def test_a_malformed_requests_line_says_whose_it_was(
    world: Any, event_of: EventOf, log_line: Callable[[], dict[str, Any]]
) -> None:
    """An operator sees which tenant's client sends bodies that nobody can read."""
    assert world.call(event_of(body="{"))["statusCode"] == 400
    assert log_line()["endpoint_id"] == "acme"


def test_an_unexpected_failure_is_traced_in_the_log(
    world: Any, event_of: EventOf, caplog: pytest.LogCaptureFixture
) -> None:
    """The traceback is there for the operator, under the request's id."""
    world.invoker.result = RuntimeError("hunter2")
    response = world.call(event_of())
    (record,) = caplog.records
    assert record.exc_info
    assert getattr(record, "request_id", None) == response["headers"]["x-request-id"]


def test_request_ids_are_our_own(world: Any, event_of: EventOf) -> None:
    """32 hex characters, new for each request, whatever AWS or a client calls it."""
    ids = {world.call(event_of())["headers"]["x-request-id"] for _ in range(3)}
    assert len(ids) == 3
    assert all(len(request_id) == 32 and int(request_id, 16) >= 0 for request_id in ids)
