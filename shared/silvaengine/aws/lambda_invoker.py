"""Invoking Lambdas: sizes checked before sending, few and safe repetitions, typed failures.

An Invoke is repeated only if nothing can have started: it never connected, or Lambda refused it for the
moment. After any other failure the Lambda may have run.
"""

import time
from collections.abc import Callable
from functools import lru_cache, partial
from math import inf
from typing import Protocol

from silvaengine.aws.backoff import ATTEMPTS, Backoff
from silvaengine.aws.client import AwsClient, error_of, open_client, percent_encode
from silvaengine.aws.errors import BUSY_CODES, TOO_MANY, BusyError
from silvaengine.aws.http import NoResponseError, NotSentError, Response, ResponseTimeoutError
from silvaengine.aws.worker_routing import tenant_id, worker_for
from silvaengine.errors import DeadlineError, InvocationError, NotStartedError, RequestError, SilvaEngineError
from silvaengine.protocol.json_codec import decode
from silvaengine.protocol.messages import EVENT_LIMIT, SYNC_LIMIT
from silvaengine.settings import Settings

READ_SECONDS = 28.0  # without a deadline: API Gateway waits 29 s; with one, until then
GRACE_SECONDS = 0.75  # for the response of a worker that ends its function at the deadline
FIRST_PAUSE = 0.2
BUSY = "The function can't be started right now; try again"
CACHED_PATHS = 256
# The codes after which nothing can have run: all others may come when the function has begun.
# docs.aws.amazon.com/lambda/latest/api/API_Invoke.html and …/CommonErrors.html.
NOT_STARTED = frozenset({
    "AccessDeniedException", "CodeArtifactUserDeletedException", "CodeArtifactUserFailedException",
    "CodeArtifactUserPendingException", "EC2AccessDeniedException", "EC2ThrottledException",
    "EC2UnexpectedException", "EFSMountConnectivityException", "EFSMountFailureException",
    "EFSMountTimeoutException", "ENILimitReachedException", "ENINotReadyException", "ExpiredTokenException",
    "IncompleteSignature", "InvalidParameterValueException", "InvalidRequestContentException",
    "InvalidRuntimeException", "InvalidSecurityGroupIDException", "InvalidSignatureException",
    "InvalidSubnetIDException", "InvalidZipFileException", "KMSAccessDeniedException", "KMSDisabledException",
    "KMSInvalidStateException", "KMSNotFoundException", "MalformedHttpRequestException",
    "ModeNotSupportedException", "NoPublishedVersionException", "NotAuthorized", "OptInRequired",
    "RecursiveInvocationException", "RequestEntityTooLargeException", "RequestExpired",
    "RequestTooLargeException", "ResourceConflictException", "ResourceNotFoundException",
    "ResourceNotReadyException", "S3FilesMountConnectivityException", "S3FilesMountFailureException",
    "S3FilesMountTimeoutException", "SerializedRequestEntityTooLargeException",
    "ServiceQuotaExceededException", "SnapStartException", "SnapStartNotReadyException",
    "SnapStartRegenerationFailureException", "SnapStartTimeoutException",
    "SubnetIPAddressLimitReachedException", "ThrottlingException", "TooManyRequestsException",
    "UnknownOperationException", "UnrecognizedClientException", "UnsupportedMediaTypeException",
    "ValidationError",
})  # fmt: skip
PASSING = frozenset({408, 409, TOO_MANY, 502})  # the statuses with which these may pass


type Fit = Callable[[str, int], str]
"""Returns another payload of at most so many bytes for one that is larger; raises SilvaEngineError."""


def too_large(size: int, limit: int) -> RequestError:
    """Return the error of a request that is larger than Lambda takes, in bytes."""
    message = f"The request is too large: {size} bytes with what is added to it, at most {limit}"
    return RequestError(message, status=413)


def _refuse(payload: str, limit: int) -> str:
    raise too_large(len(payload.encode()), limit)


class Invoker(Protocol):
    """Invokes Lambdas; see ``LambdaInvoker``."""

    def invoke(
        self,
        arn: str,
        payload: str,
        *,
        event: bool = False,
        deadline: float | None = None,
        is_isolated: bool = False,
    ) -> bytes:
        """Invoke a Lambda and return its result's JSON text."""


