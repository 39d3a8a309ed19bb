"""The framework's errors: each has a status, a public message and a private detail."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

type ErrorDetails = Sequence[Mapping[str, str]] | Mapping[str, Any]
"""The faults of a typed function's parameters, or what a function says of its own error."""


class SilvaEngineError(Exception):
    """An error that is reported to the caller.

    Args:
        message: public text; it reaches the client as it is.
        status: HTTP status, 400 to 599; the class's default when absent.
        headers: HTTP headers of the response, such as ``Allow``.
        detail: for the log only; never part of a response.
        fields: what log line and alert say of it beyond the call's own fields.

    ``code`` and ``details`` are public, too: what programs read of it, empty if it says nothing to them.
    """

    default_status: ClassVar[int] = 500
    code: str = ""
    details: ErrorDetails = ()

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        detail: str = "",
        fields: Mapping[str, str | int] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = self.default_status if status is None else status
        self.headers = dict(headers or {})
        self.fields = dict(fields or {})
        self.detail = detail

    @property
    def reason(self) -> str:
        """The message and, where there is one, the detail: for the log only."""
        return f"{self.message} ({self.detail})" if self.detail else self.message


class RequestError(SilvaEngineError):
    """The client's request can't be served as it is (4xx)."""

    default_status = 400


class NotFoundError(RequestError):
    """What the client asked for doesn't exist."""

    default_status = 404


class InvalidArgumentsError(RequestError):
    """The values of a request aren't what the function's signature says.

    Args:
        message: public text.
        details: the faults, public: each with ``in`` (query, path, header or body), ``path`` (a JSON pointer,
            RFC 6901), ``message`` and ``value_type``; nothing of a value.
    """

    default_status = 422
    details: Sequence[Mapping[str, str]]

    def __init__(self, message: str, details: Sequence[Mapping[str, str]]) -> None:
        super().__init__(message)
        self.details = details


class ConfigurationError(SilvaEngineError):
    """The registry, the settings or the deployment is wrong; ``detail`` says how."""


class ConditionFailedError(SilvaEngineError):
    """The condition of a write didn't hold: the row isn't as its writer expected."""

    default_status = 409


class ContextNeededError(SilvaEngineError):
    """A call came without the request's context, which its function takes; nothing of it ran."""

    default_status = 409


class InvocationError(SilvaEngineError):
    """A Lambda was invoked and failed.

    Args:
        message: public text.
        error_type: the Lambda's error class, as Lambda reports it; private.
        detail: the Lambda's message, for the log only; ``error_type`` is put before it.
        status: HTTP status from the Lambda; 502 when absent.
    """

    default_status = 502

    def __init__(
        self, message: str, *, error_type: str = "", detail: str = "", status: int | None = None
    ) -> None:
        super().__init__(message, status=status, detail=f"{error_type}: {detail}" if error_type else detail)
        self.error_type = error_type


class NotStartedError(InvocationError):
    """A Lambda couldn't be invoked, or there was no time left to: nothing of the call ran."""


class UnavailableError(SilvaEngineError):
    """A service that the call needs is throttling or can't be reached; the client may try again.

    Args:
        message: public text.
        retry_after: seconds, at least 1, sent as ``Retry-After`` (RFC 9110, section 10.2.3).
        detail: for the log only.
    """

    default_status = 503

    def __init__(self, message: str, *, retry_after: int = 1, detail: str = "") -> None:
        super().__init__(message, headers={"Retry-After": str(retry_after)}, detail=detail)


class DeadlineError(SilvaEngineError):
    """The call's deadline has passed; it may have run."""

    default_status = 504


class LoopError(SilvaEngineError):
    """Functions called one another too often; 508 is RFC 5842's "Loop Detected"."""

    default_status = 508


class FunctionError(SilvaEngineError):
    """Raised by a function to respond with a status and a message of its own.

    Args:
        message: public text, for people.
        status_code: HTTP status, 400 to 599.
        code: public name of the error, for programs, such as ``out_of_stock``; at most 128 characters.
        details: public members, for programs; their values have a JSON form, of 16 KB at the most.
    """

    details: Mapping[str, Any]

    def __init__(
        self,
        message: str,
        status_code: int = 500,
        *,
        code: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, status=status_code)
        self.status_code = status_code
        self.code = code
        self.details = details or {}


def method_not_allowed(what: str, method: str, methods: Sequence[str]) -> RequestError:
    """Return the refusal, 405, of a method; allowed are ``methods``, HEAD where GET is, and OPTIONS."""
    implied = ["HEAD"] if "GET" in methods and "HEAD" not in methods else []
    allow = ", ".join([*methods, *implied, "OPTIONS"])
    return RequestError(f"{what} does not allow the method {method}", status=405, headers={"Allow": allow})
