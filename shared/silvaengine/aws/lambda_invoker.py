"""Invoking a Lambda: limits checked before sending, few and safe repetitions, typed failures.

An Invoke is repeated only when it never connected or was throttled. After a read timeout, or a connection
that broke under way, the callee may have run.
"""

import time
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, Protocol

from silvaengine.aws.client import error_of, open_client, percent_encode
from silvaengine.aws.errors import THROTTLING_CODES
from silvaengine.aws.http import NoAnswerError, NoAnswerInTimeError, NotSentError, Response
from silvaengine.aws.worker_routing import tenant_id, worker_for
from silvaengine.errors import (
    DeadlineError,
    InvocationError,
    RequestError,
    SilvaEngineError,
    UnavailableError,
)
from silvaengine.protocol.json_codec import decode
from silvaengine.protocol.messages import EVENT_LIMIT, SYNC_LIMIT
from silvaengine.settings import Settings

READ_SECONDS = 28.0  # without a deadline: API Gateway waits 29 s; with one, until then
GRACE_SECONDS = 0.75  # a worker that ends its function at the deadline still has to say so
PAUSES = (0.1, 0.3)  # seconds before the second and the third attempt
PATHS = 256


class _NotAcceptedError(Exception):
    """Nothing was started, so that the same Invoke may be sent again."""


class Sender(Protocol):
    """What sends a request to Lambda's API; see ``silvaengine.aws.client.Service``."""

    def post(self, path: str, headers: dict[str, str], body: bytes, seconds: float) -> Response:
        """Send it and give the answer."""


class LambdaInvoker:
    """Invokes Lambdas: docs.aws.amazon.com/lambda/latest/api/API_Invoke.html.

    Args:
        open_client: returns what sends to Lambda's API; called at each invocation.
        worker_for: returns the Lambda that an ARN of the registry means.
        isolated: ARNs of Lambdas that keep tenants' environments apart; their payloads say whose they are.
        clock: epoch seconds.
        sleep: waits for some seconds.
    """

    def __init__(
        self,
        open_client: Callable[[], Sender],
        *,
        worker_for: Callable[[str], str] = str,
        isolated: frozenset[str | None] = frozenset(),
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._open_service = open_client
        self._worker_for = worker_for
        self._isolated = isolated
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
        arn = self._worker_for(arn)
        headers = {"x-amz-invocation-type": "Event" if event else "RequestResponse"}
        if arn in self._isolated:
            headers["x-amz-tenant-id"] = tenant_id(payload)
        for pause in (*PAUSES, None):
            try:
                return self._send(arn, body, headers, deadline)
            except _NotAcceptedError as refusal:
                if pause is None or (deadline is not None and self._clock() + pause >= deadline):
                    message = "The function can't be started at the moment"
                    raise UnavailableError(
                        message, detail=f"{arn}: {refusal.__cause__ or refusal}"
                    ) from refusal
                self._sleep(pause)
        raise AssertionError  # the last attempt returns or raises

    def _send(self, arn: str, body: bytes, headers: dict[str, str], deadline: float | None) -> Any:  # noqa: ANN401 - any JSON value
        seconds = self._patience(deadline)
        try:
            response = self._open_service().post(_path(arn), headers, body, seconds)
        except NotSentError as error:
            raise _NotAcceptedError from error
        except NoAnswerInTimeError as error:
            raise DeadlineError("The function gave no answer in time", detail=arn) from error
        except NoAnswerError as error:
            message = "The connection to the function broke"
            raise InvocationError(message, error_type=str(error), error_message=arn) from error
        if response.status >= 300:
            raise _refused(arn, response)
        result = decode(response.body) if response.body else None
        if response.header(b"x-amz-function-error"):
            raise _callee_error(arn, result)
        return result

    def _patience(self, deadline: float | None) -> float:
        if deadline is None:
            return READ_SECONDS
        left = deadline - self._clock()
        if left <= 0:
            raise DeadlineError("The time for this request is over", refused=True)
        return left + GRACE_SECONDS


def open_invoker(settings: Settings) -> LambdaInvoker:
    """Return what invokes the account's Lambdas."""
    return LambdaInvoker(
        lambda: open_client("lambda", settings.region),
        worker_for=partial(worker_for, settings=settings),
        isolated=frozenset({settings.isolated_worker_arn}),
    )


@lru_cache(PATHS)
def _path(arn: str) -> str:
    return f"/2015-03-31/functions/{percent_encode(arn)}/invocations"


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        message = f"The request is too large: {size} bytes with what is added to it, at most {limit}"
        raise RequestError(message, status=413)


def _refused(arn: str, response: Response) -> Exception:
    code, words = error_of(response)
    if code in THROTTLING_CODES:
        return _NotAcceptedError(code)
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
