"""What a function can ask about the call that it serves."""

import logging
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from threading import current_thread, main_thread
from typing import Any, NamedTuple, Protocol


class LambdaContext(Protocol):
    """What Lambda hands to a handler: docs.aws.amazon.com/lambda/latest/dg/python-context.html."""

    aws_request_id: str
    function_name: str
    invoked_function_arn: str

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until Lambda ends the invocation."""


class FencingToken(NamedTuple):
    """What a function makes its effect conditional on, so that it happens once (docs/ledger.md).

    ``effect`` is the same in all attempts of one accepted call and never another call's: an effect that is
    written only where none of that name is happens once. ``number`` grows with each attempt: a write that
    demands the larger number refuses an attempt that was given up and goes on all the same.
    """

    effect: str
    number: int


class ClientChannel(Protocol):
    """The way to clients that are connected by a WebSocket.

    ``data`` is text, sent as it is, or a value, sent as JSON; at most 128 KB. ``id`` is the connection that
    the call came by, None for a call that came another way. See docs/websocket.md.
    """

    id: str | None

    def send(self, data: Any, *, to: str | None = None) -> None:  # noqa: ANN401 - any value
        """Push to the caller, or ``to`` another connection of the same tenant.

        Raises:
            NotFoundError: the client is gone, or no connection of the tenant's.
            SilvaEngineError: it could not be sent, or may not be.
        """

    def broadcast(
        self,
        data: Any,  # noqa: ANN401 - any value
        *,
        area: str | None = None,
        where: Mapping[str, str] | None = None,
    ) -> Mapping[str, int]:
        """Push to all of the tenant's connections; return how many got it, are gone, and failed.

        Args:
            data: see above.
            area: only connections of this area.
            where: only connections about which the authorizer said all of this.

        Raises:
            SilvaEngineError: the function may not broadcast (``broadcasts: true`` in the registry lets it).
        """


class CurrentInvocation(NamedTuple):
    """The running call: its tenant, ids, limits, settings and logger.

    ``deadline`` is in epoch seconds, None without one; ``attempt`` counts from 1. ``job_id`` and
    ``fencing_token`` are None for a call that the ledger doesn't know. ``hops`` is how many calls between
    functions led here. ``connection`` leads to clients that are connected; None where the deployment has no
    WebSocket API.
    """

    request_id: str
    endpoint_id: str
    area: str
    function: str
    deadline: float | None
    attempt: int
    settings: Mapping[str, Any]
    logger: logging.Logger
    job_id: str | None = None
    fencing_token: FencingToken | None = None
    hops: int = 0
    connection: ClientChannel | None = None

    def remaining_seconds(self) -> float:
        """How long the function may go on; infinite without a deadline, never negative."""
        return float("inf") if self.deadline is None else max(0.0, self.deadline - time.time())


tenant: ContextVar[str] = ContextVar("silvaengine_tenant", default="-")
"""The tenant of the running call, ``-`` outside of one: what keeps the tenants' cached values apart."""

_starts: list[Callable[[], None]] = []
_serving = 0

_current: ContextVar[CurrentInvocation] = ContextVar("silvaengine_current_invocation")


def current_invocation() -> CurrentInvocation:
    """Return the running call.

    Raises:
        LookupError: no function is being called.
    """
    try:
        return _current.get()
    except LookupError:
        raise LookupError("current_invocation() works only while the worker calls a function") from None


class bind:  # noqa: N801 - a context manager, called like a function
    """Make ``current`` the running call for a block; for the worker only."""

    __slots__ = ("_current", "_tokens")

    def __init__(self, current: CurrentInvocation) -> None:
        self._current = current

    def __enter__(self) -> None:
        """Begin the call."""
        global _serving  # noqa: PLW0603 - one process serves one call at a time
        _serving += 1
        self._tokens = _current.set(self._current), tenant.set(self._current.endpoint_id)
        for callback in _starts:
            callback()

    def __exit__(self, *_: object) -> None:
        """End it."""
        global _serving  # noqa: PLW0603 - likewise
        _serving -= 1
        _current.reset(self._tokens[0])
        tenant.reset(self._tokens[1])


def is_elsewhere() -> bool:
    """Return whether this is a thread that doesn't carry the context of the call that is being served.

    A new thread starts with an empty context (docs.python.org/3.13/library/contextvars.html), so that its
    tenant isn't known.
    """
    return _serving > 0 and tenant.get() == "-" and current_thread() is not main_thread()


def at_start(callback: Callable[[], None]) -> None:
    """Have ``callback`` run whenever a call begins: a Lambda may have been frozen in between."""
    _starts.append(callback)
