"""Invoking a Lambda: limits checked before sending, few and safe repetitions, typed failures.

An Invoke is repeated only when it never connected or was throttled. After a read timeout, or a connection
that broke under way, the callee may have run.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from silvaengine.aws import THROTTLES, client
from silvaengine.errors import (
    DeadlineError,
    InvocationError,
    RequestError,
    SilvaEngineError,
    UnavailableError,
)
from silvaengine.messages import EVENT_LIMIT, SYNC_LIMIT
from silvaengine.settings import Settings

READ_SECONDS = 28.0  # without a deadline: API Gateway waits 29 s
GRACE_SECONDS = 0.75  # a worker that ends its function at the deadline still has to say so
PAUSES = (0.1, 0.3)  # seconds before the second and the third attempt

_read_seconds: ContextVar[float] = ContextVar("silvaengine_read_seconds", default=READ_SECONDS)


class _NotAcceptedError(Exception):
    """Nothing was started, so that the same Invoke may be sent again."""


class LambdaInvoker:
    """Invokes Lambdas.

    Args:
        open_client: gives the low-level Lambda client; called at the first invocation.
        clock: epoch seconds.
        sleep: waits for some seconds.
    """

    def __init__(
        self,
        open_client: Callable[[], Any],
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._open_client = open_client
        self._clock = clock
        self._sleep = sleep

    def invoke(self, arn: str, payload: str, *, event: bool = False, deadline: float | None = None) -> Any:  # noqa: ANN401 - any JSON value
        """Invoke a Lambda and give its decoded result, None for an event.

        Args:
            arn: the function's ARN or name.
            payload: JSON text, at most 6 MB, 1 MB for an event.
            event: whether to hand the payload over without waiting for the outcome.
            deadline: epoch seconds at which the caller's time is over.

        Raises:
            RequestError: 413, the payload is too large.
            UnavailableError: Lambda refused it for the moment, or couldn't be reached; nothing ran.
            DeadlineError: there was no result in time; the callee may have run.
            InvocationError: the callee failed or can't be invoked.
        """
        body = payload.encode()
        _check_size(len(body), EVENT_LIMIT if event else SYNC_LIMIT)
        for pause in (*PAUSES, None):
            try:
                return self._send(arn, body, event=event, deadline=deadline)
            except _NotAcceptedError as refusal:
                if pause is None or (deadline is not None and self._clock() + pause >= deadline):
                    message = "The function can't be started at the moment"
                    raise UnavailableError(message, detail=f"{arn}: {refusal.__cause__}") from refusal
                self._sleep(pause)
        raise AssertionError  # the last attempt returns or raises

    def _send(self, arn: str, body: bytes, *, event: bool, deadline: float | None) -> Any:  # noqa: ANN401 - any JSON value
        token = _read_seconds.set(self._patience(deadline))
        try:
            with _translated_errors(arn):
                kind = "Event" if event else "RequestResponse"
                answer = self._open_client().invoke(FunctionName=arn, InvocationType=kind, Payload=body)
                text = answer["Payload"].read()
        finally:
            _read_seconds.reset(token)
        result = json.loads(text) if text else None
        if "FunctionError" in answer:
            raise _callee_error(arn, result)
        return result

    def _patience(self, deadline: float | None) -> float:
        if deadline is None:
            return READ_SECONDS
        left = deadline - self._clock()
        if left <= 0:
            raise DeadlineError("The time for this request is over")
        return min(READ_SECONDS, left + GRACE_SECONDS)


def open_invoker(settings: Settings) -> LambdaInvoker:
    """Give what invokes the account's Lambdas; the client is made at the first invocation."""

    def lambda_client() -> Any:  # noqa: ANN401 - see aws.client
        found = client("lambda", settings.region, read_seconds=READ_SECONDS, attempts=1)
        found.meta.events.register(
            "before-parameter-build.lambda.Invoke", _set_read_timeout, unique_id="silvaengine-read-timeout"
        )
        return found

    return LambdaInvoker(lambda_client)


def _set_read_timeout(context: dict[str, Any], **_: object) -> None:
    """Limit this one request; a botocore that doesn't know the entry keeps to the client's own limit."""
    context["read_timeout"] = _read_seconds.get()


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        message = f"The request is too large: {size} bytes with what is added to it, at most {limit}"
        raise RequestError(message, status=413)


@contextmanager
def _translated_errors(arn: str) -> Iterator[None]:
    """Turn what botocore raises into our errors, by whether the callee may have run."""
    from botocore import exceptions as aws  # noqa: PLC0415 - see silvaengine.aws

    try:
        yield
    except (aws.EndpointConnectionError, aws.ConnectTimeoutError) as error:
        raise _NotAcceptedError from error
    except aws.ReadTimeoutError as error:
        raise DeadlineError("The function gave no answer in time", detail=arn) from error
    except aws.ClientError as error:
        raise _refused(arn, error.response["Error"]) from error
    except aws.BotoCoreError as error:
        message = "The connection to the function broke"
        raise InvocationError(message, error_type=type(error).__name__, error_message=arn) from error


def _refused(arn: str, error: Mapping[str, Any]) -> Exception:
    code, words = error.get("Code", ""), error.get("Message", "")
    if code in THROTTLES:
        return _NotAcceptedError()
    if code == "RequestTooLargeException":
        return RequestError("The request is too large for the function", status=413)
    message = "The function can't be invoked"
    return InvocationError(message, error_type=code, error_message=f"{arn}: {words}", refused=True)


def _callee_error(arn: str, result: Any) -> SilvaEngineError:  # noqa: ANN401 - what a foreign runtime says
    reported = result if isinstance(result, dict) else {}
    error_type = str(reported.get("errorType", ""))
    if error_type == "Sandbox.Timedout":
        return DeadlineError("The function gave no answer in time", detail=arn)
    return InvocationError(
        "The function failed", error_type=error_type, error_message=str(reported.get("errorMessage", ""))
    )
