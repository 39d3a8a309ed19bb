"""Records of event sources as calls: one function, under an id that is the same when it is redelivered."""

import json
from collections.abc import Mapping, Sequence
from os import urandom

from silvaengine.errors import RequestError, SilvaEngineError, UnavailableError
from silvaengine.named_tuple import NamedTuple
from silvaengine.protocol.json_codec import Json
from silvaengine.protocol.trace_context import read_traceparent

type Event = Mapping[str, Json]
type Params = Mapping[str, Json]

# the attributes of a message that names its function
NAMES = ("endpoint_id", "funct", "hops", "traceparent")


class CallIds(NamedTuple):
    """The id of a call, and the trace context of the span that makes it, as its log records have them."""

    request_id: str
    traceparent: str | None


def new_ids(traceparent: str | None) -> CallIds:
    """Return the ids of a call that this span is about to make."""
    return CallIds(urandom(16).hex(), traceparent)


class RecordCall(NamedTuple):
    """One call of one function for one record.

    Args:
        record_id: the source's id of the record, the same at each delivery.
        params: the function's parameters.
        keep_seconds: how long the source can deliver the record again.
        endpoint_id: the tenant.
        function: the function's name.
        hops: how many calls between functions led to it.
        is_swept: whether the ledger's sweeper finishes what a worker left unfinished, because the source
            gives up before the lease ends.
        covers: the last record of a chunk that the call is for.
        traceparent: of the span that makes it; None until that is known.
        batch_item_id: the id by which a function that gets all records of an event in one call names this one
            as failed; None for a call of its own.
    """

    record_id: tuple[str, ...]
    params: Params
    keep_seconds: int
    endpoint_id: str = ""
    function: str = ""
    hops: int = 0
    is_swept: bool = False
    covers: str | None = None
    traceparent: str | None = None
    batch_item_id: str | None = None


class InProgressError(UnavailableError):
    """Another delivery of the same record is being processed, for so many seconds at the most."""

    def __init__(self, seconds: int) -> None:
        super().__init__("This record is already being processed", retry_after=max(1, seconds))
        self.seconds = max(1, seconds)


class BatchItem:
    """A record of an event, its calls, and its failure if it has one.

    Args:
        record: as AWS sent it.
        item_id: by which its source takes it back alone; empty if that takes back whole events.
        group: whose items are served in order, up to the first that has to come again; empty for an
            independent one.
    """

    __slots__ = ("calls", "failure", "group", "id", "record")

    def __init__(self, record: Json, item_id: str = "", group: str = "") -> None:
        self.record = record
        self.id = item_id
        self.group = group
        self.calls: Sequence[RecordCall] = ()
        self.failure: SilvaEngineError | None = None

    def fail(self, error: SilvaEngineError) -> None:
        """Take a failure; of several the first one counts that is not only another delivery in progress."""
        if self.failure is None or isinstance(self.failure, InProgressError):
            self.failure = error

    def comes_again(self, _: SilvaEngineError, /) -> bool:
        """Return whether the source will deliver this item again after a failure."""
        return True


def member(value: Json, *path: str) -> Json:
    """Return the value at a path of members, None where a member is missing."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def text(value: Json, *path: str) -> str:
    """Return the string at a path of members.

    Raises:
        RequestError: it is missing, empty or not a string; the message names the path.
    """
    content = member(value, *path)
    if not isinstance(content, str) or not content:
        raise RequestError(f"Event member {'.'.join(path)} must be a non-empty string")
    return content


def records_of(event: Event) -> list[Json]:
    """Return an event's ``Records``, an empty list where it has none."""
    records = event.get("Records")
    return records if isinstance(records, list) else []


def are_records_of(event: Event, source: str) -> bool:
    """Return whether an event's records come from a source; all records of an event have the same one."""
    if "Records" not in event or not (records := records_of(event)):
        return False
    return (member(records[0], "eventSource") or member(records[0], "EventSource")) == source


def table_of(record: Json) -> str:
    """Return the name of the table that a stream's record is about; raises RequestError as ``text`` does."""
    return text(record, "eventSourceARN").partition(":table/")[2].partition("/")[0]


def read_params(body: Json) -> Params | None:
    """Return the object in a JSON body's ``params``, None where there is none."""
    try:
        params = member(json.loads(str(body)), "params")
    except (ValueError, RecursionError):
        return None
    return params if isinstance(params, dict) else None


def sent_traceparent(value: Json) -> str | None:
    """Return what a message says of its sender's span, None where that isn't valid."""
    return value if isinstance(value, str) and read_traceparent(value) else None


def named_call(call: RecordCall, params: Params | None, names: Json) -> RecordCall:
    """Return the call that a record itself names by ``endpoint_id`` and ``funct``.

    Raises:
        RequestError: the endpoint, the function or the params of its JSON body are missing.
    """
    if params is None:
        raise RequestError('The message body must be a JSON object whose "params" is an object')
    return call._replace(endpoint_id=text(names, "endpoint_id"), function=text(names, "funct"), params=params)
