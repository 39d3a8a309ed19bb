"""What AWS's refusals become, whichever way a call went."""

from silvaengine.errors import (
    ConditionFailedError,
    ConfigurationError,
    SilvaEngineError,
    UnavailableError,
)

# Names that AWS's services give to "too much at the moment".
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


def to_error(what: str, code: str, words: str, status: int = 400) -> SilvaEngineError:
    """Return the error for a service's answer.

    Args:
        what: names the call in the error's detail; never shown to a client.
        code: the service's name of the error, empty where it gave none.
        words: its message; for the detail only.
        status: the answer's HTTP status.

    Returns:
        ConditionFailedError: the condition of a write didn't hold.
        UnavailableError: AWS throttles, or fails.
        ConfigurationError: any other refusal, such as a missing table or permission.

    """
    detail = f"{what}: {code}: {words}"
    if code in THROTTLING_CODES or status >= 500:
        return UnavailableError("A backend is busy at the moment", detail=detail)
    if code == "ConditionalCheckFailedException":
        return ConditionFailedError("The row was modified concurrently", detail=detail)
    return ConfigurationError("The service is misconfigured", detail=detail)


def no_answer(what: str, cause: object) -> UnavailableError:
    """Return the error for a service that gave no answer."""
    return UnavailableError("A backend can't be reached at the moment", detail=f"{what}: {cause}")
