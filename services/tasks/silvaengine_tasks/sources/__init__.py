"""The sources of events, one module each: which events are its own, how they become calls."""

import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol

from silvaengine.context import LambdaContext
from silvaengine.errors import InvocationError, RequestError, SilvaEngineError
from silvaengine.observability.logging import InvocationLog
from silvaengine.protocol.trace_context import read_traceparent
from silvaengine_tasks.batches import batch_calls, in_groups, side_by_side
from silvaengine_tasks.bindings import Bindings
from silvaengine_tasks.calls import FunctionCaller
from silvaengine_tasks.records import BatchItem, Event, RecordCall, are_records_of, new_ids, records_of

EVENTS_ALIAS = "events"
RESPOND_SECONDS = 5.0  # reserved for the response to the source

type BatchResponse = dict[str, list[dict[str, str]]]
"""The ids of the records that failed, as Lambda expects them: ``{"batchItemFailures": […]}``."""


class Source(Protocol):
    """A source of events."""

    def matches(self, event: Event) -> bool:
        """Return whether an event is from this source."""

    def serve(self, event: Event, context: LambdaContext, log: InvocationLog) -> object:
        """Serve an event: return what Lambda hands to the source, or raise, so that the source keeps it."""


class AliasSource:
    """A source of AWS's, whose events come by the alias.

    Functions may invoke the Lambda's name, too, and must not send what only AWS may say.
    """

    def __init__(self, source: Source) -> None:
        self._source = source

    def matches(self, event: Event) -> bool:
        """Return whether an event is from this source."""
        return self._source.matches(event)

    def serve(self, event: Event, context: LambdaContext, log: InvocationLog) -> object:
        """Serve an event that came by the alias, as the source does; raises RequestError for another."""
        if context.invoked_function_arn.split(":")[7:] != [EVENTS_ALIAS]:
            raise RequestError(
                f"Event sources must invoke this Lambda's alias {EVENTS_ALIAS!r} (the stack's output "
                "TasksEventsArn): by its name it takes only direct invokes"
            )
        return self._source.serve(event, context, log)


class RecordSource:
    """A source whose records are called once each; by default Lambda retries an event as a whole.

    A retry doesn't repeat what is done, since the ledger knows it. ``name`` is the source's in the log line,
    ``event_source`` what its records say of it.
    """

    name: ClassVar[str]
    event_source: ClassVar[str]

    def __init__(self, functions: FunctionCaller, bindings: Bindings) -> None:
        self.functions = functions
        self.bindings = bindings

    @classmethod
    def matches(cls, event: Event) -> bool:
        """Return whether an event is from this source."""
        return are_records_of(event, cls.event_source)

    def items(self, event: Event) -> list[BatchItem]:
        """Return the event's records, each with its group; raises RequestError if none can go back alone."""
        return [BatchItem(record) for record in records_of(event)]

    def read_calls(self, item: BatchItem) -> Sequence[RecordCall]:
        """Return an item's calls; raises SilvaEngineError when it leads to no function."""
        raise NotImplementedError

    def respond(self, items: Sequence[BatchItem]) -> Any:  # noqa: ANN401 - what Lambda expects
        """Return what Lambda hands to the source; raises InvocationError with the first cause."""
        failures = [item.failure for item in items if item.failure]
        if failures:
            message = f"{len(failures)} of {len(items)} records failed; the first: {failures[0].message}"
            raise InvocationError(message, detail=failures[0].detail)

    def serve(self, event: Event, context: LambdaContext, log: InvocationLog) -> Any:  # noqa: ANN401 - likewise
        """Make the calls of each record, then those for many records; raises what ``respond`` raises."""
        items, deadline = self.items(event), deadline_of(context)
        self.functions.registry.refresh()
        for item in items:
            self._read(item, log)
        _trace(items, log)
        groups = in_groups(items, lambda item: item.group)
        if len(groups) > 1:
            called = {(call.endpoint_id, call.function) for item in items for call in item.calls}
            side_by_side(self.functions.read_ahead, list(called))
        reached = side_by_side(self._serve_group, groups, deadline)
        all_reached = [item for group in reached for item in group]
        for call in batch_calls(self.functions, all_reached, deadline, log.traceparent):
            call.make()
        log.add(source=self.name, records=len(items), failed=len([item for item in items if item.failure]))
        return self.respond(items)

    def _read(self, item: BatchItem, log: InvocationLog) -> None:
        try:
            item.calls = self.read_calls(item)
        except Exception as error:  # noqa: BLE001 - boundary of a record: report whatever reading it raises
            item.fail(self.functions.report("", "", error, new_ids(log.traceparent)))

    def _serve_group(self, group: Sequence[BatchItem], deadline: float) -> Sequence[BatchItem]:
        """Serve items in order, up to the first one that comes again; return those that were reached."""
        for position, item in enumerate(group, 1):
            self._make_calls(item, deadline)
            if item.failure and position < len(group) and item.comes_again(item.failure):
                for later in group[position:]:
                    later.failure = item.failure
                return group[:position]
        return group

    def _make_calls(self, item: BatchItem, deadline: float) -> None:
        """Make an item's own calls; of several each is made, whatever becomes of the others."""
        for call in item.calls:
            if call.batch_item_id is None:
                try:
                    self.functions.call(call, deadline)
                except SilvaEngineError as error:
                    item.fail(error)


def _trace(items: Sequence[BatchItem], log: InvocationLog) -> None:
    """Let calls be spans below the invocation's, which follows the trace of its messages if it is only one.

    Where messages come from several, each call is below its own sender's span.
    """
    senders = {call.traceparent for item in items for call in item.calls}
    is_one = len(senders) == 1
    if is_one:
        log.follow(read_traceparent(*senders))
    for item in items:
        item.calls = [
            call._replace(traceparent=log.traceparent) if is_one or call.traceparent is None else call
            for call in item.calls
        ]


def deadline_of(context: LambdaContext, clock: Callable[[], float] = time.time) -> float:
    """Return the epoch seconds by which calls must end, so that the source gets its response."""
    return clock() + context.get_remaining_time_in_millis() / 1000 - RESPOND_SECONDS
