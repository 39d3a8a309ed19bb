import json
from collections.abc import Callable

import pytest
from botocore.session import Session

from silvaengine.aws.http import NoResponseError, NotSentError, Response, ResponseTimeoutError
from silvaengine.aws.lambda_invoker import GRACE_SECONDS, NOT_STARTED, READ_SECONDS, LambdaInvoker
from silvaengine.errors import (
    DeadlineError,
    InvocationError,
    NotStartedError,
    RequestError,
    SilvaEngineError,
    UnavailableError,
)
from silvaengine.ledger.dispatch import nothing_ran
from silvaengine.protocol.messages import EVENT_LIMIT, SYNC_LIMIT

PATH = "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aworker/invocations"


class FakeLambda:
    """Plays a list of outcomes: an exception is raised, a response is answered."""

    def __init__(self, *outcomes: Exception | Response) -> None:
        self.outcomes = list(outcomes)
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.seconds: list[float] = []

    def post(self, path: str, headers: dict[str, str], body: bytes, seconds: float) -> Response:
        self.requests.append((path, headers, body))
        self.seconds.append(seconds)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def answered(result: object, head: str = "") -> Response:
    """Return Lambda's response with a result."""
    return Response(200, f"HTTP/1.1 200 OK{head}".encode(), json.dumps(result).encode())


def failed(result: object) -> Response:
    """Return Lambda's response for a function that failed."""
    return answered(result, "\r\nX-Amz-Function-Error: Unhandled")


def refused(code: str, status: int = 429) -> Response:
    """Return Lambda's refusal, in the form in which it comes."""
    head = f"HTTP/1.1 {status} No\r\nx-amzn-ErrorType: {code}:http://internal.amazon.com/coral/"
    return Response(status, head.encode(), b'{"Type": "User", "message": "no"}')


def invoker(
    client: FakeLambda, clock: Callable[[], float] = lambda: 0.0
) -> tuple[LambdaInvoker, list[float]]:
    """Return an invoker over a fake, and the list of its pauses."""
    pauses: list[float] = []
    return LambdaInvoker(lambda: client, clock=clock, sleep=pauses.append), pauses


def test_a_result_is_decoded() -> None:
    """The callee's JSON becomes a value."""
    client = FakeLambda(answered({"a": 1}))
    assert invoker(client)[0].invoke("arn:aws:lambda:worker", '{"x": 1}') == b'{"a": 1}'
    assert client.requests == [(PATH, {"x-amz-invocation-type": "RequestResponse"}, b'{"x": 1}')]


def test_an_event_has_no_result() -> None:
    """Lambda answers an event with an empty payload."""
    client = FakeLambda(Response(202, b"HTTP/1.1 202 Accepted"))
    assert invoker(client)[0].invoke("arn", "{}", event=True) == b""
    assert client.requests[0][1] == {"x-amz-invocation-type": "Event"}


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
        NotSentError("nobody there"),
        refused("TooManyRequestsException"),
        refused("ThrottlingException", 400),
        Response(429, b"HTTP/1.1 429 Too Many Requests"),
        refused("ResourceConflictException", 409),
        refused("SnapStartNotReadyException", 409),
        refused("ENINotReadyException", 502),
        refused("KMSInvalidStateException", 502),
    ],
)
def test_what_never_started_is_repeated(refusal: Exception | Response) -> None:
    """Twice, with growing pauses; then the client may come again, and nothing has run."""
    client = FakeLambda(refusal, refusal, answered("ok"))
    subject, pauses = invoker(client)
    assert subject.invoke("arn", "{}") == b'"ok"'
    assert [0.1 <= pauses[0] <= 0.2, 0.2 <= pauses[1] <= 0.4] == [True, True]
    with pytest.raises(UnavailableError) as caught:
        invoker(FakeLambda(refusal, refusal, refusal))[0].invoke("arn", "{}")
    assert caught.value.headers == {"Retry-After": "1"}
    assert nothing_ran(caught.value)


@pytest.mark.parametrize(
    "failure",
    [
        refused("ServiceException", 500),
        refused("InternalServerError", 500),
        refused("ServiceUnavailable", 503),
        refused("ANewCode", 400),
        Response(502, b"HTTP/1.1 502 Bad Gateway", b"<html>"),
        Response(504, b"HTTP/1.1 504 Gateway Timeout"),
    ],
)
def test_a_failure_of_lambda_may_have_run(failure: Response) -> None:
    """Its front end may fail after the function took effect: nothing is sent again, nothing released."""
    client = FakeLambda(failure)
    with pytest.raises(InvocationError) as caught:
        invoker(client)[0].invoke("arn", "{}")
    assert len(client.requests) == 1
    assert not nothing_ran(caught.value)


def test_every_error_of_an_invoke_is_classified() -> None:
    """Of the errors that botocore knows these three may come after the function has begun, all others not."""
    model = Session().get_service_model("lambda").operation_model("Invoke")
    errors = {shape.name for shape in model.error_shapes}
    assert errors - NOT_STARTED == {
        "DurableExecutionAlreadyStartedException",
        "EFSIOException",
        "ServiceException",
    }


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (ResponseTimeoutError("slow"), DeadlineError),
        (NoResponseError("broken"), InvocationError),
        (refused("ResourceNotFoundException", 404), NotStartedError),
        (refused("RequestTooLargeException", 413), RequestError),
        (refused("SerializedRequestEntityTooLargeException", 413), RequestError),
        (refused("AccessDeniedException", 403), NotStartedError),
    ],
)
def test_what_will_not_pass_is_not_repeated(
    failure: Exception | Response, expected: type[SilvaEngineError]
) -> None:
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
    """The caller's time is over before the call, and the error says that nothing can have run."""
    client = FakeLambda()
    with pytest.raises(NotStartedError) as caught:
        invoker(client, clock=lambda: 100.0)[0].invoke("arn", "{}", deadline=100)
    assert (caught.value.status, client.requests) == (504, [])
    assert nothing_ran(caught.value)


def test_a_callee_error_keeps_its_type_and_words_in_private() -> None:
    """The log may name them, the public message does not."""
    client = FakeLambda(failed({"errorType": "KeyError", "errorMessage": "secret"}))
    with pytest.raises(InvocationError) as caught:
        invoker(client)[0].invoke("arn", "{}")
    assert (caught.value.error_type, caught.value.detail) == ("KeyError", "KeyError: secret")
    assert "secret" not in caught.value.message


def test_a_callee_that_ran_out_of_time_is_a_deadline() -> None:
    """Lambda reports its own timeout as a function error."""
    client = FakeLambda(failed({"errorType": "Sandbox.Timedout"}))
    with pytest.raises(DeadlineError):
        invoker(client)[0].invoke("arn", "{}")
    odd = FakeLambda(failed("not an object"))
    with pytest.raises(InvocationError):
        invoker(odd)[0].invoke("arn", "{}")


@pytest.mark.parametrize(
    ("deadline", "seconds"),
    [(None, READ_SECONDS), (110.0, 10 + GRACE_SECONDS), (1000.0, 900 + GRACE_SECONDS)],
)
def test_an_answer_is_awaited_as_long_as_the_caller_has_time(deadline: float | None, seconds: float) -> None:
    """And a little longer, for a worker that ends its function at the deadline; without one, 28 s."""
    client = FakeLambda(answered(None))
    invoker(client, clock=lambda: 100.0)[0].invoke("arn", "{}", deadline=deadline)
    assert client.seconds == [seconds]
