"""DynamoDB Streams: chunks of records in order; a failure names the first record that is to come again.

docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html: Lambda goes on from there, with
more records or fewer than before. So a chunk is claimed by its first record, and its claim says how far it
went.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from silvaengine.errors import ConfigurationError, SilvaEngineError
from silvaengine.observability.logging import InvocationLog
from silvaengine.protocol.json_codec import encode
from silvaengine_tasks.batch_call import failed_names
from silvaengine_tasks.batches import attempt
from silvaengine_tasks.bindings import Binding, Bindings
from silvaengine_tasks.calls import Caller, deadline_of
from silvaengine_tasks.claims import UnderWayError
from silvaengine_tasks.records import CallRecord, records_of, text

DEFAULT_FUNCTION = "stream_handle"
KEEP_SECONDS = 25 * 3600  # a stream keeps a record for 24 hours
CHUNK_BYTES = 400_000  # as JSON text, which is escaped once more in a payload of at most 1 MB


class StoppedError(SilvaEngineError):
    """A function stopped at a record of its chunk.

    Args:
        position: the record's in the chunk.
        cause: what the function or its call said.
    """

    def __init__(self, position: int, cause: str) -> None:
        super().__init__("A function stopped at a record of the stream", detail=cause)
        self.position = position


class Streams(NamedTuple):
    """Serves the events of tables' streams.

    Args:
        caller: calls functions.
        routes: knows what tables are bound to.
        endpoint_id: whose function serves a table that the registry doesn't mention; None for nobody's.
        sleep: waits for some seconds.
    """

    caller: Caller
    routes: Bindings
    endpoint_id: str | None
    sleep: Callable[[float], None] = time.sleep

    def serve(self, event: Mapping[str, Any], context: Any, line: InvocationLog) -> dict[str, Any]:  # noqa: ANN401 - Lambda's
        """Call the table's functions chunk after chunk; name the first record that failed.

        Raises:
            SilvaEngineError: no function is known for the table, or a record has no number.
        """
        records, deadline = event["Records"], deadline_of(context)
        self.caller.registry.refresh()
        arn = text(records[0], "eventSourceARN")
        routes = self._routes(arn)
        for record in records:
            _number(record)
        line.add(source="dynamodb", records=len(records))
        for chunk in chunks(records):
            stopped = self._chunk(arn, chunk, routes, deadline)
            if stopped < len(chunk):
                return {"batchItemFailures": [{"itemIdentifier": _number(chunk[stopped])}]}
        return {"batchItemFailures": []}

    def _routes(self, arn: str) -> list[Binding]:
        table = arn.partition(":table/")[2].partition("/")[0]
        bound = self.routes.to("table", table)
        if bound:
            return bound
        if self.endpoint_id is None:
            raise ConfigurationError("No function is bound to this table", detail=table)
        return [Binding(self.endpoint_id, DEFAULT_FUNCTION)]

    def _chunk(self, arn: str, chunk: Sequence[Any], routes: Sequence[Binding], deadline: float) -> int:
        """Call each function, up to the record at which one before it stopped; return how far all got."""
        end = len(chunk)
        for route in routes:
            error = attempt(_Part(arn, chunk[:end], route), self._serve, deadline) if end else None
            if error:
                end = error.position if isinstance(error, StoppedError) else 0
        return end

    def _serve(self, part: "_Part", deadline: float) -> None:
        """Call one function until it has had all records of a part; raises StoppedError where it stops."""
        start = 0
        while start < len(part.records):
            rest = part.records[start:]
            try:
                start += self._done(part, rest, deadline)
            except StoppedError as error:
                raise StoppedError(start + error.position, error.detail) from error
            except UnderWayError as error:
                self._wait(error.seconds, deadline)
                raise StoppedError(start, error.message) from error
            except SilvaEngineError as error:
                raise StoppedError(start, f"{error.message} ({error.detail})") from error

    def _done(self, part: "_Part", rest: Sequence[Any], deadline: float) -> int:
        """Call a function with the rest of its records; return how many are done, maybe since long."""
        numbers = [_number(record) for record in rest]
        outcome = self.caller.once(part.call(rest, numbers), deadline)
        if outcome is None:
            return len(rest)
        fresh = outcome.covers == numbers[-1]
        failed = failed_names(outcome.answer, numbers if fresh else None)
        for position, number in enumerate(numbers):
            if number in failed:
                raise StoppedError(position, "the function named it")
        return numbers.index(outcome.covers) + 1 if outcome.covers in numbers else len(rest)

    def _wait(self, seconds: float, deadline: float) -> None:
        """Wait for another delivery's end, where Lambda would use up its retries of the shard meanwhile."""
        self.sleep(max(0.0, min(seconds, deadline - time.time())))


class _Part(NamedTuple):
    """What one function gets of a chunk."""

    arn: str
    records: Sequence[Any]
    route: Binding

    def call(self, records: Sequence[Any], numbers: Sequence[str]) -> CallRecord:
        return CallRecord(
            ("dynamodb", self.arn, numbers[0]),
            self.route.endpoint_id,
            self.route.function,
            {"records": list(records)},
            KEEP_SECONDS,
            covers=numbers[-1],
        )


def is_batch(event: Mapping[str, Any]) -> bool:
    """Return whether an event is a stream's."""
    return records_of(event, "aws:dynamodb") is not None


def chunks(records: Sequence[Any]) -> Iterator[list[Any]]:
    """Split records, in order, so that each chunk fits into a call; one that is too large stands alone."""
    chunk: list[Any] = []
    size = 0
    for record in records:
        added = len(encode(record).encode())
        if chunk and size + added > CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append(record)
        size += added
    yield chunk


def _number(record: Any) -> str:  # noqa: ANN401 - an event's
    return text(record, "dynamodb", "SequenceNumber")
