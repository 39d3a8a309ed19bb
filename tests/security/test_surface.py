"""What may come over HTTP, good and bad, against a whole platform: T26."""

import gzip
import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from ..examples import examples
from .platform import Platform, rest_event

POST = {"methods": ["GET", "POST", "DELETE"]}
FUNCTIONS = {
    name: {"module_name": "sample_functions.plain", **POST, **config}
    for name, config in {
        "echo": {},
        "strict": {},
        "framed": {},
        "wants_body": {},
        "anything": {},
        "refuse": {},
        "blob": {},
        "count": {},
        "full": {"area": "raw"},
    }.items()
}
INTERNALS = re.compile(
    r"arn:aws|Traceback|File \\?\"|/var/task|/opt/python|\.py\b|silvaengine_(http|worker|tasks)"
    r"|sample_functions|boto|msgspec|NoneType|<(class|object|function) |object at 0x"
)


@pytest.fixture(scope="module")
def platform() -> Platform:
    """One tenant, acme, with a key of its own."""
    mirror = {"module_name": "sample_functions.plain", "area": "raw", **POST}  # it takes no other bodies
    whole = Platform({**FUNCTIONS, "mirror": mirror})
    whole.add_tenant("acme", "acme-key", {})
    return whole


_TEXT = st.text(max_size=8) | st.sampled_from(["", "null", "\0", "%00", "../", "\ud800", "\u202e", "a" * 300])
_NAMES = st.sampled_from([*FUNCTIONS, "cache_clear", "cache_stats", "job_status", "_private", "nothing"])
_DOTS = st.sampled_from(["core", "raw", "acme", "0", "1", "..", ".", "%2e%2e", "%2f", "%", "%zz"])
_PLAIN_PATHS = st.builds("/{}/acme/{}".format, st.sampled_from(["core", "raw"]), _NAMES)
_ODD_PATHS = st.tuples(
    st.sampled_from(["core", "raw", "Core", ""]) | _TEXT,
    st.sampled_from(["acme", "globex", "0", "1"]) | _TEXT,
    st.lists(_NAMES | _DOTS | _TEXT, min_size=1, max_size=4),
).map(lambda parts: "/" + "/".join([parts[0], parts[1], *parts[2]]))
_PATHS = _PLAIN_PATHS | _PLAIN_PATHS | _PLAIN_PATHS | _ODD_PATHS
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXT,
    lambda one: st.lists(one, max_size=3) | st.dictionaries(_TEXT | st.just("endpoint_id"), one, max_size=3),
    max_leaves=8,
)
_PARAMETERS = st.sampled_from(
    [
        "a",
        "b",
        "value",
        "status",
        "message",
        "limit",
        "job_id",
        "cache_name",
        "cache_key",
        "endpoint_id",
        "area",
    ]
)
_BODIES = (
    st.none()
    | _JSON.map(json.dumps)
    | st.dictionaries(_PARAMETERS, _JSON, max_size=4).map(json.dumps)
    | st.text(alphabet='{}[]",:\\eE.1-ntrufalse \ud800', max_size=30)
    | st.binary(max_size=20)
    | st.sampled_from(["[" * 70, "1" * 5000, '{"a":1,"a":2}', "1e999", "NaN", '"\\ud800"', "[1," * 200_000])
    | _JSON.map(lambda value: gzip.compress(json.dumps(value).encode()))
)
_HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "x-api-key": st.sampled_from(["acme-key", "wrong", "#####", ""]) | _TEXT,
        "content-type": st.sampled_from(
            ["application/json", "application/x-www-form-urlencoded", "text/xml", "text/plain", ""]
        ),
        "content-encoding": st.sampled_from(["gzip", "br", "identity", "gzip, gzip"]),
        "idempotency-key": st.sampled_from(["k1", "k2", ""]) | _TEXT,
        "prefer": st.sampled_from(["respond-async", "wait=1", ",;,"]),
        "origin": _TEXT,
        "cookie": _TEXT,
    },
)
_WRONG = (
    st.none()
    | st.integers()
    | st.lists(_TEXT, max_size=2)
    | _TEXT
    | st.dictionaries(_TEXT, _TEXT, max_size=2)
)
_EVENTS = st.builds(
    rest_event,
    st.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "DELETE", "TRACE", "get", ""]) | _TEXT,
    _PATHS,
    headers=_HEADERS.map(lambda headers: {"x-api-key": "acme-key", **headers}),
    query=st.dictionaries(_PARAMETERS | _TEXT, _TEXT, max_size=3),
    body=_BODIES,
)
_MEMBERS = st.sampled_from(
    ["path", "httpMethod", "headers", "multiValueHeaders", "queryStringParameters", "pathParameters", "body",
     "multiValueQueryStringParameters", "requestContext", "isBase64Encoded", "version", "rawPath", "cookies"]
)  # fmt: skip


