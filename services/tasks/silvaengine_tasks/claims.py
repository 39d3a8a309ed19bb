"""A record's claim in the ledger: who may call its function now, if anybody still has to.

A record of SQS or of a stream comes again until it is done, so that its source looks after it. S3, SNS and
EventBridge give an event up within minutes, sooner than the lease of a worker that vanished ends: such a
record is kept with its content, and what became of an unfinished call is the sweeper's to find out.
"""

import json
from contextlib import suppress
from typing import NamedTuple

from silvaengine.errors import ConditionFailedError, InvocationError, UnavailableError
from silvaengine.ledger.digests import Digests, plain_digest
from silvaengine.ledger.execution import Execution, shard_of
from silvaengine.ledger.payload_store import PayloadStore, content_key
from silvaengine.ledger.policy import ExecutionPolicy
from silvaengine.ledger.store import Ledger, new_execution
from silvaengine.protocol.messages import WorkerAnswer
from silvaengine.registry.model import Function
from silvaengine_tasks.records import CallRecord

OUTCOME_UNKNOWN = "outcome_unknown"


class UnderWayError(UnavailableError):
    """Another delivery of the same record is being worked on.

    Args:
        seconds: until it is given up at the latest.
    """

    def __init__(self, seconds: int) -> None:
        super().__init__("This record is under way", retry_after=max(1, seconds))
        self.seconds = max(1, seconds)


class Claims(NamedTuple):
    """Claims records.

    Args:
        ledger: holds the claims.
        keys: makes a claim's id of a record's.
        payloads: holds contents that are too large for a row.
        lease_seconds: how long a worker may run at the most.
    """

    ledger: Ledger
    keys: Digests
    payloads: PayloadStore
    lease_seconds: float

    def claim(
        self, record: CallRecord, function: Function, content: str, request_id: str
    ) -> Execution | None:
        """Claim a record for a worker; return the claim, or the execution that is done (``succeeded``).

        None says that the sweeper looks after it.

        Args:
            record: what is to be called.
            function: what the registry says about its function.
            content: what the worker will be told, as the ledger keeps it.
            request_id: of this attempt.

        Raises:
            UnderWayError: somebody else is at it, and its source has to bring it again.
            InvocationError: its outcome is lost, and ``on_lost`` forbids another attempt.
        """
        wanted = self._new(record, function, content, request_id)
        first = self.ledger.accept(self._stored(wanted) if record.swept else wanted._replace(content=None))
        if first is None:
            return wanted
        if first.state == "succeeded":
            return first
        taken = self._taken(first, record, request_id)
        return taken and taken._replace(content=content)

    def answer(self, done: Execution) -> WorkerAnswer:
        """Return the answer of an execution that is done, as its worker settled it."""
        text = done.result
        if text is None and done.result_at is not None:
            text = self.payloads.get(done.result_at)
        return WorkerAnswer.decode(json.loads(text or "null"))

    def leave_to_sweeper(self, claimed: Execution) -> bool:
        """Leave a claim to the sweeper after a failure; tell whether it goes on, so that the source need not.

        A failure that stands in the ledger is heard of by this look: it is taken from the sweeper, and is the
        source's.
        """
        if claimed.due_shard is None:
            return False
        found = self.ledger.get(claimed.job_id)
        if found is not None and found.state == "failed" and found.due_shard is not None:
            with suppress(ConditionFailedError):  # another delivery is at it
                self.ledger.acknowledge(found)
            return False
        return found is not None and (found.due_shard is not None or found.state == "succeeded")

    def _taken(self, first: Execution, record: CallRecord, request_id: str) -> Execution | None:
        """Take over what an earlier delivery left."""
        if first.is_held(self.ledger.now()):
            return self._left(first, record)
        if first.state == "running" and first.on_lost == "fail":
            self.ledger.mark_dead(first.job_id, first.owner, OUTCOME_UNKNOWN)
        if first.state == "failed" and first.on_lost == "fail":
            raise InvocationError("This record's function failed, and must not run twice")
        if first.state == "dead" or (first.state == "running" and first.on_lost == "fail"):
            if record.swept:  # the sweeper tells of it
                return None
            raise InvocationError("The outcome of this record is not known", error_type=OUTCOME_UNKNOWN)
        try:
            also = {"due_shard": shard_of(first.job_id)} if record.swept else _covering(record)
            return self.ledger.take_over(first, request_id, self.lease_seconds, also)
        except ConditionFailedError:
            raise UnderWayError(round(self.lease_seconds)) from None

    def _left(self, first: Execution, record: CallRecord) -> None:
        """Leave it to whoever holds it; raises UnderWayError when its source has to ask again."""
        if not record.swept:
            raise UnderWayError((first.due_at or 0) - self.ledger.now())

    def _stored(self, execution: Execution) -> Execution:
        key = content_key(execution.job_id, execution.effect)
        kept = self.payloads.store("content", key, execution.content or "")
        return execution._replace(content=kept.get("content"), content_at=kept.get("content_at"))

    def _new(self, record: CallRecord, function: Function, content: str, request_id: str) -> Execution:
        policy = ExecutionPolicy.from_config(function.configuration.get("config") or {})
        now = self.ledger.now()
        return new_execution(
            {
                "job_id": self.keys.digest(*record.id, record.endpoint_id, record.function),
                "state": "running",
                "owner": self.ledger.new_token(),
                "effect": self.ledger.new_token(),
                "attempts": 1,
                "endpoint_id": record.endpoint_id,
                "area": function.area,
                "function": function.name,
                "aws_lambda_arn": function.aws_lambda_arn,
                "setting": function.entry_setting,
                "principal": plain_digest(*record.id),
                "on_lost": policy.on_lost or "retry",
                "max_attempts": policy.max_attempts,
                "keep_seconds": record.keep_seconds,
                "backoff_seconds": policy.backoff_seconds,
                "request_id": request_id,
                "digest": plain_digest(content),
                "created_at": now,
                "due_at": self.ledger.lease_end(self.lease_seconds),
                "expires_at": now + record.keep_seconds,
                "content": content,
                "covers": record.covers,
            },
            is_swept=record.swept,
        )


def _covering(record: CallRecord) -> dict[str, str]:
    return {"covers": record.covers} if record.covers else {}
