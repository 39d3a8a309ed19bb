"""What a client of the deployed system gets, from the demo's functions and from the tests' own."""

from typing import Any

import pytest
from urllib3.filepost import encode_multipart_formdata

from .conftest import Deployment, wait_for_record
from .http_client import Api, Response
from .registry_rows import ADMIN_KEY, API_KEY, OTHER_ENDPOINT

KEY = {"x-api-key": API_KEY}


def test_a_get_passes_its_query_as_parameters(api: Api) -> None:
    """A GET's query becomes the function's parameters and its result the JSON answer."""
    response = api.get("/core/demo/hello?name=Ada")
    assert (response.status, response.json()) == (200, {"message": "Hello, Ada!"})
    assert response.headers["content-type"] == "application/json"


def test_a_post_passes_its_members_with_their_types(api: Api) -> None:
    """A POST's JSON members become the function's parameters, with their types."""
    response = api.post("/core/demo/divide", {"a": 7, "b": 2})
    assert (response.status, response.json()) == (200, 3.5)


@pytest.mark.parametrize(
    ("endpoint", "key", "greeting"),
    [("acme", "demo-key-acme", "Good day, Ada!"), ("globex", "demo-key-globex", "Howdy, Ada!!!")],
)
def test_each_tenant_has_its_own_settings(api: Api, endpoint: str, key: str, greeting: str) -> None:
    """A connection's settings are laid over the function's, each tenant has its own."""
    response = api.get(f"/core/{endpoint}/hello?name=Ada", {"x-api-key": key})
    assert response.json() == {"message": greeting}


def test_json_text_goes_out_unchanged(api: Api) -> None:
    """JSON text that a function answers reaches the client byte for byte."""
    assert api.get("/core/e2e/settings", KEY).body == b'{"greeting": "Good day", "password": "hunter2"}'


def test_yaml_text_goes_out_unchanged(api: Api) -> None:
    """YAML text reaches the client unchanged, as application/x-yaml."""
    response = api.get("/core/demo/menu")
    assert response.headers["content-type"] == "application/x-yaml"
    assert response.text == "soup: 3.50\nbread:\n  - rye\n  - wheat\n"


def test_bytes_reach_the_client_as_bytes(api: Api) -> None:
    """Bytes reach a client that accepts them as bytes."""
    response = api.get("/core/demo/picture", {"accept": "image/*,*/*"})
    assert (response.status, response.headers["content-type"]) == (200, "image/png")
    assert response.body.startswith(b"\x89PNG\r\n\x1a\n")


def test_head_is_a_get_without_its_body(api: Api) -> None:
    """HEAD is a GET without the body."""
    response = api.request("HEAD", "/core/demo/hello")
    assert (response.status, response.body) == (200, b"")


def test_a_preflight_is_answered_with_cors_headers(api: Api) -> None:
    """A browser's preflight is answered with CORS headers, whatever the path."""
    response = api.request("OPTIONS", "/core/demo/hello", headers={"origin": "https://example.com"})
    assert response.status == 204
    assert response.headers["access-control-allow-origin"] == "*"
    assert "x-api-key" in response.headers["access-control-allow-headers"].lower()


def test_event_function_is_accepted_at_once(api: Api, deployment: Deployment) -> None:
    """An Event function is answered 202 with a job id, and runs; its log is under the request's id."""
    log = deployment.worker_log()
    response = api.post("/core/e2e/note", {"text": "seen"}, KEY)
    assert (response.status, response.json()["status"]) == (202, "accepted")
    record = wait_for_record(log, lambda record: record.get("message") == "noted seen", seconds=15)
    assert record["request_id"] == response.headers["x-request-id"]


def test_a_full_event_area_hands_over_event_and_context(api: Api) -> None:
    """In an area of FULL_EVENT_AREAS the function gets the whole event and Lambda's context."""
    response = api.get("/whole/e2e/event", KEY).json()
    assert {"fnConfigurations", "headers", "requestContext"} <= set(response["event"])
    assert response["function_name"].endswith("HttpGateway")


def test_null_and_empty_members_reach_a_function_that_keeps_them(api: Api) -> None:
    """So that it can clear a field; for others they are absent."""
    body = {"title": None, "note": "", "done": False}
    kept, dropped = (api.post(f"/core/e2e/{name}", body, KEY).json() for name in ("echo_all", "echo"))
    assert body.items() <= kept.items()
    assert not dropped.keys() & {"title", "note"}


def test_a_form_with_files_reaches_a_function(api: Api) -> None:
    """A megabyte of bytes is what it was; beyond 4 MB the answer says where else to send it."""
    photo = bytes(range(256)) * 4096

    def send(photo: bytes) -> Response:
        fields: Any = [
            ("photo", ("a.png", photo, "image/png")),
            ("pages", ("1", b"one", "x/y")),
            ("times", "3"),
        ]
        body, content_type = encode_multipart_formdata(fields)
        return api.request(
            "POST", "/core/e2e/attach", body=body, headers={"content-type": content_type, **KEY}
        )

    sent = send(photo)
    assert (sent.status, sent.json()) == (
        200, {"photo": ["a.png", "image/png", 1_048_576], "pages": ["one"], "times": 3}
    )  # fmt: skip
    refused = send(photo * 4)
    assert (refused.status, "presigned URL" in refused.text) == (413, True)


def test_a_cursor_leads_to_the_next_page_of_its_tenant(api: Api) -> None:
    """Another's is refused, with the parameter's name."""
    first = api.get("/core/e2e/next_page", KEY).json()
    second = api.get(f"/core/e2e/next_page?cursor={first['cursor']}", KEY)
    assert (first["page"], second.status, second.json()["page"]) == (1, 200, 2)
    admin = {"x-api-key": ADMIN_KEY}
    refused = api.get(f"/core/{OTHER_ENDPOINT}/next_page?cursor={first['cursor']}", admin)
    assert (refused.status, refused.json()["code"]) == (422, "invalid_cursor")
    assert "'cursor'" in refused.json()["error"]
