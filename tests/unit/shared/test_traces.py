"""One story: every Lambda's line is a span, below the span of who made the call."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from silvaengine.ledger.digests import Digests
from silvaengine.websocket.broadcast_tokens import BroadcastTokens

from ...security.platform import rest_event
from ...upgrade.platform import SECRET, Context, Platform, recorded

FUNCTIONS = Path(__file__).parents[3] / "services/worker/functions"
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SENT = f"00-{TRACE}-{SPAN}-00"

type Line = dict[str, Any]
type Lines = Callable[[], list[Line]]


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> Platform:
    """Return all services, with the demo's functions."""
    monkeypatch.syspath_prepend(FUNCTIONS)
    platform = Platform()
    platform.load("endpoints", "connections", "functions", "configdata", "wss-connections")
    return platform


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    """Return what returns the lines since it was last asked, in the order in which their spans began."""
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()][::-1]


def ask(platform: Platform, path: str, headers: Mapping[str, str], **more: Any) -> dict[str, Any]:
    """Send a request."""
    method = "POST" if "body" in more else "GET"
    response: dict[str, Any] = platform.http(rest_event(method, path, headers=headers, **more), Context())
    return response


def ids(line: Line) -> tuple[str, str | None]:
    """Return a span's trace and parent."""
    return str(line.get("trace_id", line["request_id"])), line.get("parent_id")


def queued(traceparent: str | None) -> dict[str, Any]:
    """Return the recorded message of a queue, from a sender with this span."""
    (record,) = json.loads(json.dumps(recorded("events")[0]["event"]))["Records"]
    record["messageId"] = str(traceparent)
    if traceparent:
        record["messageAttributes"]["traceparent"] = {"stringValue": traceparent, "dataType": "String"}
    message: dict[str, Any] = record
    return message


def test_a_trace_that_is_made_has_the_requests_id(platform: Platform, lines: Lines) -> None:
    """So that the line needs none, and whoever has one of the two has the other."""
    response = ask(platform, "/core/demo/hello", {})
    http, worker = lines()
    request_id = response["headers"]["x-request-id"]
    assert [(line["service"], line["request_id"]) for line in (http, worker)] == [
        ("http", request_id),
        ("worker", request_id),
    ]
    assert ids(http) == (request_id, None)
    assert ids(worker) == (request_id, http["span_id"])
    assert worker["span_id"] != http["span_id"]


@pytest.mark.parametrize("name", ["traceparent", "Traceparent", "TRACEPARENT"])
def test_a_callers_trace_is_followed(platform: Platform, lines: Lines, name: str) -> None:
    """The gateway's span is below the caller's, and what the caller has sampled stays so."""
    response = ask(platform, "/core/demo/hello", {name: SENT})
    http, worker = lines()
    assert ids(http) == (TRACE, SPAN)
    assert ids(worker) == (TRACE, http["span_id"])
    assert response["headers"]["x-request-id"] == http["request_id"] == worker["request_id"] != TRACE
    (payload,) = platform.payloads
    assert payload["invocation"]["traceparent"] == f"00-{TRACE}-{http['span_id']}-00"


def test_a_callers_malformed_trace_is_ignored(platform: Platform, lines: Lines) -> None:
    """The request is served, and begins a trace."""
    assert ask(platform, "/core/demo/hello", {"traceparent": SENT.upper()})["statusCode"] == 200
    http, _ = lines()
    assert ids(http) == (http["request_id"], None)


def test_a_refused_request_is_in_its_callers_trace(platform: Platform, lines: Lines) -> None:
    """Whatever of it is malformed, it is the caller who looks for it."""
    assert ask(platform, "/core/demo/hello", {"traceparent": SENT}, body="{")["statusCode"] == 400
    (http,) = lines()
    assert ids(http) == (TRACE, SPAN)


@pytest.mark.parametrize("headers", [{"prefer": "respond-async"}, {"idempotency-key": "k"}])
def test_a_call_that_the_ledger_holds_is_below_the_span_that_accepted_it(
    platform: Platform, lines: Lines, headers: dict[str, str]
) -> None:
    """Its row says so, for each attempt that anybody makes later."""
    ask(platform, "/core/demo/book", {"traceparent": SENT, **headers}, body='{"item": "A1"}')
    http, worker = lines()
    assert ids(worker) == (TRACE, http["span_id"])
    (row,) = platform.rows("executions")
    assert row["traceparent"]["S"] == f"00-{TRACE}-{http['span_id']}-00"


