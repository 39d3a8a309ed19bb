"""Serving the records of an event: each record's own calls, then one call for all records (``batch: true``).

A function with ``batch`` gets them as ``records`` and may return the ids of those that failed, as a list or
in Lambda's ``{"batchItemFailures": [{"itemIdentifier": id}]}``; any other result means that all are done.
Each record is claimed and settled on its own.
"""

from collections.abc import Callable, Iterable, Sequence
from math import inf
from os import urandom
from typing import NamedTuple

from silvaengine.context import LambdaContext
from silvaengine.errors import InvocationError, SilvaEngineError
from silvaengine.ledger.dispatch import nothing_ran, ref_of
from silvaengine.ledger.execution import Execution
from silvaengine.observability.logging import InvocationLog
from silvaengine.protocol.json_codec import Json
from silvaengine.protocol.messages import Invocation, WorkerResponse
from silvaengine.registry.model import Function
from silvaengine_tasks.calls import (
    FunctionCaller,
    deadline_of,
    log_failure,
    read_response,
    response_value,
    worker_call,
)
from silvaengine_tasks.claims import InProgressError
from silvaengine_tasks.hooks import HookedCall
from silvaengine_tasks.parallel import Errors, fail_successors, in_order, side_by_side
from silvaengine_tasks.records import RecordCall, member

type ReadCalls = Callable[[Json], Sequence[RecordCall]]
type OnInProgress = Callable[[int, InProgressError], None]
type BatchResponse = dict[str, list[dict[str, str]]]
"""The ids of the records that failed, as Lambda expects them; see ``sources.sqs`` and ``sources.streams``."""


def serve_or_raise(
    functions: FunctionCaller,
    source: str,
    records: Sequence[Json],
    read_calls: ReadCalls,
    context: LambdaContext,
    log: InvocationLog,
) -> None:
    """Serve the records of an event that Lambda retries as a whole.

    A retry doesn't repeat what is done, since the ledger knows it.

    Args:
        functions: calls functions.
        source: its name in the log line.
        records: as AWS sent them.
        read_calls: returns the calls of a record, or raises why there are none.
        context: Lambda's.
        log: of the invocation.

    Raises:
        InvocationError: some records failed; with the first cause.
    """
    functions.registry.refresh()
    errors = serve_records(functions, records, read_calls, deadline_of(context))
    failures = [error for error in errors if error]
    log.add(source=source, records=len(records), failed=len(failures))
    if failures:
        message = f"{len(failures)} of {len(errors)} records failed; the first: {failures[0].message}"
        raise InvocationError(message, detail=failures[0].detail)


def serve_records(
    functions: FunctionCaller,
    records: Sequence[Json],
    read_calls: ReadCalls,
    deadline: float,
    *,
    order: Sequence[str] | None = None,
    on_in_progress: OnInProgress | None = None,
) -> Errors:
    """Make the calls of each record, then those for all records together; return each record's failure.

    Args:
        functions: calls functions.
        records: as AWS sent them.
        read_calls: returns the calls of a record, or raises why there are none.
        deadline: epoch seconds by which the source must have its response.
        order: each record's group, whose records are called in order; None for independent records.
        on_in_progress: called, as soon as it is known, with the position of a record that another delivery is
            processing.
    """
    calls: list[Sequence[RecordCall]] = [()] * len(records)

    def run(position: int, until: float) -> None:
        def read_single_calls() -> list[RecordCall]:
            calls[position] = read_calls(records[position])
            return [call for call in calls[position] if call.batch_item_id is None]

        try:
            functions.call_all(read_single_calls, until)
        except InProgressError as error:
            if on_in_progress:
                on_in_progress(position, error)
            raise

    positions = range(len(records))
    if order is None:
        errors = side_by_side(positions, run, deadline)
    else:
        errors = in_order(order, positions, run, deadline)
    for members, batch in _batches(calls):
        batch_errors = BatchCall(functions).call(batch, deadline)
        for position, error in zip(members, batch_errors, strict=True):
            errors[position] = errors[position] or error
            if on_in_progress and isinstance(error, InProgressError):
                on_in_progress(position, error)
    return errors if order is None else fail_successors(order, errors)


def _batches(calls: Sequence[Sequence[RecordCall]]) -> Iterable[tuple[list[int], list[RecordCall]]]:
    """Return the batch of each function with ``batch``: the records' positions and calls."""
    batches: dict[tuple[str, str], tuple[list[int], list[RecordCall]]] = {}
    for position, record_calls in enumerate(calls):
        for call in record_calls:
            if call.batch_item_id is not None:
                positions, batch = batches.setdefault((call.endpoint_id, call.function), ([], []))
                positions.append(position)
                batch.append(call)
    return batches.values()


