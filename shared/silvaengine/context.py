"""The running call, for the functions that serve it."""

import logging
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from threading import Lock, current_thread, main_thread
from typing import Any, Protocol

from silvaengine.named_tuple import NamedTuple


class LambdaContext(Protocol):
    """Lambda's context object: docs.aws.amazon.com/lambda/latest/dg/python-context.html."""

    aws_request_id: str
    function_name: str
    invoked_function_arn: str

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until Lambda ends the invocation."""


class FencingToken(NamedTuple):
    """A condition for a function's effect, so that it happens once (docs/ledger.md).

    ``effect`` is the same in all attempts of one accepted call and in no other call: an effect that is
    written only if none of that name exists happens once. ``number`` grows with each attempt: a write that
    requires a larger number refuses an abandoned attempt that is still running.
    """

    effect: str
    number: int


class ClientChannel(Protocol):
    """Pushes to clients that are connected by a WebSocket.

    ``data`` is text, sent as it is, or a value, sent as JSON; at most 128 KB. ``id`` is the connection of the
    call, None for a call that didn't come over a WebSocket. See docs/websocket.md.
    """

    id: str | None

    def send(self, data: object, *, to: str | None = None) -> None:
        """Push to the caller, or ``to`` another connection of the same tenant.

        Raises:
            NotFoundError: the client is gone, or isn't the tenant's.
            SilvaEngineError: the message can't or may not be sent.
        """

    def broadcast(
        self,
        data: object,
        *,
        area: str | None = None,
        where: Mapping[str, str] | None = None,
    ) -> Mapping[str, int]:
        """Push to all of the tenant's connections; return the numbers of those sent to, gone and failed.

        Args:
            data: text, or a value.
            area: push only to connections of this area.
            where: push only to connections with all of these members in their authorizer's context.

        Raises:
            SilvaEngineError: the function may not broadcast (it needs ``broadcasts: true`` in the registry).
        """


class CurrentInvocation(NamedTuple):
    """The running call: its tenant, ids, limits, settings and logger.

    ``deadline`` is in epoch seconds, None without one; ``attempt`` counts from 1. ``job_id`` and
    ``fencing_token`` are None for a call without a row in the ledger. ``hops`` is the number of calls between
    functions that led here. ``connection`` pushes to connected clients; None without a WebSocket API.
    ``traceparent`` is for requests that the function sends to others (www.w3.org/TR/trace-context/); None in
    a function's own tests. ``look_for_end`` says whether the call's outcome is still wanted.
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
    traceparent: str | None = None
    look_for_end: Callable[[], bool] | None = None

    @property
    def cancelled(self) -> bool:
        """Whether a job's outcome will be discarded: its caller has cancelled it, or another attempt has it.

        A function that runs long may ask and end early. The ledger is asked once in a second at the most, by
        a write; while it can't be reached, and for a call without a row in it, the answer is False.
        """
        return self.look_for_end is not None and self.look_for_end()

    def remaining_seconds(self) -> float:
        """Return the seconds to the deadline: infinite without one, never negative."""
        return float("inf") if self.deadline is None else max(0.0, self.deadline - time.time())


tenant: ContextVar[str] = ContextVar("silvaengine_tenant", default="-")
"""The tenant of the running call, ``-`` outside of one; it keeps the tenants' cached values apart."""

METERS = 16  # of one call, since each is a part of its log line
METER_NAME = 64  # characters
METER_LIMIT = 2**53  # beyond it JSON's numbers are no longer exact: RFC 8259, section 6

read_from: set[str] = set()
"""Where the running invocation found what wasn't in this instance's memory, for its log line.

The registry's rows are from ``dynamodb`` or ``redis``, cached values from ``redis`` or ``disk``; ``function``
says that a cached function ran, since no tier had its value.
"""

_start_callbacks: list[Callable[[], None]] = []
_running_calls = 0

_current: ContextVar[tuple[CurrentInvocation, dict[str, float]]] = ContextVar(
    "silvaengine_current_invocation"
)
"""The running call and its meters."""

_metering = Lock()


def current_invocation() -> CurrentInvocation:
    """Return the running call.

    Raises:
        LookupError: no call is running.
    """
    try:
        return _current.get()[0]
    except LookupError:
        raise LookupError("current_invocation() works only while the worker calls a function") from None


def meter(name: str, amount: float = 1) -> None:
    """Count what the running call used, such as ``meter("tokens", 512)``, for its tenant's usage.

    It costs no request: the amounts are part of the worker's log line, whatever becomes of the call, and each
    attempt of a job has its own. It works in threads that have the call's context.

    Args:
        name: 1 to 64 letters, digits and underscores, no digit first; a call has at most 16 names.
        amount: from 0 on; a call's sum is at most 2**53.

    Raises:
        ValueError: name or amount; the message says which, and what was expected.
        LookupError: no call is running.
    """
    try:
        meters = _current.get()[1]
    except LookupError:
        raise LookupError("meter() works only while the worker calls a function") from None
    if not (isinstance(name, str) and len(name) <= METER_NAME and name.isascii() and name.isidentifier()):
        expected = f"1 to {METER_NAME} letters, digits and underscores, no digit first"
        raise ValueError(f"name: expected {expected}, found {name!r:.100}")
    if isinstance(amount, bool) or not isinstance(amount, int | float) or not 0 <= amount <= METER_LIMIT:
        raise ValueError(f"amount: expected a number from 0 to 2**53, found {amount!r:.100}")
    with _metering:
        total = meters.get(name, 0) + amount
        if total > METER_LIMIT:
            raise ValueError(f"amount: expected a sum in the call of at most 2**53, found {total} {name}")
        if name not in meters and len(meters) == METERS:
            raise ValueError(f"name: expected at most {METERS} in a call, found {name!r} as one more")
        meters[name] = total


def begin_call(current: CurrentInvocation, meters: dict[str, float]) -> None:
    """Make ``current`` the running call of this context, until ``end_call``; for the worker only.

    It gives each call a context of its own. ``meters`` gets what the call counts by ``meter``.
    """
    global _running_calls  # noqa: PLW0603 - one process serves one call at a time
    _running_calls += 1
    _current.set((current, meters))
    tenant.set(current.endpoint_id)
    for callback in _start_callbacks:
        callback()


def end_call() -> None:
    """End the call that was begun last."""
    global _running_calls  # noqa: PLW0603 - likewise
    _running_calls -= 1


def is_foreign_thread() -> bool:
    """Return whether a call is running and this thread lacks its context, and so its tenant.

    A new thread starts with an empty context: docs.python.org/3.13/library/contextvars.html.
    """
    return _running_calls > 0 and tenant.get() == "-" and current_thread() is not main_thread()


def on_call_start(callback: Callable[[], None]) -> None:
    """Call ``callback`` at the beginning of each call: the Lambda may have been frozen since the last."""
    _start_callbacks.append(callback)
