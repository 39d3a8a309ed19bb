"""The errors that AWS's refusals become, whichever client met them."""

from silvaengine.errors import (
    ConditionFailedError,
    ConfigurationError,
    SilvaEngineError,
    UnavailableError,
)

# The codes of AWS's services for "too much at the moment".
THROTTLING_CODES = frozenset(
    {
        "InternalServerError",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)


def to_error(what: str, code: str, message: str, status: int = 400) -> SilvaEngineError:
    """Return the error for a service's refusal.

    Args:
        what: the call's name for the error's detail; never shown to a client.
        code: the service's error code, empty for none.
        message: the service's message, for the detail only.
        status: the response's HTTP status.

    Returns:
        ConditionFailedError: the condition of a write didn't hold.
        UnavailableError: AWS throttles, or fails.
        ConfigurationError: any other refusal, such as a missing table or permission.
    """
    detail = f"{what}: {code}: {message}"
    if code in THROTTLING_CODES or status >= 500:
        return UnavailableError("A backend service is busy; try again", detail=detail)
    if code == "ConditionalCheckFailedException":
        return ConditionFailedError("The request conflicts with another one; try again", detail=detail)
    return ConfigurationError("The service is misconfigured", detail=detail)


def no_response(what: str, cause: object) -> UnavailableError:
    """Return the error for a service that gave no response."""
    return UnavailableError("A backend service can't be reached; try again", detail=f"{what}: {cause}")
