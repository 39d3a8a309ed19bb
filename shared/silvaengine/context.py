"""What a function can ask about the call that it serves."""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
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
    token = _current.set(current)
    try:
        yield
    finally:
        _current.reset(token)
