"""What a function can ask about the call that it serves."""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class FencingToken:
    """What a function makes its effect conditional on, so that it happens once (docs/ledger.md).

    ``effect`` is the same in all attempts of one accepted call and never another call's: an effect that is
    written only where none of that name is happens once. ``number`` grows with each attempt: a write that
    demands the larger number refuses an attempt that was given up and goes on all the same.
    """

    effect: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentInvocation:
    """The running call: its tenant, ids, limits, settings and logger.

    ``deadline`` is in epoch seconds, None without one; ``attempt`` counts from 1. ``job_id`` and
    ``fencing_token`` are None for a call that the ledger doesn't know.
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
