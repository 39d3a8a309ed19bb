"""What a client gets that asks for the wrong thing, or whose function fails: a clear error, nothing more."""

import json
from urllib.parse import quote

import pytest

from .conftest import Deployment, wait_for_record
from .http_client import Api, Response
from .registry_rows import API_KEY, LIMITED_ENDPOINT

KEY = {"x-api-key": API_KEY}
JSON = {"content-type": "application/json", **KEY}
SIX_MB = 6_291_456
INTERNALS = ("Traceback", 'File "', "hunter2", "/var/task", "arn:aws", "botocore", "boto3", "{'")


def assert_error(response: Response, status: int, words: str) -> None:
    """Check an error's form: status, words, request id in body and header, nothing internal."""
    assert (response.status, response.headers["content-type"]) == (status, "application/json")
    body = response.json()
    assert set(body) == {"error", "request_id"}
    assert words in body["error"]
    assert body["request_id"] == response.headers["x-request-id"]
    assert [word for word in INTERNALS if word in response.text] == []


@pytest.mark.parametrize(
    ("path", "headers", "status", "words"),
    [
        ("/core/demo/nothing", {}, 404, "nothing"),
        ("/core/e2e/settings", {"x-api-key": "wrong"}, 404, "API key"),
        ("/core/e2e/guarded", KEY, 403, "requires an authorizer"),
        ("/core/e2e/foreign", KEY, 500, ""),
    ],
)
def test_what_the_registry_refuses_has_its_own_status(
    api: Api, path: str, headers: dict[str, str], status: int, words: str
) -> None:
    """What the registry doesn't know or doesn't allow is refused with its own status."""
    assert_error(api.get(path, headers), status, words)


def test_a_wrong_method_is_told_the_right_ones(api: Api) -> None:
    """A method that the function doesn't take is a 405 that names those that it does."""
    response = api.get("/core/e2e/only_post", KEY)
    assert_error(response, 405, "GET")
    assert response.headers["allow"] == "POST, OPTIONS"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/core/demo/%2e%2e/hello", 400),
        ("/core/demo%2facme/hello", 404),  # the engine decodes it first; test_engine_probes.py
        (f"/core/{quote('дом')}/hello", 404),
    ],
)
def test_a_path_that_could_mean_two_things_reaches_no_function(api: Api, path: str, status: int) -> None:
    """A path that could mean two things reaches no function."""
    response = api.get(path)
    assert response.status == status
    assert [word for word in INTERNALS if word in response.text] == []


@pytest.mark.parametrize(
    ("body", "content_type", "status", "words"),
    [
        (b"{", "application/json", 400, "JSON"),
        (b'{"a": "\xff"}', "application/json", 400, "UTF-8"),
        (b"<a/>", "application/xml", 415, "application/xml"),
    ],
)
def test_a_body_that_is_not_what_it_claims_is_refused(
    deployment: Deployment, api: Api, body: bytes, content_type: str, status: int, words: str
) -> None:
    """A body that isn't what it claims to be is refused with the reason."""
    if words == "UTF-8" and deployment.parameters["ApiKind"] == "http":
        return  # an HTTP API replaces the byte before the gateway sees it
    headers = {"content-type": content_type, **KEY}
    response = api.request("POST", "/core/e2e/arguments", body=body, headers=headers)
    assert_error(response, status, words)


def test_a_body_over_the_limit_is_413(api: Api) -> None:
    """A body of 6 MB and one byte is a 413 of our own, before anything is invoked."""
    body = json.dumps({"text": "x" * SIX_MB}).encode()[:SIX_MB] + b"}"
    assert_error(api.request("POST", "/core/e2e/body_size", body=body, headers=JSON), 413, "large")


def test_a_typed_functions_refusal_names_all_faults(api: Api) -> None:
    """Of query and body, by place; what it takes is converted, and on the engine its result is checked."""
    order = [{"qty": 2.0}, {"qty": 1}]
    response = api.request(
        "POST", "/core/e2e/total?factor=3", body=json.dumps({"items": order}).encode(), headers=JSON
    )
    assert (response.status, response.json()) == (200, 9)
    body = json.dumps({"items": [{"qty": "CANARY"}, {}]}).encode()
    refused = api.request("POST", "/core/e2e/total?factor=CANARY", body=body, headers=JSON)
    assert refused.status == 422
    found = [(each["in"], each["path"], each["value_type"]) for each in refused.json()["details"]]
    assert found == [
        ("query", "/factor", "string"),
        ("body", "/items/0/qty", "string"),
        ("body", "/items/1/qty", "absent"),
    ]
    assert "CANARY" not in refused.text
    empty = api.request("POST", "/core/e2e/total", body=b'{"items": []}', headers=JSON)
    assert (empty.status, "isn't as its signature says" in empty.text) == (500, True)


def test_a_limited_tenant_is_told_when_to_come_again(api: Api) -> None:
    """Beyond its limit a tenant gets 429 with the seconds to wait; another one goes on unhindered.

    Each instance grants a quarter where there is no Redis, and calls in turn meet one or two instances.
    """
    path = f"/core/{LIMITED_ENDPOINT}/number?name=x"
    responses = [api.get(path, {**KEY, "origin": "https://app.example.com"}) for _ in range(9)]
    assert responses[0].status == 200
    assert responses[0].headers["ratelimit-policy"] == '"tenant";q=2;w=800'
    refused = responses[-1]
    assert_error(refused, 429, "Too many requests")
    assert 0 < int(refused.headers["retry-after"]) <= 400
    assert refused.headers["ratelimit"].startswith('"tenant";r=0;t=')
    assert refused.headers["access-control-allow-origin"] == "https://app.example.com"
    assert refused.headers["access-control-allow-credentials"] == "true"
    assert api.get("/core/demo/hello").status == 200


def test_a_failing_function_is_a_500_whose_trace_is_logged(api: Api, deployment: Deployment) -> None:
    """A failing function is a bare 500 with a request id, and the worker's log has the trace under it."""
    log = deployment.worker_log()
    response = api.get("/core/e2e/fail", KEY)
    assert_error(response, 500, "'fail'")
    record = wait_for_record(log, lambda record: "traceback" in record)
    assert record["request_id"] == response.headers["x-request-id"]
    assert "Traceback (most recent call last)" in record["traceback"]


def test_a_function_that_takes_too_long_is_504(api: Api) -> None:
    """A function is ended before API Gateway gives up, with an error that says so."""
    assert_error(api.get("/core/e2e/wait?seconds=60", KEY), 504, "time")
