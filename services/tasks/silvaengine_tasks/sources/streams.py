"""DynamoDB Streams: chunks of records in order; a failure names the first record that is to come again.

docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html: Lambda goes on from there, with
more records or fewer than before. So a chunk is claimed by its first record, and its claim says how many
records it covers.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from silvaengine.context import LambdaContext
from silvaengine.errors import ConfigurationError, SilvaEngineError
from silvaengine.observability.logging import InvocationLog
from silvaengine.protocol.json_codec import Json, encode
from silvaengine_tasks.batches import BatchResponse, failed_ids
from silvaengine_tasks.bindings import Binding, Bindings
from silvaengine_tasks.calls import CallResult, FunctionCaller, deadline_of
from silvaengine_tasks.claims import InProgressError
from silvaengine_tasks.parallel import attempt
from silvaengine_tasks.records import Event, RecordCall, are_records_of, records_of, text

DEFAULT_FUNCTION = "stream_handle"
KEEP_SECONDS = 25 * 3600  # a stream keeps a record for 24 hours
CHUNK_BYTES = 400_000  # as JSON text, which is escaped once more in a payload of at most 1 MB


class StoppedError(SilvaEngineError):
    """A function stopped at a record of its chunk.

    Args:
        position: of the record in the chunk.
        cause: the message of the function or its call.
    """

    def __init__(self, position: int, cause: str) -> None:
        super().__init__("A function stopped at a record of the stream", detail=cause)
        self.position = position


class StreamSource(NamedTuple):
    """Records of tables' streams.

    Args:
        functions: calls functions.
        bindings: of tables.
        endpoint_id: the tenant with the function for unbound tables; None for none.
        sleep: waits for some seconds.
    """

    functions: FunctionCaller
    bindings: Bindings
    endpoint_id: str | None
    sleep: Callable[[float], None] = time.sleep

    @staticmethod
    def matches(event: Event) -> bool:
        """Return whether an event is from a stream."""
        return are_records_of(event, "aws:dynamodb")

    def serve(self, event: Event, context: LambdaContext, log: InvocationLog) -> BatchResponse:
        """Call the table's functions chunk after chunk; return the number of the first record that failed.

        Raises:
            SilvaEngineError: the table has no function, or a record has no sequence number.
        """
        records, deadline = records_of(event), deadline_of(context)
        self.functions.registry.refresh()
        arn = text(records[0], "eventSourceARN")
        bindings = self._find_bindings(arn)
        for record in records:
            _sequence_number(record)
        log.add(source="dynamodb", records=len(records))
        for chunk in split_chunks(records):
            done = self._serve_chunk(arn, chunk, bindings, deadline)
            if done < len(chunk):
                return {"batchItemFailures": [{"itemIdentifier": _sequence_number(chunk[done])}]}
        return {"batchItemFailures": []}

    def _find_bindings(self, arn: str) -> list[Binding]:
        table = arn.partition(":table/")[2].partition("/")[0]
        bindings = self.bindings.find("table", table)
        if bindings:
            return bindings
        if self.endpoint_id is None:
            raise ConfigurationError("No function is bound to this table", detail=table)
        return [Binding(self.endpoint_id, DEFAULT_FUNCTION)]

    def _serve_chunk(
        self, arn: str, chunk: Sequence[Json], bindings: Sequence[Binding], deadline: float
    ) -> int:
        """Call each function up to the record at which an earlier one stopped; return how many all did."""
        end = len(chunk)
        for binding in bindings:
            error = attempt(_Part(arn, chunk[:end], binding), self._serve_part, deadline) if end else None
            if error:
                end = error.position if isinstance(error, StoppedError) else 0
        return end

    def _serve_part(self, part: "_Part", deadline: float) -> None:
        """Call one function until it has all records of a part; raises StoppedError where it stops."""
        start = 0
        while start < len(part.records):
            rest = part.records[start:]
            try:
                start += self._call(part, rest, deadline)
            except StoppedError as error:
                raise StoppedError(start + error.position, error.detail) from error
            except InProgressError as error:
                self._wait(error.seconds, deadline)
                raise StoppedError(start, error.message) from error
            except SilvaEngineError as error:
                raise StoppedError(start, f"{error.message} ({error.detail})") from error

    def _call(self, part: "_Part", rest: Sequence[Json], deadline: float) -> int:
        """Call a function with the rest of its records; return how many are done, by this call or before."""
        numbers = [_sequence_number(record) for record in rest]
        result = self.functions.call_once(part.call(rest, numbers), deadline)
        if result is None:
            return len(rest)
        try:
            _check_response(result, numbers)
        except SilvaEngineError as error:
            self.functions.report(part.binding.endpoint_id, part.binding.function, error, result.request_id)
            raise
        return numbers.index(result.covers) + 1 if result.covers in numbers else len(rest)

    def _wait(self, seconds: float, deadline: float) -> None:
        """Wait until the delivery in progress ends, where Lambda would use up its retries of the shard."""
        self.sleep(max(0.0, min(seconds, deadline - time.time())))


class _Part(NamedTuple):
    """The records of a chunk that one function gets."""

    arn: str
    records: Sequence[Json]
    binding: Binding

    def call(self, records: Sequence[Json], numbers: Sequence[str]) -> RecordCall:
        return RecordCall(
            ("dynamodb", self.arn, numbers[0]),
            self.binding.endpoint_id,
            self.binding.function,
            {"records": list(records)},
            KEEP_SECONDS,
            covers=numbers[-1],
        )


def split_chunks(records: Sequence[Json]) -> Iterator[list[Json]]:
    """Yield records in chunks, in order, that fit into a call each; one that is too large stands alone."""
    chunk: list[Json] = []
    size = 0
    for record in records:
        record_size = len(encode(record).encode())
        if chunk and size + record_size > CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append(record)
        size += record_size
    yield chunk


def _check_response(result: CallResult, numbers: Sequence[str]) -> None:
    """Raise StoppedError at the first of these records that a function's response names as failed."""
    is_whole = result.covers == numbers[-1]
    failed = failed_ids(result.response, numbers if is_whole else None)
    for position, number in enumerate(numbers):
        if number in failed:
            raise StoppedError(position, "the function reported it as failed")


def _sequence_number(record: Json) -> str:
    return text(record, "dynamodb", "SequenceNumber")