class LambdaInvoker:
    """Invokes Lambdas: docs.aws.amazon.com/lambda/latest/api/API_Invoke.html.

    Args:
        open_client: returns the client of Lambda's API; called at each invocation.
        fit: what to do with a payload over 6 MB, 1 MB for an event; by default it is refused.
        worker_for: returns the Lambda to invoke for an ARN of the registry.
        isolated: ARNs of Lambdas with an environment for each tenant; their payloads must name the tenant.
        clock: epoch seconds.
        sleep: takes seconds.
        attempts: how often an Invoke is sent at most, 1 or more.
    """

    def __init__(
        self,
        open_client: Callable[[], AwsClient],
        *,
        fit: Fit = _refuse,
        worker_for: Callable[[str], str] = str,
        isolated: frozenset[str | None] = frozenset(),
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        attempts: int = ATTEMPTS,
    ) -> None:
        self._open_client = open_client
        self._fit = fit
        self._worker_for = worker_for
        self._isolated = isolated
        self._clock = clock
        self._backoff = Backoff(FIRST_PAUSE, attempts, clock=clock, sleep=sleep)

    def invoke(
        self,
        arn: str,
        payload: str,
        *,
        event: bool = False,
        deadline: float | None = None,
        is_isolated: bool = False,
    ) -> bytes:
        """Invoke a Lambda and return its result's JSON text, empty for an event.

        Args:
            arn: the function's ARN or name.
            payload: JSON text; see ``fit``.
            event: whether to hand over the payload without waiting for the result.
            deadline: epoch seconds at which the caller no longer waits.
            is_isolated: whether the Lambda has an environment for each tenant, as those in ``isolated`` have.

        Raises:
            RequestError: 413, the payload is too large; nothing ran. ConfigurationError: its settings are.
            BusyError: Lambda refuses for the moment, or couldn't be reached; nothing ran.
            NotStartedError: the Lambda can't be invoked, or the deadline is over; nothing ran.
            DeadlineError: there was no result in time; the Lambda may have run.
            InvocationError: it failed, Lambda itself did, or the connection broke; it may have run.
        """
        body, limit = payload.encode(), EVENT_LIMIT if event else SYNC_LIMIT
        if len(body) > limit:
            body = self._fit(payload, limit).encode()
        arn = self._worker_for(arn)
        headers = {"x-amz-invocation-type": "Event" if event else "RequestResponse"}
        if is_isolated or arn in self._isolated:
            headers["x-amz-tenant-id"] = tenant_id(payload)
        return self._backoff.run(
            lambda: self._send(arn, body, headers, deadline), BusyError, inf if deadline is None else deadline
        )

    def _send(self, arn: str, body: bytes, headers: dict[str, str], deadline: float | None) -> bytes:
        seconds = self._read_seconds(deadline)
        try:
            response = self._open_client().post(_path(arn), headers, body, seconds)
        except NotSentError as error:
            raise BusyError(BUSY, detail=f"{arn}: {error}") from error
        except ResponseTimeoutError as error:
            raise DeadlineError("The function did not respond in time", detail=arn) from error
        except NoResponseError as error:
            message = "The connection to the function was lost"
            raise InvocationError(message, error_type=str(error), detail=arn) from error
        if response.status >= 300:
            raise _refusal(arn, response)
        if response.header(b"x-amz-function-error"):
            raise _lambda_error(arn, response.body)
        return response.body

    def _read_seconds(self, deadline: float | None) -> float:
        if deadline is None:
            return READ_SECONDS
        left = deadline - self._clock()
        if left <= 0:
            raise NotStartedError("The request's deadline has passed", status=DeadlineError.default_status)
        return left + GRACE_SECONDS


def open_invoker(settings: Settings, fit: Fit = _refuse) -> LambdaInvoker:
    """Return the invoker of the deployment's Lambdas; see ``LambdaInvoker``."""
    return LambdaInvoker(
        lambda: open_client("lambda", settings.region),
        fit=fit,
        worker_for=lru_cache(CACHED_PATHS)(partial(worker_for, settings=settings)),
        isolated=frozenset({settings.isolated_worker_arn}),
    )


@lru_cache(CACHED_PATHS)
def _path(arn: str) -> str:
    return f"/2015-03-31/functions/{percent_encode(arn)}/invocations"


def _refusal(arn: str, response: Response) -> SilvaEngineError:
    code, message = error_of(response)
    status, detail = response.status, f"{arn}: {message}"
    if status != TOO_MANY and code not in NOT_STARTED:
        return InvocationError("Lambda failed; the function may have run", error_type=code, detail=detail)
    if status in PASSING or code in BUSY_CODES:
        return BusyError(BUSY, detail=f"{code}: {detail}")
    if status == 413:
        return RequestError("The request is too large for the function", status=status)
    return NotStartedError("The function can't be invoked", error_type=code, detail=detail)


def _lambda_error(arn: str, result: bytes) -> SilvaEngineError:
    reported = decode(result or b"{}")
    if not isinstance(reported, dict):
        reported = {}
    error_type = str(reported.get("errorType", ""))
    if error_type == "Sandbox.Timedout":
        return DeadlineError("The function did not respond in time", detail=arn)
    detail = str(reported.get("errorMessage", ""))
    return InvocationError("The function failed", error_type=error_type, detail=detail)
