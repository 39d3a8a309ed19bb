"""What a client of the deployed system gets, from the demo's functions and from the tests' own."""

import pytest

from .conftest import Deployment, wait_for_record
from .http_client import Api
from .registry_rows import API_KEY

KEY = {"x-api-key": API_KEY}


def test_a_get_passes_its_query_as_parameters(api: Api) -> None:
    """A GET's query becomes the function's parameters and its result the JSON answer."""
    answer = api.get("/core/demo/hello?name=Ada")
    assert (answer.status, answer.json()) == (200, {"message": "Hello, Ada!"})
    assert answer.headers["content-type"] == "application/json"


def test_a_post_passes_its_members_with_their_types(api: Api) -> None:
    """A POST's JSON members become the function's parameters, with their types."""
    answer = api.post("/core/demo/divide", {"a": 7, "b": 2})
    assert (answer.status, answer.json()) == (200, 3.5)


@pytest.mark.parametrize(
    ("endpoint", "key", "greeting"),
    [("acme", "demo-key-acme", "Good day, Ada!"), ("globex", "demo-key-globex", "Howdy, Ada!!!")],
)
def test_each_tenant_has_its_own_settings(api: Api, endpoint: str, key: str, greeting: str) -> None:
    """A connection's settings are laid over the function's, each tenant has its own."""
    answer = api.get(f"/core/{endpoint}/hello?name=Ada", {"x-api-key": key})
    assert answer.json() == {"message": greeting}


def test_json_text_goes_out_unchanged(api: Api) -> None:
    """JSON text that a function answers reaches the client byte for byte."""
    assert api.get("/core/e2e/settings", KEY).body == b'{"greeting": "Good day", "password": "hunter2"}'


def test_yaml_text_goes_out_unchanged(api: Api) -> None:
    """YAML text reaches the client unchanged, as application/x-yaml."""
    answer = api.get("/core/demo/menu")
    assert answer.headers["content-type"] == "application/x-yaml"
    assert answer.text == "soup: 3.50\nbread:\n  - rye\n  - wheat\n"


def test_bytes_reach_the_client_as_bytes(api: Api) -> None:
    """Bytes reach a client that accepts them as bytes."""
    answer = api.get("/core/demo/picture", {"accept": "image/*,*/*"})
    assert (answer.status, answer.headers["content-type"]) == (200, "image/png")
    assert answer.body.startswith(b"\x89PNG\r\n\x1a\n")


def test_head_is_a_get_without_its_body(api: Api) -> None:
    """HEAD is a GET without the body."""
    answer = api.request("HEAD", "/core/demo/hello")
    assert (answer.status, answer.body) == (200, b"")


def test_a_preflight_is_answered_with_cors_headers(api: Api) -> None:
    """A browser's preflight is answered with CORS headers, whatever the path."""
    answer = api.request("OPTIONS", "/core/demo/hello", headers={"origin": "https://example.com"})
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "x-api-key" in answer.headers["access-control-allow-headers"].lower()


def test_event_function_is_accepted_at_once(api: Api, deployment: Deployment) -> None:
    """An Event function is answered 202 with a job id, and runs; its log is under the request's id."""
    log = deployment.worker_log()
    answer = api.post("/core/e2e/note", {"text": "seen"}, KEY)
    assert (answer.status, answer.json()["status"]) == (202, "accepted")
    record = wait_for_record(log, lambda record: record.get("message") == "noted seen", seconds=15)
    assert record["request_id"] == answer.headers["x-request-id"]


def test_a_full_event_area_hands_over_event_and_context(api: Api) -> None:
    """In an area of FULL_EVENT_AREAS the function gets the whole event and Lambda's context."""
    answer = api.get("/whole/e2e/event", KEY).json()
    assert {"fnConfigurations", "headers", "httpMethod", "requestContext"} <= set(answer["event"])
    assert answer["function_name"].endswith("HttpGateway")
