"""The records of an event, each on the way to its functions: what fails is one record's own failure."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from silvaengine.errors import InvocationError
from silvaengine.observability.logging import InvocationLog
from silvaengine_tasks.batch_call import BatchCall
from silvaengine_tasks.batches import Errors, Serve, side_by_side
from silvaengine_tasks.calls import Caller, deadline_of
from silvaengine_tasks.records import CallRecord

type Read = Callable[[Any], Sequence[CallRecord]]
type Run = Callable[[Sequence[Any], Serve, float], Errors]


def serve_whole(
    caller: Caller,
    source: str,
    raws: Sequence[Any],
    read: Read,
    context: Any,  # noqa: ANN401 - Lambda's
    line: InvocationLog,
) -> None:
    """Serve the records of a source whose event Lambda sends again as a whole, and then keeps.

    What was done isn't run again then, since the ledger knows it.

    Args:
        caller: calls functions.
        source: its name in the log line.
        raws: records as AWS sent them.
        read: returns the calls that a record means, or raises why there are none.
        context: Lambda's.
        line: tells of the invocation.

    Raises:
        InvocationError: some records failed; with the first cause.
    """
    caller.registry.refresh()
    errors = serve_records(caller, raws, read, deadline_of(context))
    failures = [error for error in errors if error]
    line.add(source=source, records=len(raws), failed=len(failures))
    if failures:
        message = f"{len(failures)} of {len(errors)} records failed; the first: {failures[0].message}"
        raise InvocationError(message, detail=failures[0].detail)


def serve_records(
    caller: Caller, raws: Sequence[Any], read: Read, deadline: float, run: Run = side_by_side
) -> Errors:
    """Make the calls of each record, then those that functions want for all records together.

    Args:
        caller: calls functions.
        raws: records as AWS sent them.
        read: returns the calls that a record means, or raises why there are none.
        deadline: epoch seconds at which the caller's time is over.
        run: serves the records, in an order of its own.

    Returns:
        Each record's failure, None for one that is done.
    """
    calls: list[Sequence[CallRecord]] = [()] * len(raws)

    def one(position: int, until: float) -> None:
        def own() -> list[CallRecord]:
            calls[position] = read(raws[position])
            return [call for call in calls[position] if call.batch_name is None]

        caller.each(own, until)

    errors = run(range(len(raws)), one, deadline)
    for positions, records in _batches(calls):
        failed = BatchCall(caller).call(records, deadline)
        for position, error in zip(positions, failed, strict=True):
            errors[position] = errors[position] or error
    return errors


def _batches(calls: Sequence[Sequence[CallRecord]]) -> Iterator[tuple[list[int], list[CallRecord]]]:
    """Give, for each function that wants them together, its records and their positions."""
    found: dict[tuple[str, str], tuple[list[int], list[CallRecord]]] = {}
    for position, records in enumerate(calls):
        for record in records:
            if record.batch_name is not None:
                positions, batch = found.setdefault((record.endpoint_id, record.function), ([], []))
                positions.append(position)
                batch.append(record)
    yield from found.values()
