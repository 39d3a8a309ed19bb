"""Claiming a record in the ledger, so that of several deliveries one calls the function.

SQS and streams deliver a record until it is done: the source owns its retry. S3, SNS and EventBridge give an
event up within minutes, before the lease of a worker that vanished ends: the ledger keeps such a record with
its content, and the sweeper finishes the call.
"""

from contextlib import suppress
from typing import NamedTuple

from silvaengine.errors import ConditionFailedError, InvocationError, UnavailableError
from silvaengine.ledger.digests import Digests, plain_digest
from silvaengine.ledger.execution import Execution, shard_of
from silvaengine.ledger.payload_store import PayloadStore
from silvaengine.ledger.store import Ledger
from silvaengine.registry.model import Function
from silvaengine_tasks.records import RecordCall

OUTCOME_UNKNOWN = "outcome_unknown"


class InProgressError(UnavailableError):
    """Another delivery of the same record is being processed.

    Args:
        seconds: until the other delivery's lease ends, at the latest.
    """

    def __init__(self, seconds: int) -> None:
        super().__init__("This record is already being processed", retry_after=max(1, seconds))
        self.seconds = max(1, seconds)


class Claims(NamedTuple):
    """Claims records.

    Args:
        ledger: holds the claims.
        digests: turn a record's id into a job id.
        payloads: hold contents that are too large for a row.
        lease_seconds: how long a worker may run at the most.
    """

    ledger: Ledger
    digests: Digests
    payloads: PayloadStore
    lease_seconds: float

    def claim(self, call: RecordCall, function: Function, content: str, request_id: str) -> Execution | None:
        """Claim a record for a worker; return the claim, or the execution that is done (``succeeded``).

        None says that the sweeper retries it.

        Args:
            call: the call to make.
            function: as the registry describes it.
            content: the worker's part of the call, as the ledger keeps it.
            request_id: of this attempt.

        Raises:
            InProgressError: another delivery holds the claim, and the source must deliver the record again.
            InvocationError: its outcome is unknown, and ``on_lost`` forbids another attempt.
        """
        new = self._new(call, function, content, request_id)
        existing = self.ledger.accept(
            self.payloads.store_content(new) if call.is_swept else new._replace(content=None)
        )
        if existing is None:
            return new
        if existing.state == "succeeded":
            return existing
        claimed = self._take_over(existing, call, request_id)
        return claimed and claimed._replace(content=content)

    def hand_over(self, execution: Execution) -> bool:
        """Leave a failed call to the sweeper if it will retry it, and return whether it will.

        Otherwise acknowledge the recorded failure, so that only the source retries.
        """
        if not execution.is_swept:
            return False
        current = self.ledger.get(execution.job_id)
        if current is not None and current.state == "failed" and current.is_swept:
            with suppress(ConditionFailedError):  # another delivery has taken it over
                self.ledger.acknowledge(current)
            return False
        return current is not None and (current.is_swept or current.state == "succeeded")

    def _take_over(self, existing: Execution, call: RecordCall, request_id: str) -> Execution | None:
        """Claim what an earlier delivery left behind; return None where the sweeper retries it."""
        if existing.is_held(self.ledger.now()):
            if call.is_swept:
                return None
            raise InProgressError((existing.due_at or 0) - self.ledger.now())
        if existing.state == "running" and existing.on_lost == "fail":
            self.ledger.mark_dead(existing.job_id, existing.owner, OUTCOME_UNKNOWN)
        if existing.state == "failed" and existing.on_lost == "fail":
            raise InvocationError("The function failed for this record and on_lost forbids a retry")
        if existing.state == "dead" or (existing.state == "running" and existing.on_lost == "fail"):
            if call.is_swept:  # the sweeper alerts the operator
                return None
            raise InvocationError("The outcome of this record is unknown", error_type=OUTCOME_UNKNOWN)
        try:
            also = {"covers": call.covers} if call.covers else {}
            if call.is_swept:
                also = {"due_shard": shard_of(existing.job_id)}
            return self.ledger.take_over_for_caller(existing, request_id, self.lease_seconds, also)
        except ConditionFailedError:
            raise InProgressError(round(self.lease_seconds)) from None

    def _new(self, call: RecordCall, function: Function, content: str, request_id: str) -> Execution:
        return self.ledger.new(
            function,
            call.endpoint_id,
            request_id,
            job_id=self.digests.digest(*call.record_id, call.endpoint_id, call.function),
            principal=plain_digest(*call.record_id),
            digest=plain_digest(content),
            content=content,
            on_lost="retry",
            lease_seconds=self.lease_seconds,
            keep_seconds=call.keep_seconds,
            is_swept=call.is_swept,
            covers=call.covers,
        )
