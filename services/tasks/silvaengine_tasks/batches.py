"""One call of a function for many records of an event (``batch: true``).

Such a function gets them as ``records`` and may return the ids of those that failed, as a list or in Lambda's
``{"batchItemFailures": [{"itemIdentifier": id}]}``; any other result means that all are done. Each record is
claimed and settled on its own.
"""

import logging
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Concatenate, cast

from silvaengine.errors import InvocationError, SilvaEngineError
from silvaengine.ledger.dispatch import ref_of
from silvaengine.protocol.json_codec import Json
from silvaengine.protocol.messages import WorkerResponse
from silvaengine.registry.model import Function
from silvaengine_tasks.calls import (
    FunctionCaller,
    check_response,
    check_time,
    failure_of,
    log_failure,
    response_value,
)
from silvaengine_tasks.hooks import HookedCall
from silvaengine_tasks.records import BatchItem, RecordCall, member, new_ids

if TYPE_CHECKING:
    from silvaengine.ledger.execution import Execution, State

SIDE_BY_SIDE = 10  # threads for one event; an SQS batch has ten messages by default

_logger = logging.getLogger(__name__)


class BatchPart:
    """An item's part of a call for many: its call, its claim if it isn't done yet, and its failure."""

    __slots__ = ("call", "execution", "failure", "item")

    def __init__(self, item: BatchItem, call: RecordCall) -> None:
        self.item = item
        self.call = call
        self.execution: Execution | None = None
        self.failure: SilvaEngineError | None = None

    def fail(self, error: Exception) -> None:
        """Take a failure, which is this record's alone; log what no code expected."""
        if not isinstance(error, SilvaEngineError):
            _logger.error("A record failed", exc_info=error)
        self.failure = failure_of(error)


class BatchCall:
    """One call of a function for many records; each part's call has one record in ``params["records"]``.

    ``traceparent`` is of the span that makes it: the records may be of several traces.
    """

    def __init__(
        self, functions: FunctionCaller, parts: Sequence[BatchPart], deadline: float, traceparent: str
    ) -> None:
        self._functions = functions
        self._parts = parts
        self._deadline = deadline
        self._ids = new_ids(traceparent)

    def make(self) -> None:
        """Call the function for those of its records that aren't done yet; the others' items have failed."""
        first, function = self._parts[0].call, None
        try:
            check_time(self._deadline)
            function = self._functions.find_function(first.endpoint_id, first.function)
            groups = in_groups(self._parts, lambda part: part.item.group)
            side_by_side(self._claim_group, groups, function)
            claimed = [part for part in self._parts if part.execution]
            for parts in in_groups(claimed, _accepted_by):
                self._run(function, parts)
        except Exception as error:  # noqa: BLE001 - boundary of a batch: other functions' calls go on
            failure = self._report(error, function)
            for part in self._parts:
                part.failure = failure
        else:
            failures = [part.failure for part in self._parts if part.failure]
            for distinct in {(failure.message, failure.detail): failure for failure in failures}.values():
                self._report(distinct, function)
        for part in self._parts:
            if part.failure:
                part.item.fail(part.failure)

    def _claim_group(self, group: Sequence[BatchPart], function: Function) -> None:
        """Claim records in order, up to the first that can't be and comes again."""
        for position, part in enumerate(group, 1):
            self._claim(part, function)
            if part.failure and position < len(group) and part.item.comes_again(part.failure):
                for later in group[position:]:
                    later.failure = part.failure
                return

    def _claim(self, part: BatchPart, function: Function) -> None:
        try:
            execution = self._functions.claims.claim(part.call, function, self._ids)
        except Exception as error:  # noqa: BLE001 - boundary of a record: the others go on
            part.fail(error)
        else:
            part.execution = execution if execution and execution.state != "succeeded" else None

    def _run(self, function: Function, parts: Sequence[BatchPart]) -> None:
        """Invoke the worker for the claimed parts that one release has accepted, and settle each claim."""
        executions = [part.execution for part in parts if part.execution]
        records = [record for part in parts for record in cast("Sequence[Json]", part.call.params["records"])]
        hops = max(part.call.hops for part in parts)
        attempt = max(execution.attempts for execution in executions)
        try:
            function = self._functions.dispatcher.pinned(executions[0], function)
            hooked = HookedCall(
                function, parts[0].call.endpoint_id, {"records": records}, self._ids, self._deadline
            )
            response = self._functions.invoke(hooked, hops, attempt)
        except SilvaEngineError as error:
            self._give_up(parts, error)
            return
        item_ids = [str(part.call.batch_item_id) for part in parts]
        for part, failure in zip(parts, read_failures(response, item_ids), strict=True):
            part.failure = failure
        side_by_side(self._settle, parts)
        if not all(part.failure for part in parts):
            self._functions.hooks.start_after(hooked)

    def _give_up(self, parts: Sequence[BatchPart], error: SilvaEngineError) -> None:
        for part in parts:
            if part.execution and not self._functions.claims.give_up(part.execution, error):
                part.failure = error
        if not any(part.failure for part in parts):  # so it isn't reported
            call = parts[0].call
            log_failure(call.endpoint_id, call.function, error, self._ids)

    def _settle(self, part: BatchPart) -> None:
        try:
            if part.execution:
                job = ref_of(part.execution, part.execution.attempts, claimed=True)
                state: State = "failed" if part.failure else "succeeded"
                self._functions.claims.ledger.settle(job, part.execution.owner, state, {})
        except Exception as error:  # noqa: BLE001 - likewise
            part.fail(error)

    def _report(self, error: Exception, function: Function | None) -> SilvaEngineError:
        first = self._parts[0].call
        return self._functions.report(first.endpoint_id, first.function, error, self._ids, function)


