"""DynamoDB Streams: chunks of records in order; a failure names the first record that is to come again.

docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html: Lambda goes on from there, with
more records or fewer than before. So a chunk is claimed by its first record, and its claim says how many
records it covers.
"""

import time
from collections.abc import Callable, Iterator, Sequence

from silvaengine.context import LambdaContext
from silvaengine.errors import ConfigurationError, SilvaEngineError
from silvaengine.observability.logging import InvocationLog
from silvaengine.protocol.json_codec import Json, encode
from silvaengine_tasks.batches import failed_ids
from silvaengine_tasks.bindings import Binding, Bindings
from silvaengine_tasks.calls import CallResult, FunctionCaller
from silvaengine_tasks.records import (
    Event,
    InProgressError,
    RecordCall,
    are_records_of,
    records_of,
    table_of,
    text,
)
from silvaengine_tasks.sources import BatchResponse, deadline_of

DEFAULT_FUNCTION = "stream_handle"
KEEP_SECONDS = 25 * 3600  # a stream keeps a record for 24 hours
CHUNK_BYTES = 400_000  # as JSON text, which is escaped once more in a payload of at most 1 MB


class StoppedError(SilvaEngineError):
    """A function said that it stopped at the record in this position of those that it got."""

    def __init__(self, position: int) -> None:
        cause = "the function reported it as failed"
        super().__init__("A function stopped at a record of the stream", detail=cause)
        self.position = position


class StreamSource:
    """Records of tables' streams; ``endpoint_id`` is the tenant with the function for unbound tables."""

    def __init__(
        self,
        functions: FunctionCaller,
        bindings: Bindings,
        endpoint_id: str | None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._functions = functions
        self._bindings = bindings
        self._endpoint_id = endpoint_id
        self._sleep = sleep

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
        self._functions.registry.refresh()
        arn = text(records[0], "eventSourceARN")
        bindings = self._find_bindings(table_of(records[0]))
        numbers = [_sequence_number(record) for record in records]
        log.add(source="dynamodb", records=len(records))
        done = 0
        for chunk in split_chunks(records):
            end = len(chunk)
            for binding in bindings:  # each goes no further than those before it
                end = self._serve_chunk(arn, chunk[:end], binding, deadline, log.traceparent)
            done += end
            if end < len(chunk):
                break
        return {"batchItemFailures": [{"itemIdentifier": number} for number in numbers[done : done + 1]]}

    def _find_bindings(self, table: str) -> list[Binding]:
        bindings = self._bindings.find("table", table)
        if bindings:
            return bindings
        if self._endpoint_id is None:
            raise ConfigurationError("No function is bound to this table", detail=table)
        return [Binding(self._endpoint_id, DEFAULT_FUNCTION)]

    def _serve_chunk(
        self, arn: str, chunk: Sequence[Json], binding: Binding, deadline: float, traceparent: str
    ) -> int:
        """Call one function until it has all records of a chunk; return how many it has done."""
        done = 0
        while done < len(chunk):
            try:
                done += self._call(arn, chunk[done:], binding, deadline, traceparent)
            except StoppedError as error:
                return done + error.position
            except InProgressError as error:  # Lambda would use up its retries of the shard
                self._sleep(max(0.0, min(error.seconds, deadline - time.time())))
                return done
            except SilvaEngineError:
                return done
        return done

    def _call(
        self, arn: str, records: Sequence[Json], binding: Binding, deadline: float, traceparent: str
    ) -> int:
        """Call a function with records; return how many are done, by this call or before."""
        numbers = [_sequence_number(record) for record in records]
        call = RecordCall(
            ("dynamodb", arn, numbers[0]),
            {"records": records},
            KEEP_SECONDS,
            binding.endpoint_id,
            binding.function,
            covers=numbers[-1],
            traceparent=traceparent,
        )
        result = self._functions.call(call, deadline)
        if result is None:
            return len(records)
        try:
            _check_response(result, numbers)
        except SilvaEngineError as error:
            self._functions.report(binding.endpoint_id, binding.function, error, result.ids)
            raise
        return numbers.index(result.covers) + 1 if result.covers in numbers else len(records)


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
            raise StoppedError(position)


def _sequence_number(record: Json) -> str:
    return text(record, "dynamodb", "SequenceNumber")
