"""Settings that are too large for a payload travel as a large content does; the client isn't blamed."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from silvaengine.ledger.digests import Digests
from silvaengine.ledger.dispatch import Dispatcher
from silvaengine.observability.handler import Handler
from silvaengine.settings import Settings
from silvaengine_http.executions import Executions

from ...fakes.lambdas import Lambdas

SMALL_BODY = '{"name": "Ada"}'
JOB = {"prefer": "respond-async"}
KEYED = {"idempotency-key": "order-1"}

type Send = Callable[..., dict[str, Any]]


def large(size: int) -> str:
    """Return a setting text of so many bytes and a few more."""
    return json.dumps({"prompt": "ü" * (size // 2)}, ensure_ascii=False)


@pytest.fixture
def lambdas(request: pytest.FixtureRequest) -> Lambdas:
    """Lambda, with a bucket unless a test says otherwise."""
    return Lambdas(has_bucket=getattr(request, "param", True))


@pytest.fixture
def send(world: Any, lambdas: Lambdas, event_of: Send) -> Send:
    """Send a body to a function with settings of some size; return the response."""

    def handler() -> Handler:
        invoker, payloads = lambdas.invoker(clock=lambda: world.now), lambdas.payloads
        digests = Digests(lambda: b"secret")
        executions = Executions(world.ledger, Dispatcher(invoker, payloads), payloads, digests, 300.0)
        handler: Handler = world.handler_of(Settings(), invoker, executions)
        return handler

    def send(setting: str, headers: dict[str, str], body: str = SMALL_BODY) -> dict[str, Any]:
        world.add("greet", setting=setting)
        event = event_of(body=body, httpMethod="POST", multiValueHeaders=None, isBase64Encoded=False)
        event["headers"] = {**event["headers"], **headers}
        response: dict[str, Any] = handler()(event, None)
        return response

    return send


@pytest.mark.parametrize(
    ("headers", "settings", "content"),
    [
        ({}, 1_400_000, 15), ({}, 6_300_000, 15), ({}, 6_000_000, 1_200_000),
        (KEYED, 6_300_000, 15), (KEYED, 6_000_000, 1_200_000),
        (JOB, 1_400_000, 15), (JOB, 1_400_000, 200_000), (JOB, 900_000, 200_000), (JOB, 1_400_000, 1_200_000),
        (JOB, 100_000, 1_200_000), (JOB | KEYED, 1_400_000, 15),
    ],
)  # fmt: skip
def test_large_settings_arrive_whole(
    headers: dict[str, str], settings: int, content: int, lambdas: Lambdas, send: Send
) -> None:
    """With a small content or a large one, whether the client waits or not."""
    setting, body = large(settings), json.dumps({"name": "x" * content})
    response = send(setting, headers, body)
    assert response["statusCode"] == (202 if "prefer" in headers else 200)
    (sent,) = lambdas.sent
    assert (sent["setting"], sent["body"]) == (setting, body)
    assert sent["funct"] == "greet"


@pytest.mark.parametrize(("headers", "settings"), [({}, 1_400_000), (JOB, 900_000)])
def test_settings_that_fit_stay_out_of_the_bucket(
    headers: dict[str, str], settings: int, lambdas: Lambdas, send: Send
) -> None:
    """They may hold secrets: only what must goes there."""
    send(large(settings), headers)
    assert lambdas.bucket.objects == {}


def test_settings_in_the_bucket_are_among_what_ends_after_a_day(lambdas: Lambdas, send: Send) -> None:
    """Each payload has an object of its own, under the prefix with the shortest life."""
    for _ in range(2):
        send(large(1_400_000), JOB)
    assert len(lambdas.bucket.objects) == 2
    assert all(key.startswith("calls/payloads/") for key in lambdas.bucket.objects)


@pytest.mark.parametrize("lambdas", [False], indirect=True)
@pytest.mark.parametrize(("headers", "settings"), [({}, 6_300_000), (KEYED, 6_300_000), (JOB, 1_400_000)])
def test_without_a_bucket_the_operator_is_told_and_not_the_client(
    headers: dict[str, str], settings: int, lambdas: Lambdas, send: Send, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names the function, its settings and their size; the client learns nothing of them."""
    setting = large(settings)
    response = send(setting, headers)
    assert (response["statusCode"], lambdas.sent) == (500, [])
    assert json.loads(response["body"])["error"] == "The function is misconfigured"
    assert (
        f"'greet': its settings have {len(json.dumps(setting, ensure_ascii=False).encode())}" in caplog.text
    )


def test_a_content_that_is_too_large_is_the_clients(world: Any, lambdas: Lambdas, send: Send) -> None:
    """413, by the size of the content alone."""
    response = send(large(1_000_000), {}, json.dumps({"name": '"' * 2_500_000}))
    assert response["statusCode"] == 413
    size = int(json.loads(response["body"])["error"].split(": ")[1].split(" ")[0])
    assert 6_291_456 < size < 11_000_000
    assert lambdas.sent == []
