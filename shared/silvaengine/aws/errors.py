"""The errors that AWS's refusals become, whichever client met them."""

from silvaengine.aws.http import NotSentError
from silvaengine.errors import ConditionFailedError, ConfigurationError, SilvaEngineError, UnavailableError

# The codes by which AWS's services refuse for the moment: nothing was done. Most are those of
# botocore.retries.standard and of botocore's _retry.json.
BUSY_CODES = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "KmsThrottled",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "ReplicatedWriteConflictException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)
# Those, beside a status of 5xx, of failures that may pass.
PASSING_CODES = frozenset({"BadDigest", "IDPCommunicationError", "RequestTimeout", "RequestTimeoutException"})
# Of a transaction: docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html.
PASSING_REASONS = ("TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded")
TOO_MANY = 429
BUSY = "A backend service is busy; try again"


class BusyError(UnavailableError):
    """A service did nothing: it refused for the moment, or never had the request, which may be sent again."""


def to_error(what: str, code: str, message: str, status: int = 400) -> SilvaEngineError:
    """Return the error for a service's refusal.

    Args:
        what: the call's name for the error's detail; never shown to a client.
        code: the service's error code, empty for none.
        message: the service's message, for the detail only.
        status: the response's HTTP status.

    Returns:
        ConditionFailedError: the condition of a write didn't hold.
        BusyError: AWS throttles.
        UnavailableError: AWS fails; it may have done what was asked.
        ConfigurationError: any other refusal, such as a missing table or permission.
    """
    detail = f"{what}: {code}: {message}"
    if code in BUSY_CODES or status == TOO_MANY:
        return BusyError(BUSY, detail=detail)
    if code in PASSING_CODES or status >= 500:
        return UnavailableError(BUSY, detail=detail)
    if code == "TransactionCanceledException":  # its message ends with the reasons of all its writes
        _, _, reasons = message.rpartition("[")
        if "ConditionalCheckFailed" not in reasons and any(each in reasons for each in PASSING_REASONS):
            return BusyError(BUSY, detail=detail)
        code = "ConditionalCheckFailedException" if "ConditionalCheckFailed" in reasons else code
    if code == "ConditionalCheckFailedException":
        return ConditionFailedError("The request conflicts with another one; try again", detail=detail)
    return misconfigured(detail)


def misconfigured(detail: str) -> ConfigurationError:
    """Return the error of a deployment that is set up wrongly; ``detail`` says how."""
    return ConfigurationError("The service is misconfigured", detail=detail)


def no_response(what: str, cause: object) -> UnavailableError:
    """Return the error for a service that gave no response: BusyError if it never had the request."""
    kind = BusyError if isinstance(cause, NotSentError) else UnavailableError
    return kind("A backend service can't be reached; try again", detail=f"{what}: {cause}")