def checked(response: dict[str, Any]) -> dict[str, Any]:
    """Check what holds for every response: its form, no internal failure or detail, no broken header."""
    assert type(response["statusCode"]) is int
    assert 100 <= response["statusCode"] < 500, response
    assert isinstance(response["body"], str)
    json.dumps(response).encode()
    sent = [*response["headers"].values(), *response.get("cookies", [])]
    assert all(isinstance(value, str) and not set(value) & {"\r", "\n", "\0"} for value in sent)
    return response


@given(_EVENTS, st.dictionaries(_MEMBERS, _WRONG, max_size=1))
@examples(25, suppress_health_check=list(HealthCheck))
def test_t26_no_request_makes_a_500_or_tells_internals(
    platform: Platform, event: dict[str, Any], wrong: dict[str, Any]
) -> None:
    """A thousand requests, one member of many an event replaced: each gets a clear answer below 500.

    What is answered never names an ARN, a trace or a module, unless the client has sent that itself, and no
    request makes more than one call of a worker.
    """
    before = platform.lambdas.invoked
    response = checked(platform.call(event | wrong))
    assert platform.lambdas.invoked - before <= 1
    if response["statusCode"] >= 400:
        assert not INTERNALS.search(json.loads(response["body"] or '{"error": ""}')["error"])


@given(st.text(st.characters() | st.sampled_from("\r\n\0\x85 é€\ud800"), max_size=8))
@examples(50)
def test_t18_what_a_full_event_function_echoes_can_be_sent(platform: Platform, text: str) -> None:
    """Two thousand texts, as a header where a header can have them, and escaped in a body: none is a 500."""
    is_unicode = text.encode(errors="replace").decode() == text
    headers = {"x-api-key": "acme-key", **({"x-echo": text} if is_unicode else {})}
    response = platform.call(rest_event("POST", "/raw/acme/mirror", headers=headers, body=json.dumps(text)))
    assert response["statusCode"] == 200, response
    for value in response["headers"].values():
        value.encode("latin-1")
        assert not set(value) & {"\r", "\n", "\0"}


@pytest.mark.parametrize(
    "members",
    [
        {"body": "\ud800"},
        {"headers": {"x-api-key": "acme-key", "x-a": "\ud800"}},
        {"headers": {"x-api-key": "acme-key"}, "multiValueHeaders": {"x-a": ["b", "\ud800"]}},
        {"multiValueHeaders": {"\ud800": "x"}},
        {"requestContext": {"identity": {"userAgent": "\ud800"}}},
        {"stageVariables": {"a": "\ud800"}},
    ],
)
def test_t26_half_a_surrogate_pair_in_a_whole_event_is_refused(
    platform: Platform, members: dict[str, Any]
) -> None:
    """Nobody could send it back, so that it is the sender's error and not the function's."""
    event = rest_event("POST", "/raw/acme/full", headers={"x-api-key": "acme-key"}, body="{}")
    response = platform.call(event | members)
    assert response["statusCode"] == 400
    assert "not valid UTF-8" in response["body"]


def test_t26_a_whole_event_may_have_any_text(platform: Platform) -> None:
    """A backslash that only looks like half a pair, and whole pairs, arrive as they are."""
    body = 'as text: \\ud800, and 😀, and escaped: {"a": "\\ud83d\\ude00"}'
    event = rest_event("POST", "/raw/acme/full", headers={"x-api-key": "acme-key"}, body=body)
    assert json.loads(platform.call(event)["body"])[0]["body"] == body
