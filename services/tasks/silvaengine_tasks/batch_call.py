"""One call for all records of an event (``batch: true``), each claimed and settled on its own.

The function gets them as ``records`` and may answer with the ids of those that failed, as a list or in
Lambda's ``{"batchItemFailures": [{"itemIdentifier": id}]}``; any other answer means that all are done.
"""

import logging
from collections.abc import Sequence
from math import inf
from os import urandom
from typing import Any, NamedTuple

from silvaengine.errors import InvocationError, SilvaEngineError
from silvaengine.ledger.dispatch import nothing_ran, ref_of
from silvaengine.ledger.execution import Execution
from silvaengine.protocol.messages import Invocation, WorkerAnswer
from silvaengine.registry.model import Function
from silvaengine_tasks.batches import Errors, side_by_side
from silvaengine_tasks.calls import Caller, decoded, succeeded, worker_call
from silvaengine_tasks.hooks import HookedCall
from silvaengine_tasks.records import CallRecord, member

_logger = logging.getLogger(__name__)


class BatchCall(NamedTuple):
    """Calls functions with many records.

    Args:
        caller: knows functions and workers.
    """

    caller: Caller

    def call(self, records: Sequence[CallRecord], deadline: float) -> Errors:
        """Call one function for those of its records that were not done before; return each one's failure.

        Args:
            records: of one function, each with a ``batch_name``, and with itself alone in its ``records``.
            deadline: epoch seconds at which the caller's time is over.
        """
        first, request_id, function = records[0], urandom(16).hex(), None
        try:
            function = self.caller.function(first.endpoint_id, first.function)
            claimed, errors = self._claim(records, function, request_id, deadline)
            if claimed:
                ended = self._run(function, records, claimed, request_id, deadline)
                errors = [ended.get(position, error) for position, error in enumerate(errors)]
        except SilvaEngineError as error:
            errors = [error] * len(records)
        except Exception as error:  # a call's door: what it breaks takes no other function's along
            _logger.exception("A call of many records failed")
            errors = [InvocationError("The records could not be served", error_type=type(error).__name__)]
            errors *= len(records)
        failure = next(filter(None, errors), None)
        if failure:
            self.caller.tell(first.endpoint_id, first.function, failure, request_id, function)
        return errors

    def _claim(
        self, records: Sequence[CallRecord], function: Function, request_id: str, deadline: float
    ) -> tuple[dict[int, Execution], Errors]:
        claimed: dict[int, Execution] = {}

        def claim(position: int, _: float) -> None:
            record = records[position]
            content = worker_call(function, record.params, None).content()
            found = self.caller.claims.claim(record, function, content, request_id)
            if found and found.state != "succeeded":
                claimed[position] = found

        return claimed, side_by_side(range(len(records)), claim, deadline)

    def _run(
        self,
        function: Function,
        records: Sequence[CallRecord],
        claimed: dict[int, Execution],
        request_id: str,
        deadline: float,
    ) -> dict[int, SilvaEngineError | None]:
        """Ask the worker and settle every claim; return each one's failure."""
        positions, endpoint_id = sorted(claimed), records[0].endpoint_id
        given = [each for position in positions for each in records[position].params["records"]]
        invocation = Invocation(
            request_id,
            endpoint_id,
            function.area,
            function.name,
            deadline,
            attempt=max(execution.attempts for execution in claimed.values()),
            hops=max(records[position].hops for position in positions),
            grant=self.caller.issue_token(function, endpoint_id),
        )
        heard = HookedCall(function, endpoint_id, {"records": given}, request_id, deadline)
        try:
            payload = worker_call(function, {"records": given}, invocation).encode()
            self.caller.hooks.before(heard)
            result = self.caller.invoker.invoke(function.aws_lambda_arn, payload, deadline=deadline)
        except SilvaEngineError as error:
            return {position: self._lost(execution, error) for position, execution in claimed.items()}
        known = [str(records[position].batch_name) for position in positions]
        failed = dict(zip(positions, failures(result, known), strict=True))
        errors = side_by_side(
            positions, lambda position, _: self._settle(claimed[position], failed[position]), inf
        )
        if None in errors:
            self.caller.hooks.after(heard)
        return dict(zip(positions, errors, strict=True))

    def _lost(self, execution: Execution, error: SilvaEngineError) -> SilvaEngineError | None:
        """Return back what can't have run; what may have run stays claimed until its lease ends."""
        if nothing_ran(error):
            self.caller.claims.ledger.unclaim(execution)
        return None if self.caller.claims.leave_to_sweeper(execution) else error

    def _settle(self, execution: Execution, error: SilvaEngineError | None) -> None:
        job = ref_of(execution, execution.attempts, claimed=True)
        self.caller.claims.ledger.settle(job, execution.owner, "failed" if error else "succeeded", {})
        if error:
            raise error


def failures(result: Any, names: Sequence[str]) -> Errors:  # noqa: ANN401 - a worker's answer
    """Return each record's failure, in the order of the names, as a function's answer tells it."""
    try:
        failed = failed_names(succeeded(result), names)
    except SilvaEngineError as error:
        return [error] * len(names)
    failure = InvocationError("The function says that this record failed")
    return [failure if name in failed else None for name in names]


def failed_names(answer: WorkerAnswer, names: Sequence[str] | None = None) -> list[str]:
    """Read which records failed.

    Args:
        answer: a function's.
        names: of the records that it got; None where they aren't known any more.

    Raises:
        InvocationError: the answer names what wasn't among them: then nobody knows what it means.
    """
    value = decoded(answer)
    listed = member(value, "batchItemFailures")
    if isinstance(listed, list):
        value = [member(each, "itemIdentifier") for each in listed]
    if not isinstance(value, list):
        return []
    if names is not None and any(name not in names for name in value):
        raise InvocationError("The function answered with ids that are not of its records")
    return value
