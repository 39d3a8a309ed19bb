"""Running an event's records side by side, or one after the other, and collecting which of them failed.

One record's failure is its own: the others run.
"""

import logging
import time
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any

from silvaengine.errors import DeadlineError, InvocationError, SilvaEngineError

SIDE_BY_SIDE = 10  # of one event; an SQS batch has ten by default
LEAST_SECONDS = 1.0  # a call that has less isn't begun: it would only be cut off

_logger = logging.getLogger(__name__)

type Serve = Callable[[Any, float], None]
type Errors = list[SilvaEngineError | None]


def side_by_side(
    records: Sequence[Any], serve: Serve, deadline: float, clock: Callable[[], float] = time.time
) -> Errors:
    """Serve independent records, ten at a time; return each one's failure, None for one that is done."""
    from concurrent.futures import ThreadPoolExecutor  # the sweeper needs none

    with ThreadPoolExecutor(min(SIDE_BY_SIDE, len(records))) as threads:
        served = threads.map(attempt, records, repeat(serve), repeat(deadline), repeat(clock))
        return list(served)


def in_order(
    groups: Sequence[str],
    records: Sequence[Any],
    serve: Serve,
    deadline: float,
    clock: Callable[[], float] = time.time,
) -> Errors:
    """Serve groups side by side and each group's records in order, up to the first that fails."""
    errors: Errors = [None] * len(records)

    def one(positions: Sequence[int], until: float) -> None:
        for position in positions:
            errors[position] = attempt(records[position], serve, until, clock)
            if errors[position]:
                return

    grouped = list(positions_of(groups).values())
    begun = side_by_side(grouped, one, deadline, clock)
    for positions, error in zip(grouped, begun, strict=True):
        errors[positions[0]] = errors[positions[0]] or error
    return with_the_later(groups, errors)


def with_the_later(groups: Sequence[str], errors: Errors) -> Errors:
    """Let each record fail that comes after a failed one of its group."""
    spread = list(errors)
    for positions in positions_of(groups).values():
        failure = None
        for position in positions:
            failure = failure or spread[position]
            spread[position] = failure
    return spread


def positions_of(groups: Sequence[str]) -> dict[str, list[int]]:
    """Return the positions of each group's records, in order."""
    found: dict[str, list[int]] = {}
    for position, group in enumerate(groups):
        found.setdefault(group, []).append(position)
    return found


def attempt(
    record: Any,  # noqa: ANN401 - a source's
    serve: Serve,
    deadline: float,
    clock: Callable[[], float] = time.time,
) -> SilvaEngineError | None:
    """Serve a record if there is time; return its failure, which is logged."""
    if clock() + LEAST_SECONDS > deadline:
        return DeadlineError("There was no time left to start this record")
    try:
        serve(record, deadline)
    except SilvaEngineError as error:
        _logger.error("A record failed: %s (%s)", error.message, error.detail)  # noqa: TRY400 - detail says why
        return error
    except Exception as error:  # a record's door: what it breaks takes no neighbour along
        _logger.exception("A record failed")
        return InvocationError("The record could not be served", error_type=type(error).__name__)
    return None
