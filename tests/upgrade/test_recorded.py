"""This version beside what the last one has said and written: each must understand the other's."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from silvaengine.cache.table_clear_log import TableClearLogs
from silvaengine.ledger.digests import Digests
from silvaengine.websocket.broadcast_tokens import BroadcastTokens

from ..security.platform import rest_event
from .platform import SECRET, Context, Platform, Row, recorded

CACHE = {"S": "silvaengine:cache:demo"}
FUNCTIONS = Path(__file__).parents[2] / "services/worker/functions"
REGISTRY = ("endpoints", "connections", "functions", "configdata")
CALLS = recorded("calls")
REQUESTS = recorded("responses")
ANSWERED = [each for each in recorded("frames") if each["message"]["funct"] != "say"]  # which broadcasts
(ONCE,) = (each for each in recorded("frames") if each["message"].get("once"))
VARYING = {"rate", "versions", "book"}  # what they return depends on when, where and how often


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> Platform:
    """Return this version over the last one's registry."""
    monkeypatch.syspath_prepend(FUNCTIONS)
    platform = Platform()
    platform.load(*REGISTRY)
    return platform


def send(platform: Platform, request: Mapping[str, Any]) -> dict[str, Any]:
    """Send a recorded request."""
    url = urlsplit(request["path"])
    body = None if request["body"] is None else json.dumps(request["body"])
    query = dict(parse_qsl(url.query))
    event = rest_event(request["method"], url.path, headers=request["headers"], query=query, body=body)
    response: dict[str, Any] = platform.http(event, Context())
    return response


def names(calls: list[dict[str, Any]]) -> list[str]:
    """Return ids for calls."""
    return [f"{number}-{call['payload']['funct']}" for number, call in enumerate(calls)]


def entered(platform: Platform) -> dict[str, Any]:
    """Return the event of a connection that the last version has let in, without its message."""
    (row,) = recorded("tables")["wss-connections"]
    identity = {name: row[name]["S"] for name in ("endpoint_id", "area", "connection_id", "api_key")}
    claims = {name: value["S"] for name, value in row["data"]["M"].items()}
    context = {
        "routeKey": "$default",
        "eventType": "MESSAGE",
        "stage": "beta",
        "authorizer": identity | claims,
    }
    return {"requestContext": context | {"connectionId": identity["connection_id"]}, "isBase64Encoded": False}


def forms(value: Any) -> Any:
    """Return the types of a JSON value, down to the members of objects, JSON text being what it holds."""
    if isinstance(value, str) and value[:1] == "{":
        return forms(json.loads(value))
    if isinstance(value, dict):
        return {name: forms(inner) for name, inner in value.items()}
    return (
        "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
    )


def covers(form: Any, earlier: Any) -> bool:
    """Whether a form has all that an earlier one has."""
    if isinstance(form, dict) and isinstance(earlier, dict):
        return all(name in form and covers(form[name], inner) for name, inner in earlier.items())
    return bool(form == earlier)


@pytest.mark.parametrize("call", CALLS, ids=names(CALLS))
def test_the_worker_runs_what_the_last_version_sends(platform: Platform, call: dict[str, Any]) -> None:
    """The response is the last version's, and an execution that it accepted is settled."""
    payload = json.loads(json.dumps(call["payload"]))
    if payload["invocation"]["deadline"] is not None:
        payload["invocation"]["deadline"] = time.time() + 30
    platform.load("executions")
    job = payload.get("job")
    if job:
        (row,) = (row for row in platform.rows("executions") if row["job_id"]["S"] == job["job_id"])
        begun = {name: value for name, value in row.items() if name not in {"result", "state", "owner"}}
        platform.put("executions", begun | {"state": {"S": "accepted"}, "owner": {"S": job["owner"]}})
    response = platform.worker(payload, Context())
    if isinstance(response, dict):
        response.pop("takes_context", None)  # which the last version's gateway doesn't read
    if payload["funct"] in VARYING:
        assert forms(response) == forms(call["response"])
    else:
        assert response == call["response"]
    if job:
        (settled,) = (row for row in platform.rows("executions") if row["job_id"]["S"] == job["job_id"])
        assert settled["state"] == row["state"]
        assert forms(settled["result"]["S"]) == forms(row["result"]["S"])