def test_a_message_over_a_websocket_names_its_trace(platform: Platform, lines: Lines) -> None:
    """As its member ``trace``; a message without begins one."""
    (row,) = recorded("tables")["wss-connections"]
    names = ("endpoint_id", "area", "connection_id", "api_key")
    context = {
        "routeKey": "$default",
        "eventType": "MESSAGE",
        "stage": "beta",
        "connectionId": row["connection_id"]["S"],
        "authorizer": {name: row[name]["S"] for name in names},
    }
    message = {"funct": "hello", "id": "1"}
    for sent, trace in ((message | {"trace": SENT}, TRACE), (message | {"trace": 7}, None), (message, None)):
        event = {"requestContext": context, "isBase64Encoded": False, "body": json.dumps(sent)}
        assert platform.websocket(event, Context()) == {"statusCode": 200}
        gateway, worker = lines()
        assert ids(gateway) == ((trace, SPAN) if trace else (gateway["request_id"], None))
        assert ids(worker) == (ids(gateway)[0], gateway["span_id"])


def test_a_direct_call_is_below_the_function_that_makes_it(platform: Platform, lines: Lines) -> None:
    """Tasks between the two is a span as well."""
    event = {"endpoint_id": "demo", "funct": "heard", "params": {}, "traceparent": SENT}
    platform.tasks(event, Context())
    tasks, worker = lines()
    assert ids(tasks) == (TRACE, SPAN)
    assert ids(worker) == (TRACE, tasks["span_id"])
    assert worker["request_id"] != tasks["request_id"]


def test_an_event_without_a_trace_begins_one(platform: Platform, lines: Lines) -> None:
    """All that AWS sends does."""
    for recorded_event in recorded("events")[1:5]:
        platform.tasks(recorded_event["event"], Context())
        tasks, worker = lines()
        assert ids(tasks) == (tasks["request_id"], None)
        assert ids(worker) == (tasks["request_id"], tasks["span_id"])


def test_messages_of_one_sender_have_its_trace(platform: Platform, lines: Lines) -> None:
    """A queue's batch is one span below it."""
    first, second = queued(SENT), queued(SENT)
    second["messageId"] = "another"
    platform.tasks({"Records": [first, second]}, Context())
    tasks, *workers = lines()
    assert ids(tasks) == (TRACE, SPAN)
    assert [ids(worker) for worker in workers] == [(TRACE, tasks["span_id"])] * 2


def test_messages_of_several_senders_have_a_trace_each(platform: Platform, lines: Lines) -> None:
    """Each call is below its own sender; the batch is in a trace of its own, with those that had none."""
    other = f"00-{'1' * 32}-{'2' * 16}-01"
    platform.tasks({"Records": [queued(SENT), queued(other), queued(None), queued("00-bad")]}, Context())
    tasks, *workers = lines()
    own = tasks["request_id"], tasks["span_id"]
    assert ids(tasks) == (tasks["request_id"], None)
    assert sorted(ids(worker) for worker in workers) == sorted(
        [(TRACE, SPAN), ("1" * 32, "2" * 16), own, own]
    )


def test_a_broadcast_is_below_the_call_that_makes_it(platform: Platform, lines: Lines) -> None:
    """The broadcaster is told the ids."""
    (call,) = recorded("broadcasts")
    token = BroadcastTokens(Digests(SECRET.encode)).issue("demo")
    platform.broadcaster(call["payload"] | {"grant": token, "traceparent": SENT}, Context())
    platform.broadcaster(call["payload"] | {"grant": token}, Context())
    old, new = lines()
    request_id = call["payload"]["request_id"]
    assert (new["request_id"], *ids(new)) == (request_id, TRACE, SPAN)
    assert ids(old) == (request_id, None)


def test_a_worker_whose_caller_says_no_trace_has_the_requests(platform: Platform, lines: Lines) -> None:
    """A gateway of the last version sends no trace, and the predecessor's not even a request id."""
    payload = {"MODULENAME": "silvaengine_demo.events", "CLASSNAME": "", "funct": "heard", "params": "{}"}
    old = recorded("calls")[0]["payload"]
    platform.worker(old, Context())
    context = Context()
    context.aws_request_id = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
    platform.worker(payload, context)
    predecessors, last_versions = lines()
    assert ids(last_versions) == (old["invocation"]["request_id"], None)
    assert predecessors["request_id"] == context.aws_request_id
    assert ids(predecessors) == ("c6af9ac67b6111e69a4193e8deadbeef", None)
