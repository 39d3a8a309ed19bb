"""Claiming a record in the ledger, so that of several deliveries one calls the function.

SQS and streams deliver a record until it is done: the source owns its retry. S3, SNS and EventBridge give an
event up within minutes, before the lease of a worker that vanished ends: the ledger keeps such a record with
its content, and the sweeper finishes the call.
"""

from contextlib import suppress

from silvaengine.errors import ConditionFailedError, InvocationError, SilvaEngineError
from silvaengine.ledger.digests import Digests, plain_digest
from silvaengine.ledger.dispatch import nothing_ran
from silvaengine.ledger.execution import Execution, shard_of
from silvaengine.ledger.payload_store import PayloadStore
from silvaengine.ledger.store import OUTCOME_UNKNOWN, Ledger
from silvaengine.protocol.messages import WorkerCall
from silvaengine.registry.model import Function
from silvaengine_tasks.records import CallIds, InProgressError, RecordCall


class Claims:
    """Claims records for workers, which may run for ``lease_seconds`` at the most."""

    def __init__(
        self, ledger: Ledger, digests: Digests, payloads: PayloadStore, lease_seconds: float
    ) -> None:
        self.ledger = ledger
        self.payloads = payloads
        self._digests = digests
        self._lease_seconds = lease_seconds

    def claim(self, call: RecordCall, function: Function, ids: CallIds) -> Execution | None:
        """Claim a record for a worker; return the claim, or the execution that is done (``succeeded``).

        None says that the sweeper retries it.

        Raises:
            InProgressError: another delivery holds the claim, and the source must deliver the record again.
            InvocationError: its outcome is unknown, and ``on_lost`` forbids another attempt.
        """
        content = WorkerCall(function.callee, call.params).content()
        new = self.ledger.new(
            function,
            call.endpoint_id,
            *ids,
            job_id=self._digests.digest(*call.record_id, call.endpoint_id, call.function),
            principal=plain_digest(*call.record_id),
            digest=plain_digest(content),
            content=content,
            on_lost="retry",
            lease_seconds=self._lease_seconds,
            keep_seconds=call.keep_seconds,
            is_swept=call.is_swept,
            covers=call.covers,
        )
        existing = self.ledger.accept(
            self.payloads.store_content(new) if call.is_swept else new._replace(content=None)
        )
        if existing is None:
            return new
        if existing.state == "succeeded":
            return existing
        claimed = self._take_over(existing, call, ids)
        return claimed and claimed._replace(content=content)

    def give_up(self, execution: Execution, error: SilvaEngineError) -> bool:
        """Leave a call that failed without an outcome to who retries it; return whether the sweeper does.

        The claim of what can't have run is undone; what may have run stays claimed until its lease ends. A
        recorded failure is acknowledged, so that only the source retries.
        """
        if nothing_ran(error):
            self.ledger.unclaim(execution)
        if not execution.is_swept:
            return False
        current = self.ledger.get(execution.job_id)
        if current is not None and current.state == "failed" and current.is_swept:
            with suppress(ConditionFailedError):  # another delivery has taken it over
                self.ledger.acknowledge(current)
            return False
        return current is not None and (current.is_swept or current.state == "succeeded")

    def _take_over(self, existing: Execution, call: RecordCall, ids: CallIds) -> Execution | None:
        """Claim what an earlier delivery left behind; return None where the sweeper retries it."""
        if existing.is_held(self.ledger.now()):
            if call.is_swept:
                return None
            raise InProgressError((existing.due_at or 0) - self.ledger.now())
        if existing.on_lost == "fail" and existing.state == "failed":
            raise InvocationError("The function failed for this record and on_lost forbids a retry")
        if existing.on_lost == "fail" and existing.state == "running":
            self.ledger.mark_dead(existing.job_id, existing.owner, OUTCOME_UNKNOWN)
            existing = existing._replace(state="dead")
        if existing.state == "dead":
            if call.is_swept:  # the sweeper alerts the operator
                return None
            raise InvocationError("The outcome of this record is unknown", error_type=OUTCOME_UNKNOWN)
        try:
            also = {"covers": call.covers} if call.covers else {}
            if call.is_swept:
                also = {"due_shard": shard_of(existing.job_id)}
            return self.ledger.take_over_for_caller(existing, *ids, self._lease_seconds, also)
        except ConditionFailedError:
            raise InProgressError(round(self._lease_seconds)) from None
