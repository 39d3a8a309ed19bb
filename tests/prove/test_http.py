"""HTTP as a client meets it: results, jobs, keys, errors, CORS, sizes."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from ..e2e.http_client import Response
from .conftest import Target, eventually

KEY = {"x-api-key": "prove-key"}

type Record = Callable[[str, Response], Response]


def test_a_call_gets_the_result(target: Target, recorded: Record) -> None:
    """A query's and a body's members are parameters; the result is JSON."""
    response = recorded("get", target.api.get("/core/prove/echo?word=tea"))
    assert (response.status, response.json()) == (200, {"word": "tea", "n": None})
    response = recorded("post", target.api.post("/core/prove/echo", {"n": 1.5, "word": [True, "☕"]}))
    assert (response.status, response.json()) == (200, {"n": 1.5, "word": [True, "☕"]})


def test_each_tenant_has_its_own_settings(target: Target) -> None:
    """A tenant's settings overlay the function's; another's key doesn't open it."""
    assert target.api.get("/core/prove/settings").json() == {"greeting": "Hello"}
    assert target.api.get("/core/proven/settings", KEY).json() == {"greeting": "Good day"}
    assert target.api.get("/core/proven/settings").status in {401, 403}


def test_a_job_ends(target: Target, recorded: Record) -> None:
    """A job is accepted at once, and its result is there later."""
    accepted = recorded("job", target.api.post("/core/prove/remember_later", {"text": "tea"}))
    assert accepted.status == 202
    path = f"/core/prove/job_status?job_id={accepted.json()['job_id']}"
    done = eventually(lambda: target.api.get(path).json(), lambda job: job["status"] == "succeeded")
    assert done["result"]["text"] == "tea"


def test_a_key_runs_once(target: Target, recorded: Record) -> None:
    """Of ten requests at once under one key one runs; a later one gets the first one's response."""
    key = {"idempotency-key": uuid4().hex}
    with ThreadPoolExecutor(10) as pool:
        posted = pool.map(lambda _: target.api.post("/core/prove/remember", {"text": "once"}, key), range(10))
        bodies = {response.body for response in posted if response.status == 200}
    again = recorded("repeated-key", target.api.post("/core/prove/remember", {"text": "once"}, key))
    assert bodies == {again.body}
    assert target.api.post("/core/prove/remember", {"text": "other"}, key).status == 422


@pytest.mark.parametrize(
    ("name", "path", "status"),
    [
        ("failed", "/core/prove/fail", 500),
        ("refused", "/core/prove/refuse?status=409", 409),
        ("no-function", "/core/prove/nothing", 404),
        ("no-tenant", "/core/nobody/echo", 404),
        ("internal-function", "/core/prove/heard", 404),
    ],
)
def test_an_error_has_a_form(target: Target, recorded: Record, name: str, path: str, status: int) -> None:
    """Every error is a JSON object with a message and a request id, and tells nothing of the inside."""
    response = recorded(name, target.api.get(path))
    assert response.status == status
    assert set(response.json()) == {"error", "request_id"}
    assert "nobody outside" not in response.text


@pytest.mark.aws_only("the local engine doesn't carry out GatewayResponses")
@pytest.mark.proves("gateway-refusals")
def test_a_refusal_of_api_gateway_has_the_same_form(target: Target) -> None:
    """What API Gateway refuses by itself looks like what the gateway refuses, and any page may read it."""
    response = target.api.get("/nowhere", {"origin": "https://app.example.com"})
    assert response.status == 403
    assert set(response.json()) == {"error", "request_id"}
    assert response.headers["access-control-allow-origin"] == "https://app.example.com"
    assert response.headers["access-control-allow-credentials"] == "true"


def test_a_browser_may_ask(target: Target, recorded: Record) -> None:
    """A preflight gets the CORS headers."""
    headers = {"origin": "https://app.example.com", "access-control-request-method": "POST"}
    response = recorded("preflight", target.api.request("OPTIONS", "/core/prove/echo", headers=headers))
    assert response.status in {200, 204}
    assert response.headers["access-control-allow-origin"] == "*"


@pytest.mark.proves("bodies-as-bytes")
def test_bytes_come_and_go_unchanged(target: Target) -> None:
    """Bytes of any type come out as they are, and text of any type goes in as it is."""
    assert target.api.get("/core/prove/raw", {"accept": "image/png"}).body == bytes(range(256))
    sent = {"content-type": "text/plain; charset=utf-8"}
    body = json.dumps({"text": "tea ☕"}, ensure_ascii=False).encode()
    response = target.api.request("POST", "/core/prove/measured", body=body, headers=sent)
    assert response.json() == len("tea ☕")


def test_a_large_result_arrives(target: Target) -> None:
    """A result that Lambda can't return is fetched from the bucket by one job_status more."""
    accepted = target.api.post("/core/prove/large", {"size": 1_000_000}, {"prefer": "respond-async"})
    path = f"/core/prove/job_status?job_id={accepted.json()['job_id']}"
    done = eventually(lambda: target.api.get(path).json(), lambda job: job["status"] == "succeeded")
    assert done["result"]["text"] == "x" * 1_000_000


def test_a_large_body_arrives(target: Target) -> None:
    """A body of four megabytes comes through whole."""
    body = json.dumps({"text": "x" * 4_000_000}).encode()
    headers = {"content-type": "application/json"}
    assert target.api.request("POST", "/core/prove/measured", body=body, headers=headers).json() == 4_000_000


@pytest.mark.proves("throttling")
def test_a_stage_limits_its_clients(target: Target) -> None:
    """The stage has the limits of the parameters."""
    stage = target.client("apigateway").get_stage(
        restApiId=target.output("ApiId"), stageName=target.output("Stage")
    )
    settings = stage["methodSettings"]["*/*"]
    assert (settings["throttlingRateLimit"], settings["throttlingBurstLimit"]) == (1000, 2000)


def test_a_limited_tenant_is_told_when_to_come_again(target: Target) -> None:
    """Beyond a tenant's own limit there is 429 with the seconds to wait."""
    with ThreadPoolExecutor(8) as pool:
        asked = list(pool.map(lambda _: target.api.get("/core/limited/echo", KEY), range(40)))
    refused = [response for response in asked if response.status == 429]
    assert refused
    assert int(refused[0].headers["retry-after"]) >= 1
