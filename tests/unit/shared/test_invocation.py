import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from silvaengine.errors import (
    DeadlineError,
    InvocationError,
    RequestError,
    SilvaEngineError,
    UnavailableError,
)
from silvaengine.invocation import LambdaInvoker, open_invoker
from silvaengine.messages import EVENT_LIMIT, SYNC_LIMIT
from silvaengine.settings import Settings


class FakeLambda:
    """Plays a list of outcomes: an exception is raised, a dict is answered."""

    def __init__(self, *outcomes: Exception | dict[str, Any]) -> None:
        self.outcomes = list(outcomes)
        self.requests: list[dict[str, Any]] = []

    def invoke(self, **request: Any) -> dict[str, Any]:
        self.requests.append(request)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def answered(result: object, **members: Any) -> dict[str, Any]:
    """Give what botocore gives for a result."""
    return {"Payload": io.BytesIO(json.dumps(result).encode()), **members}


def refused(code: str) -> ClientError:
    """Give botocore's error for a code of Lambda's."""
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "Invoke")


def invoker(
    client: FakeLambda, clock: Callable[[], float] = lambda: 0.0
) -> tuple[LambdaInvoker, list[float]]:
    """Give an invoker over a fake, and the list of its pauses."""
    pauses: list[float] = []
    return LambdaInvoker(lambda: client, clock=clock, sleep=pauses.append), pauses


def test_a_result_is_decoded() -> None:
    """The callee's JSON becomes a value."""
    client = FakeLambda(answered({"a": 1}))
    assert invoker(client)[0].invoke("arn", '{"x": 1}') == {"a": 1}
    assert client.requests == [
        {"FunctionName": "arn", "InvocationType": "RequestResponse", "Payload": b'{"x": 1}'}
    ]


def test_an_event_has_no_result() -> None:
    """Lambda answers an event with an empty payload."""
    client = FakeLambda({"Payload": io.BytesIO(b"")})
    assert invoker(client)[0].invoke("arn", "{}", event=True) is None
    assert client.requests[0]["InvocationType"] == "Event"


@pytest.mark.parametrize(("event", "limit"), [(False, SYNC_LIMIT), (True, EVENT_LIMIT)])
def test_a_payload_over_the_limit_is_never_sent(event: bool, limit: int) -> None:
    """6 MB, 1 MB for an event; one byte more is the client's fault."""
    client = FakeLambda(answered(None))
    with pytest.raises(RequestError, match=str(limit)) as caught:
        invoker(client)[0].invoke("arn", "x" * (limit + 1), event=event)
    assert (caught.value.status, client.requests) == (413, [])
    invoker(client)[0].invoke("arn", "x" * limit, event=event)


@pytest.mark.parametrize(
    "refusal",
    [
        EndpointConnectionError(endpoint_url="x"),
        ConnectTimeoutError(endpoint_url="x"),
        refused("TooManyRequestsException"),
        refused("ThrottlingException"),
    ],
)
def test_what_never_started_is_repeated(refusal: Exception) -> None:
    """Twice, with growing pauses; then the client may come again."""
    client = FakeLambda(refusal, refusal, answered("ok"))
    subject, pauses = invoker(client)
    assert subject.invoke("arn", "{}") == "ok"
    assert pauses == [0.1, 0.3]
    with pytest.raises(UnavailableError) as caught:
        invoker(FakeLambda(refusal, refusal, refusal))[0].invoke("arn", "{}")
    assert caught.value.headers == {"Retry-After": "1"}


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (ReadTimeoutError(endpoint_url="x"), DeadlineError),
        (ConnectionClosedError(endpoint_url="x"), InvocationError),
        (refused("ResourceNotFoundException"), InvocationError),
        (refused("RequestTooLargeException"), RequestError),
    ],
)
def test_what_may_have_run_is_not_repeated(failure: Exception, expected: type[SilvaEngineError]) -> None:
    """One request is sent, and the failure is told."""
    client = FakeLambda(failure)
    with pytest.raises(expected):
        invoker(client)[0].invoke("arn", "{}")
    assert len(client.requests) == 1


def test_no_repetition_begins_after_the_deadline() -> None:
    """A pause that outlives the caller's time is not taken."""
    client = FakeLambda(refused("TooManyRequestsException"))
    subject, pauses = invoker(client, clock=lambda: 99.95)
    with pytest.raises(UnavailableError):
        subject.invoke("arn", "{}", deadline=100)
    assert pauses == []


def test_nothing_is_sent_after_the_deadline() -> None:
    """The caller's time is over before the call."""
    client = FakeLambda()
    with pytest.raises(DeadlineError):
        invoker(client, clock=lambda: 100.0)[0].invoke("arn", "{}", deadline=100)
    assert client.requests == []


def test_a_callee_error_keeps_its_type_and_words_in_private() -> None:
    """The log may name them, the public message does not."""
    client = FakeLambda(
        answered({"errorType": "KeyError", "errorMessage": "secret"}, FunctionError="Unhandled")
    )
    with pytest.raises(InvocationError) as caught:
        invoker(client)[0].invoke("arn", "{}")
    assert (caught.value.error_type, caught.value.error_message) == ("KeyError", "secret")
    assert "secret" not in caught.value.message


def test_a_callee_that_ran_out_of_time_is_a_deadline() -> None:
    """Lambda reports its own timeout as a function error."""
    client = FakeLambda(answered({"errorType": "Sandbox.Timedout"}, FunctionError="Unhandled"))
    with pytest.raises(DeadlineError):
        invoker(client)[0].invoke("arn", "{}")
    odd = FakeLambda(answered("not an object", FunctionError="Unhandled"))
    with pytest.raises(InvocationError):
        invoker(odd)[0].invoke("arn", "{}")


def test_the_client_has_explicit_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """One attempt of botocore's, a second to connect, less than API Gateway's 29 s to read."""
    from silvaengine.aws import client  # noqa: PLC0415 - only this test makes a real client

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    open_invoker(Settings())._open_client()
    config = client("lambda", "us-east-1", read_seconds=28.0, attempts=1).meta.config
    assert (config.connect_timeout, config.read_timeout) == (1.0, 28.0)
    assert config.retries["total_max_attempts"] == 1
