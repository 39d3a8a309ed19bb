"""Running an event's records side by side or one after the other, and collecting which of them failed.

A failure is its own record's: the others still run.
"""

import logging
import time
from collections.abc import Callable, Sequence
from itertools import repeat

from silvaengine.errors import DeadlineError, InvocationError, SilvaEngineError

SIDE_BY_SIDE = 10  # threads for one event; an SQS batch has ten messages by default
MIN_SECONDS = 1.0  # a call with less time left isn't started: it would only be cut off

_logger = logging.getLogger(__name__)

type Errors = list[SilvaEngineError | None]
"""Each record's failure, None for one that is done."""


def side_by_side[T](
    items: Sequence[T],
    run: Callable[[T, float], None],
    deadline: float,
    clock: Callable[[], float] = time.time,
) -> Errors:
    """Run independent items, ten at a time."""
    from concurrent.futures import ThreadPoolExecutor  # lazy: only records need it

    with ThreadPoolExecutor(min(SIDE_BY_SIDE, len(items))) as threads:
        return list(threads.map(attempt, items, repeat(run), repeat(deadline), repeat(clock)))


def in_order[T](
    groups: Sequence[str],
    items: Sequence[T],
    run: Callable[[T, float], None],
    deadline: float,
    clock: Callable[[], float] = time.time,
) -> Errors:
    """Run groups side by side and the items of each group in order, up to its first failure."""
    errors: Errors = [None] * len(items)

    def run_group(positions: Sequence[int], until: float) -> None:
        for position in positions:
            errors[position] = attempt(items[position], run, until, clock)
            if errors[position]:
                return

    members = list(_positions(groups).values())
    not_started = side_by_side(members, run_group, deadline, clock)
    for positions, error in zip(members, not_started, strict=True):
        errors[positions[0]] = errors[positions[0]] or error
    return fail_successors(groups, errors)


def fail_successors(groups: Sequence[str], errors: Errors) -> Errors:
    """Return the errors with each group's first failure repeated for all later items of the group."""
    spread = list(errors)
    for positions in _positions(groups).values():
        failure = None
        for position in positions:
            failure = failure or spread[position]
            spread[position] = failure
    return spread


def _positions(groups: Sequence[str]) -> dict[str, list[int]]:
    """Return the positions of each group's items, in order."""
    positions: dict[str, list[int]] = {}
    for position, group in enumerate(groups):
        positions.setdefault(group, []).append(position)
    return positions


def attempt[T](
    item: T, run: Callable[[T, float], None], deadline: float, clock: Callable[[], float] = time.time
) -> SilvaEngineError | None:
    """Run an item if there is time; return its failure, which the call has logged under its request id."""
    if clock() + MIN_SECONDS > deadline:
        late = DeadlineError("There was no time left to start this record")
        _logger.error("A record failed: %s", late.message)
        return late
    try:
        run(item, deadline)
    except SilvaEngineError as error:
        return error
    except Exception as error:  # boundary of a record: its failure must not stop the others
        _logger.exception("A record failed")
        return unexpected_failure(error)
    return None


def unexpected_failure(error: Exception) -> SilvaEngineError:
    """Return the failure of a record whose cause no code expected, and which is in the log."""
    return InvocationError("The record could not be processed", error_type=type(error).__name__)
