"""The few errors of the system: each has a status, a public message and a private detail."""

from collections.abc import Mapping
from typing import ClassVar


class SilvaEngineError(Exception):
    """An error that a caller is told about.

    Args:
        message: public text; it reaches the client as it is.
        status: HTTP status, 400 to 599; the class's own when absent.
        headers: HTTP headers that belong to the answer, such as ``Allow``.
        detail: for the log only; never part of an answer.
    """

    default_status: ClassVar[int] = 500

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        detail: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = self.default_status if status is None else status
        self.headers = dict(headers or {})
        self.detail = detail


class RequestError(SilvaEngineError):
    """The request can't be served, and the client can change that (4xx)."""

    default_status = 400


class NotFoundError(RequestError):
    """What the client asked for isn't there."""

    default_status = 404


class ConfigurationError(SilvaEngineError):
    """The registry, the settings or the deployment is wrong; ``detail`` says what."""


class ConditionFailedError(SilvaEngineError):
    """A conditional write was refused: the row isn't as its writer believed."""

    default_status = 409


class InvocationError(SilvaEngineError):
    """A Lambda that we invoked failed.

    Args:
        message: public text.
        error_type: the callee's error class, as Lambda reports it; private.
        error_message: the callee's own words; private.
        refused: whether Lambda took nothing, so that the callee can't have run.
        status: HTTP status that the callee gave; 502 when absent.
    """

    default_status = 502

    def __init__(
        self,
        message: str,
        *,
        error_type: str = "",
        error_message: str = "",
        refused: bool = False,
        status: int | None = None,
    ) -> None:
        super().__init__(message, status=status, detail=f"{error_type}: {error_message}")
        self.error_type = error_type
        self.error_message = error_message
        self.refused = refused


class UnavailableError(SilvaEngineError):
    """AWS refuses work for the moment; the client may come again.

    Args:
        message: public text.
        retry_after: seconds, at least 1, sent as ``Retry-After`` (RFC 9110, section 10.2.3).
        detail: for the log only.
    """

    default_status = 503

    def __init__(self, message: str, *, retry_after: int = 1, detail: str = "") -> None:
        super().__init__(message, headers={"Retry-After": str(retry_after)}, detail=detail)


class DeadlineError(SilvaEngineError):
    """The time that the caller gave is over.

    Args:
        message: public text.
        refused: whether nothing was sent, so that the callee can't have run.
        detail: for the log only.
    """

    default_status = 504

    def __init__(self, message: str, *, refused: bool = False, detail: str = "") -> None:
        super().__init__(message, detail=detail)
        self.refused = refused


class LoopError(SilvaEngineError):
    """Functions called one another too often; 508 is RFC 5842's "Loop Detected"."""

    default_status = 508


class FunctionError(SilvaEngineError):
    """What a user's function raises to answer with a status and a message of its own.

    Args:
        message: public text.
        status_code: HTTP status, 400 to 599.
    """

    def __init__(self, message: str, status_code: int = 500) -> None:
        super().__init__(message, status=status_code)
        self.status_code = status_code
