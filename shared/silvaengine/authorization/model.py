"""What an authorizer is asked, and what it returns."""

from collections.abc import Mapping
from typing import Any, Protocol

from silvaengine.errors import ConfigurationError, RequestError
from silvaengine.named_tuple import NamedTuple
from silvaengine.registry.model import Function, KeyAccess

type Members = Mapping[str, Any]

NOTHING: Members = {}


class AccessRequest(NamedTuple):
    """A request of either gateway.

    ``event`` is Lambda's, ``context`` its requestContext with ``channel``, ``area`` and ``headers``.
    ``headers`` are by lower-case name. ``method`` is the HTTP method in capitals, empty for a socket.
    ``function`` is None for a handshake. ``body`` is the decoded one, None to show the event's unchanged.
    ``lambda_context`` is Lambda's own.
    """

    event: Members
    context: Members
    key_access: KeyAccess
    function: Function | None = None
    headers: Mapping[str, str] = NOTHING
    method: str = ""
    body: str | None = None
    lambda_context: object = None


class CallerIdentity(NamedTuple):
    """The caller. ``claims`` become ``requestContext.authorizer``; ``expires_at`` is in epoch seconds."""

    principal: str
    claims: Members = NOTHING
    expires_at: float | None = None


class Permission(NamedTuple):
    """An allowed request's principal, and the requestContext for the function."""

    principal: str
    context: Members


class Authorizer(Protocol):
    """An endpoint's authorizer. Every refusal and every failure is a SilvaEngineError."""

    def credential(self, request: AccessRequest) -> tuple[str, ...] | None:
        """Return the key under which the result of ``authorize`` may be cached; None for never."""

    def authorize(self, request: AccessRequest) -> CallerIdentity:
        """Return the caller's identity."""

    def verify_permission(self, request: AccessRequest) -> Members:
        """Return the requestContext for the function; ``request.context`` has the identity's claims."""


def denied(message: str = "Access denied", *, detail: str = "") -> RequestError:
    """Return the refusal, 403, of a caller whom other credentials wouldn't help."""
    return RequestError(message, status=403, detail=detail)


def unauthenticated(message: str, challenge: str = "Bearer", detail: str = "") -> RequestError:
    """Return the refusal, 401, of a caller without valid credentials: RFC 9110, section 15.5.2."""
    return RequestError(message, status=401, headers={"WWW-Authenticate": challenge}, detail=detail)


def misconfigured(detail: str) -> ConfigurationError:
    """Return the error of an authorizer that can't be asked; ``detail`` says what its settings lack."""
    return ConfigurationError("The authorizer is misconfigured", detail=detail)


def requested_arn(event: Members) -> str:
    """Return the ARN for which an authorizer call asks a policy; empty for any other event."""
    return str(event.get("methodArn") or event.get("routeArn") or "")
