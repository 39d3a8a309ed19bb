"""What an authorizer is asked, and what it answers."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from silvaengine.errors import RequestError
from silvaengine.registry.model import Function, KeyAccess

type Members = Mapping[str, Any]

NOTHING: Members = {}


class AccessRequest(NamedTuple):
    """A request of either gateway.

    ``event`` is what Lambda handed over, ``context`` its requestContext with ``channel``, ``area`` and
    ``headers``. ``headers`` are by lower-case name. ``method`` is the HTTP method in capitals, empty for a
    socket. ``function`` is None while a socket is being opened. ``body`` is the decoded one, None where the
    event's is to be shown as it came. ``lambda_context`` is Lambda's own.
    """

    event: Members
    context: Members
    headers: Mapping[str, str]
    method: str
    key_access: KeyAccess
    function: Function | None
    body: str | None = None
    lambda_context: object = None


class CallerIdentity(NamedTuple):
    """Who asks. ``claims`` become ``requestContext.authorizer``; ``expires_at`` is in epoch seconds."""

    principal: str
    claims: Members = NOTHING
    expires_at: float | None = None


class Permission(NamedTuple):
    """That a request is allowed: to whom, and the requestContext that the function is shown."""

    principal: str
    context: Members


class Authorizer(Protocol):
    """Decides for one endpoint; every refusal is a SilvaEngineError, and so is every failure."""

    def credential(self, asked: AccessRequest) -> tuple[str, ...] | None:
        """Say under which credential the answer of ``authorize`` may be given again; None for never."""

    def authorize(self, asked: AccessRequest) -> CallerIdentity:
        """Tell who asks."""

    def verify_permission(self, asked: AccessRequest) -> Members:
        """Return the requestContext for the function; ``asked.context`` has the identity's claims."""


def denied(message: str = "Access denied", *, detail: str = "") -> RequestError:
    """Return the refusal of a caller who is known, or whom nobody can help."""
    return RequestError(message, status=403, detail=detail)


def unauthenticated(message: str, challenge: str = "Bearer") -> RequestError:
    """Return the refusal of a caller without valid credentials: RFC 9110, section 15.5.2."""
    return RequestError(message, status=401, headers={"WWW-Authenticate": challenge})
