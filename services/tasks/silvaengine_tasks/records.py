"""What every source's records become: one call of one function, under an id that a redelivery has too."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from silvaengine.errors import RequestError

DAY = 86_400


class CallRecord(NamedTuple):
    """One call.

    Args:
        id: what the source calls the record, the same at each delivery.
        endpoint_id: the tenant.
        function: the function's name.
        params: what it is called with.
        keep_seconds: how long the source can deliver it again.
        hops: how many calls between functions led to it.
        swept: whether the ledger's sweeper goes on with what a worker left unfinished, because the source
            gives up sooner than the lease ends.
        covers: the last of the records that it stands for, where it stands for several.
        batch_name: the id by which a function that gets all records of an event in one call says that this
            one failed; None for a call of its own.
    """

    id: tuple[str, ...]
    endpoint_id: str
    function: str
    params: Mapping[str, Any]
    keep_seconds: int
    hops: int = 0
    swept: bool = False
    covers: str | None = None
    batch_name: str | None = None


def member(value: Any, *path: str) -> Any:  # noqa: ANN401 - an event holds anything
    """Return what lies at a path of members; None where one isn't there."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def text(value: Any, *path: str) -> str:  # noqa: ANN401 - the same
    """Return the text at a path of members.

    Raises:
        RequestError: there is none, or it is empty; the message names it.
    """
    found = member(value, *path)
    if not isinstance(found, str) or not found:
        raise RequestError(f"The event has no text in {'.'.join(path)}")
    return found


def records_of(event: Mapping[str, Any], source: str) -> list[Any] | None:
    """Return an event's records when they are of this source, None otherwise; one event has one source."""
    records = event.get("Records")
    if not isinstance(records, list) or not records:
        return None
    first = records[0]
    named = member(first, "eventSource") or member(first, "EventSource")
    return records if named == source else None
