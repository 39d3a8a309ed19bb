"""DynamoDB Streams: chunks of records in order; a failure names the first record of its chunk.

docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html: Lambda goes on from there.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from silvaengine.errors import ConfigurationError, RequestError
from silvaengine.json_text import encode
from silvaengine.registry import Registry
from silvaengine.telemetry import InvocationLog
from silvaengine_tasks.batch import attempt
from silvaengine_tasks.calls import Caller, deadline_of
from silvaengine_tasks.record import Record, records_of, text

SETTING_ID = "dynamodb_stream_config"
DEFAULT_FUNCTION = "stream_handle"
KEEP_SECONDS = 25 * 3600  # a stream keeps a record for 24 hours
CHUNK_BYTES = 400_000  # as JSON text, which is escaped once more in a payload of at most 1 MB


class Streams(NamedTuple):
    """Serves the events of tables' streams.

    Args:
        caller: calls functions.
        endpoint_id: whose function serves a table that the registry doesn't mention; None for nobody's.
    """

    caller: Caller
    endpoint_id: str | None

    def serve(self, event: Mapping[str, Any], context: Any, line: InvocationLog) -> dict[str, Any]:  # noqa: ANN401 - Lambda's
        """Call the table's functions chunk after chunk; name the first record of one that failed.

        Raises:
            SilvaEngineError: no function is known for the table.
        """
        records, deadline = event["Records"], deadline_of(context)
        self.caller.registry.refresh()
        arn = text(records[0], "eventSourceARN")
        targets = self._targets(arn)
        line.fields(source="dynamodb", records=len(records))
        for chunk in chunks(records):
            for endpoint_id, function in targets:
                record = _call(arn, chunk, endpoint_id, function)
                if attempt(record, self.caller.once, deadline):
                    return {"batchItemFailures": [{"itemIdentifier": _number(chunk[0])}]}
        return {"batchItemFailures": []}

    def _targets(self, arn: str) -> list[tuple[str, str]]:
        table = arn.partition(":table/")[2].partition("/")[0]
        listed = _configured(self.caller.registry).get(table)
        if listed:
            return [(text(each, "endpoint_id"), text(each, "funct")) for each in listed]
        if self.endpoint_id is None:
            raise ConfigurationError("No function is bound to this table", detail=table)
        return [(self.endpoint_id, DEFAULT_FUNCTION)]


def is_batch(event: Mapping[str, Any]) -> bool:
    """Whether an event is a stream's."""
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


def _configured(registry: Registry) -> Mapping[str, Any]:
    try:
        return registry.settings(SETTING_ID)
    except ConfigurationError:  # it has no rows
        return {}


def _call(arn: str, chunk: Sequence[Any], endpoint_id: str, function: str) -> Record:
    if not all(isinstance(record, Mapping) for record in chunk):
        raise RequestError("A record of the stream is not an object")
    numbers = (_number(chunk[0]), _number(chunk[-1]))
    return Record(("dynamodb", arn, *numbers), endpoint_id, function, {"records": list(chunk)}, KEEP_SECONDS)


def _number(record: Any) -> str:  # noqa: ANN401 - an event's
    return text(record, "dynamodb", "SequenceNumber")
