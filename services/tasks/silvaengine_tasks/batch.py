"""Running an event's records side by side, or one after the other, and collecting which of them failed.

One record's failure is its own: the others run.
"""

import logging
import time
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any

from silvaengine.errors import DeadlineError, SilvaEngineError

SIDE_BY_SIDE = 10  # of one event; an SQS batch has ten by default
LEAST_SECONDS = 1.0  # a call that has less isn't begun: it would only be cut off

_logger = logging.getLogger(__name__)

type Serve = Callable[[Any, float], None]


def side_by_side(
    records: Sequence[Any], serve: Serve, deadline: float, clock: Callable[[], float] = time.time
) -> list[SilvaEngineError | None]:
    """Serve independent records, ten at a time; give each one's failure, None for one that is done."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - the sweeper needs none

    with ThreadPoolExecutor(min(SIDE_BY_SIDE, len(records))) as threads:
        served = threads.map(attempt, records, repeat(serve), repeat(deadline), repeat(clock))
        return list(served)


def attempt(
    record: Any,  # noqa: ANN401 - a source's
    serve: Serve,
    deadline: float,
    clock: Callable[[], float] = time.time,
) -> SilvaEngineError | None:
    """Serve a record if there is time; give its failure, which is logged."""
    try:
        if clock() + LEAST_SECONDS > deadline:
            raise DeadlineError("There was no time left to start this record")
        serve(record, deadline)
    except SilvaEngineError as error:
        _logger.error("A record failed: %s (%s)", error.message, error.detail)  # noqa: TRY400 - detail says why
        return error
    return None