def _accepted_by(part: BatchPart) -> str:
    """Return the release that accepted a claimed part, the same text for all of a worker's."""
    execution = part.execution
    return execution.aws_lambda_arn if execution and execution.package else "worker"


def batch_calls(
    functions: FunctionCaller, items: Iterable[BatchItem], deadline: float, traceparent: str
) -> list[BatchCall]:
    """Return the call of each function that gets all records of an event, made by this span."""
    parts = [BatchPart(item, call) for item in items for call in item.calls if call.batch_item_id is not None]
    groups = in_groups(parts, lambda part: (part.call.endpoint_id, part.call.function))
    return [BatchCall(functions, each, deadline, traceparent) for each in groups]


def in_groups[T](members: Iterable[T], group_of: Callable[[T], Hashable]) -> list[list[T]]:
    """Return members by their groups, in order; one without is a group of its own."""
    groups: dict[Hashable, list[T]] = {}
    for position, each in enumerate(members):
        groups.setdefault(group_of(each) or position, []).append(each)
    return list(groups.values())


def side_by_side[T, **P, R](
    run: Callable[Concatenate[T, P], R], items: Sequence[T], *args: P.args, **kwargs: P.kwargs
) -> list[R]:
    """Return what each item's run returns, with these arguments; ten run at a time."""
    if len(items) < 2:
        return [run(item, *args, **kwargs) for item in items]
    from concurrent.futures import ThreadPoolExecutor  # lazy: only several records need it

    with ThreadPoolExecutor(min(SIDE_BY_SIDE, len(items))) as threads:
        return list(threads.map(lambda item: run(item, *args, **kwargs), items))


def read_failures(response: WorkerResponse, item_ids: Sequence[str]) -> list[SilvaEngineError | None]:
    """Return each record's failure, in the order of the ids, from a worker's response."""
    try:
        check_response(response)
        failed = failed_ids(response, item_ids)
    except SilvaEngineError as error:
        return [error] * len(item_ids)
    failure = InvocationError("The function reported this record as failed")
    return [failure if item_id in failed else None for item_id in item_ids]


def failed_ids(response: WorkerResponse, item_ids: Sequence[str] | None = None) -> list[Json]:
    """Return the ids of the failed records that a function's response names.

    Args:
        response: a function's.
        item_ids: of the records that it got; None where they aren't known any more.

    Raises:
        InvocationError: the response names an unknown id, so that its meaning is unclear.
    """
    value = response_value(response)
    failures = member(value, "batchItemFailures")
    if isinstance(failures, list):
        value = [member(failure, "itemIdentifier") for failure in failures]
    if not isinstance(value, list):
        return []
    if item_ids is not None and any(item_id not in item_ids for item_id in value):
        raise InvocationError("The function returned unknown record ids")
    return value