class BatchCall(NamedTuple):
    """One call of a function for many records.

    Args:
        functions: finds functions and reaches workers.
    """

    functions: FunctionCaller

    def call(self, calls: Sequence[RecordCall], deadline: float) -> Errors:
        """Call a function for those of its records that aren't done yet; return each record's failure.

        Args:
            calls: of one function, each with a ``batch_item_id`` and exactly one record in
                ``params["records"]``.
            deadline: epoch seconds by which the source must have its response.
        """
        first, request_id, function = calls[0], urandom(16).hex(), None
        try:
            function = self.functions.find_function(first.endpoint_id, first.function)
            claims, errors = self._claim(calls, function, request_id, deadline)
            if claims:
                outcomes = self._run(function, calls, claims, request_id, deadline)
                errors = [outcomes.get(position, error) for position, error in enumerate(errors)]
        except SilvaEngineError as error:
            errors = [error] * len(calls)
        except Exception as error:  # noqa: BLE001 - boundary of a batch: other functions' calls go on
            self.functions.report(first.endpoint_id, first.function, error, request_id, function)
            kind = type(error).__name__
            return [InvocationError("The records could not be processed", error_type=kind)] * len(calls)
        for failure in {(error.message, error.detail): error for error in errors if error}.values():
            self.functions.report(first.endpoint_id, first.function, failure, request_id, function)
        return errors

    def _claim(
        self, calls: Sequence[RecordCall], function: Function, request_id: str, deadline: float
    ) -> tuple[dict[int, Execution], Errors]:
        """Claim the records; return the claims to run, by position, and each record's failure."""
        claims: dict[int, Execution] = {}

        def claim(position: int, _: float) -> None:
            call = calls[position]
            content = worker_call(function, call.params, None).content()
            execution = self.functions.claims.claim(call, function, content, request_id)
            if execution and execution.state != "succeeded":
                claims[position] = execution

        return claims, side_by_side(range(len(calls)), claim, deadline)

    def _run(
        self,
        function: Function,
        calls: Sequence[RecordCall],
        claims: dict[int, Execution],
        request_id: str,
        deadline: float,
    ) -> dict[int, SilvaEngineError | None]:
        """Invoke the worker and settle each claim; return each record's failure by position."""
        positions, endpoint_id = sorted(claims), calls[0].endpoint_id
        params: dict[str, Json] = {"records": [_own_record(calls[position]) for position in positions]}
        invocation = Invocation(
            request_id,
            endpoint_id,
            function.area,
            function.name,
            deadline,
            attempt=max(execution.attempts for execution in claims.values()),
            hops=max(calls[position].hops for position in positions),
            grant=self.functions.issue_token(function, endpoint_id),
        )
        hooked = HookedCall(function, endpoint_id, params, request_id, deadline)
        try:
            payload = worker_call(function, params, invocation).encode()
            self.functions.hooks.run_before(hooked)
            result = self.functions.invoker.invoke(function.aws_lambda_arn, payload, deadline=deadline)
        except SilvaEngineError as error:
            failures = {position: self._fail(execution, error) for position, execution in claims.items()}
            if not any(failures.values()):  # the caller doesn't get it, so it isn't reported there
                log_failure(endpoint_id, function.name, error, request_id)
            return failures
        item_ids = [str(calls[position].batch_item_id) for position in positions]
        reported = dict(zip(positions, read_failures(result, item_ids), strict=True))
        errors = side_by_side(
            positions, lambda position, _: self._settle(claims[position], reported[position]), inf
        )
        if None in errors:
            self.functions.hooks.start_after(hooked)
        return dict(zip(positions, errors, strict=True))

    def _fail(self, execution: Execution, error: SilvaEngineError) -> SilvaEngineError | None:
        """Undo the claim of what can't have run; what may have run stays claimed until its lease ends."""
        if nothing_ran(error):
            self.functions.claims.ledger.unclaim(execution)
        return None if self.functions.claims.hand_over(execution) else error

    def _settle(self, execution: Execution, error: SilvaEngineError | None) -> None:
        job = ref_of(execution, execution.attempts, claimed=True)
        self.functions.claims.ledger.settle(job, execution.owner, "failed" if error else "succeeded", {})
        if error:
            raise error


def _own_record(call: RecordCall) -> Json:
    records = call.params["records"]
    return records[0] if isinstance(records, list) else None


def read_failures(result: Json, item_ids: Sequence[str]) -> Errors:
    """Return each record's failure, in the order of the ids, from a worker's response."""
    try:
        failed = failed_ids(read_response(result), item_ids)
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
