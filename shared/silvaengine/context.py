"""What a function can ask about the call that it serves."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from threading import current_thread, main_thread
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentInvocation:
    """The running call: its tenant, ids, limits, settings and logger.

    ``deadline`` is in epoch seconds, None without one; ``attempt`` counts from 1.
    """

    request_id: str
    endpoint_id: str
    area: str
    function: str
    deadline: float | None
    attempt: int
    settings: Mapping[str, Any]
    logger: logging.Logger

    def remaining_seconds(self) -> float:
        """How long the function may go on; infinite without a deadline, never negative."""
        return float("inf") if self.deadline is None else max(0.0, self.deadline - time.time())


tenant: ContextVar[str] = ContextVar("silvaengine_tenant", default="-")
"""The tenant of the running call, ``-`` outside of one: what keeps the tenants' cached values apart."""

_starts: list[Callable[[], None]] = []
_serving = 0

_current: ContextVar[CurrentInvocation] = ContextVar("silvaengine_current_invocation")


def current_invocation() -> CurrentInvocation:
    """Give the running call.

    Raises:
        LookupError: no function is being called.
    """
    try:
        return _current.get()
    except LookupError:
        raise LookupError("current_invocation() works only while the worker calls a function") from None


@contextmanager
def bind(current: CurrentInvocation) -> Iterator[None]:
    """Make ``current`` the running call; for the worker only."""
    global _serving  # noqa: PLW0603 - one process serves one call at a time
    _serving += 1
    tokens = _current.set(current), tenant.set(current.endpoint_id)
    for callback in _starts:
        callback()
    try:
        yield
    finally:
        _serving -= 1
        _current.reset(tokens[0])
        tenant.reset(tokens[1])


def is_elsewhere() -> bool:
    """Tell whether this is a thread that doesn't carry the context of the call that is being served.

    A new thread starts with an empty context (docs.python.org/3.13/library/contextvars.html), so that its
    tenant isn't known.
    """
    return _serving > 0 and tenant.get() == "-" and current_thread() is not main_thread()


def at_start(callback: Callable[[], None]) -> None:
    """Have ``callback`` run whenever a call begins: a Lambda may have been frozen in between."""
    _starts.append(callback)