@pytest.mark.parametrize("request_", REQUESTS, ids=[each["path"] for each in REQUESTS])
def test_the_gateway_sends_what_the_last_version_accepts(
    platform: Platform, request_: dict[str, Any]
) -> None:
    """The payload has each member that the last version's has, of the same type."""
    response = send(platform, request_)
    assert response["statusCode"] == request_["status"]
    number = REQUESTS.index(request_)
    (payload,) = platform.payloads
    earlier = CALLS[number]["payload"]
    earlier["context"] = earlier["aws_event"] = earlier["aws_context"] = None
    assert covers(forms(payload), {name: form for name, form in forms(earlier).items() if form != "NoneType"})


def test_a_key_that_the_last_version_has_seen_runs_nothing(platform: Platform) -> None:
    """The first response comes again, byte for byte."""
    platform.load("executions")
    keyed = [request for request in REQUESTS if "idempotency-key" in request["headers"]]
    assert keyed
    for request in keyed:
        response = send(platform, request)
        assert response["headers"]["Idempotency-Replayed"] == "true"
        assert (response["statusCode"], response["body"]) == (request["status"], request["response"])
    assert platform.payloads == []


def test_the_last_version_finds_what_it_would_have_written(platform: Platform) -> None:
    """The same call has the same row: its id, its digests, and all attributes, of the same types."""
    for request in REQUESTS:
        send(platform, request)
    for event in recorded("events"):
        platform.tasks(event["event"], Context())
    platform.websocket(entered(platform) | {"body": json.dumps(ONCE["message"])}, Context())
    later = {_called(row): _types(row) for row in platform.rows("executions")}
    for row in recorded("tables")["executions"]:
        assert later[_called(row)].items() >= _types(row).items()


def _called(row: Row) -> tuple[str, ...]:
    """Return what says of a row which call it is for; a job without a key has an id of its own."""
    names = ("function", "principal", "digest", *(["job_id"] if len(row["job_id"]["S"]) == 64 else []))
    return tuple(row[name]["S"] for name in names)


def _types(row: Row) -> dict[str, str]:
    return {name: next(iter(value)) for name, value in row.items()}


@pytest.mark.parametrize("event", recorded("events"), ids=lambda event: str(event["event"])[:60])
def test_a_record_that_the_last_version_has_done_runs_nothing(
    platform: Platform, event: dict[str, Any]
) -> None:
    """A source that delivers a record again gets the same response."""
    platform.load("executions")
    assert platform.tasks(event["event"], Context()) == event["response"]
    is_direct = "funct" in event["event"]
    assert len(platform.payloads) == is_direct


@pytest.mark.parametrize("said", ANSWERED, ids=lambda said: str(said["message"]["funct"]))
def test_a_connection_of_the_last_version_goes_on(platform: Platform, said: dict[str, Any]) -> None:
    """It gets the same frames."""
    platform.load("wss-connections")
    event = entered(platform) | {"body": json.dumps(said["message"])}
    assert platform.websocket(event, Context()) == {"statusCode": 200}
    assert [frame for _, frame in platform.frames] == said["frames"]


def test_a_message_that_the_last_version_has_done_runs_nothing(platform: Platform) -> None:
    """Its frame comes again."""
    platform.load("wss-connections", "executions")
    platform.websocket(entered(platform) | {"body": json.dumps(ONCE["message"])}, Context())
    assert [frame for _, frame in platform.frames] == ONCE["frames"]
    assert platform.payloads == []


def test_the_broadcaster_serves_the_last_versions_worker(platform: Platform) -> None:
    """A token that an earlier gateway has issued is valid until its end."""
    platform.load("wss-connections")
    (call,) = recorded("broadcasts")
    token = BroadcastTokens(Digests(SECRET.encode)).issue("demo")
    assert len(token) == len(call["payload"]["grant"])
    assert platform.broadcaster(call["payload"] | {"grant": token}, Context()) == call["response"]


def test_clears_of_a_cache_are_seen_by_both(platform: Platform) -> None:
    """The logs that the last version has begun count, and aren't begun anew."""
    before = {row["variable"]["S"]: row for row in platform.rows("configdata") if row["setting_id"] == CACHE}
    state = TableClearLogs(platform.reader, platform.writer, 1.0).read("demo", "demo")
    assert (state.everyone.epoch, state.tenant.epoch) == (
        before["*"]["epoch"]["S"],
        before["demo"]["epoch"]["S"],
    )


def test_the_last_versions_schedule_of_the_sweeper_does_no_harm(platform: Platform) -> None:
    """Until the update's end it invokes tasks, which need not fail: the sweeper has a schedule of its own."""
    context = Context()
    context.invoked_function_arn = context.invoked_function_arn.removesuffix(":events")
    assert platform.tasks({"silvaengine": "sweep"}, context) is None
