"""The ledger's transitions: each is one conditional write that names the owner.

A row has one owner at a time, a random token. A transition names the token that it read and replaces it, so
that of two writers that read the same token only the first one succeeds: a duplicate, a late writer and a
second sweeper are all refused by the same condition. The client sends a write again when its response was
lost; the write then finds its own new token and succeeds.
"""

import logging
import time
from collections.abc import Callable, Mapping
from os import urandom
from typing import TYPE_CHECKING

from silvaengine.aws.json_api import Members
from silvaengine.aws.table_client import Row, TableReader, TableWriter, open_table_reader, open_table_writer
from silvaengine.errors import ConditionFailedError, UnavailableError
from silvaengine.ledger.execution import DAY, Execution, State, shard_of
from silvaengine.named_tuple import NamedTuple
from silvaengine.protocol.messages import ExecutionRef, OnLost
from silvaengine.settings import Settings
from silvaengine.tables import DUE_INDEX, EXECUTIONS

if TYPE_CHECKING:
    from silvaengine.registry.model import Function

# A worker's event lives at most 60 s; 30 more for the worker to begin and for skewed clocks.
DISPATCH_SECONDS = 90
LONGEST_RUN_SECONDS = 900  # of a Lambda: docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
ACKNOWLEDGE_SECONDS = 60  # for a waiting caller to acknowledge a failure before the sweeper retries it
SKEW_SECONDS = 10  # two clocks, each at most 5 s off
LEASE_MARGIN_SECONDS = 15  # of a lease beyond its holder's time-out: the skew, and time to settle
DEAD_SECONDS = 14 * DAY  # as long as a queue can keep the message about it
ORPHANED_SECONDS = 3600  # overdue: then the stack that accepted an execution is gone, or can't sweep
OUTCOME_UNKNOWN = "outcome_unknown"  # the cause of a lost attempt that must not be repeated
WITHDRAWN = "Withdrawn"  # the cause of a job that its caller cancelled

UNLISTED: Row = {"due_at": None}  # by the attribute that the worker may write

_logger = logging.getLogger(__name__)


class DuePage(NamedTuple):
    """A page of a shard.

    Args:
        executions: what is due, by job id; None for a row that can't be read.
        end: where the next page begins; None for the last one.
    """

    executions: Mapping[str, Execution | None]
    end: Members | None


class Ledger:
    """The table of executions.

    Args:
        tables: reads rows consistently.
        writer: writes rows on a condition.
        clock: returns epoch seconds.
        new_token: returns an unguessable token: 128 random bits as 32 hex digits by default.
        stack: the name of the stack, for what it accepts; None outside of one.
    """

    def __init__(
        self,
        tables: TableReader,
        writer: TableWriter,
        *,
        clock: Callable[[], float] = time.time,
        new_token: Callable[[], str] = lambda: urandom(16).hex(),
        stack: str | None = None,
    ) -> None:
        self._tables = tables
        self._writer = writer
        self._clock = clock
        self.new_token = new_token
        self._stack = stack

    def now(self) -> int:
        """Return the current time in whole epoch seconds."""
        return int(self._clock())

    def get(self, job_id: str) -> Execution | None:
        """Return an execution, read consistently; None if there is none or it has expired."""
        row = self._tables.get(EXECUTIONS, {"job_id": job_id})
        execution = Execution.from_row(row) if row else None
        return None if execution is None or execution.is_gone(self.now()) else execution

    def new(
        self,
        function: "Function",
        endpoint_id: str,
        request_id: str,
        traceparent: str | None,
        *,
        principal: str,
        digest: str,
        content: str,
        on_lost: OnLost,
        job_id: str | None = None,
        lease_seconds: float | None = None,
        keep_seconds: int | None = None,
        is_swept: bool = True,
        covers: str | None = None,
    ) -> Execution:
        """Return an execution that is about to be accepted.

        Args:
            function: what is called; its policy goes before what this call asks for.
            endpoint_id: the tenant.
            request_id: of the call.
            traceparent: of the span that accepts it.
            principal: a digest of who calls.
            digest: of what makes two calls the same.
            content: a WorkerCall's.
            on_lost: what becomes of a lost attempt, where the function's policy doesn't say.
            job_id: the id that repetitions have, too; a new one without. That of a published function
                is put after its package's name.
            lease_seconds: how long the worker may run for a caller who waits; None to send it as an event.
            keep_seconds: how long the call can be repeated; None for what the policy says.
            is_swept: whether the sweeper looks after it, so that it is kept until it has ended; a source that
                retries by itself needs no sweeper.
            covers: the last stream record of the call.
        """
        now, policy = self.now(), function.policy
        job_id = self.new_token() if job_id is None else job_id
        if function.release is not None:
            job_id = f"{function.release.package}-{job_id}"
        waits = lease_seconds is not None
        execution = Execution(
            job_id=job_id,
            state="running" if waits else "accepted",
            owner=self.new_token(),
            effect=self.new_token(),
            fence=1,
            attempts=int(waits),
            endpoint_id=endpoint_id,
            area=function.area,
            function=function.name,
            aws_lambda_arn=function.aws_lambda_arn,
            setting=function.entry_setting_id,
            principal=principal,
            on_lost=policy.on_lost or on_lost,
            max_attempts=policy.max_attempts,
            keep_seconds=policy.keep_seconds if keep_seconds is None else keep_seconds,
            backoff_seconds=policy.backoff_seconds,
            request_id=request_id,
            digest=digest,
            created_at=now,
            changed_at=now,
            due_at=now + DISPATCH_SECONDS if lease_seconds is None else self.lease_end(lease_seconds),
            due_shard=shard_of(job_id) if is_swept else None,
            content=content,
            covers=covers,
            stack=self._stack,
            traceparent=traceparent,
        )
        expires_at = max(now + execution.keep_seconds, self._last_end(execution))
        return execution if is_swept else execution._replace(expires_at=expires_at)

    def accept(self, execution: Execution) -> Execution | None:
        """Write a new execution; return the earlier one with its id, None if the new one was written.

        Raises:
            UnavailableError: the row may have been written.
            ConditionFailedError: another request changed the row twice in between.
        """
        is_free = "attribute_not_exists(#job_id) OR #expires_at <= :now"
        for _ in range(2):
            try:
                self._writer.put(
                    EXECUTIONS, execution.to_row(), condition=is_free, values={"now": execution.created_at}
                )
            except ConditionFailedError:
                earlier = self.get(execution.job_id)
                if earlier is not None:
                    return None if earlier.effect == execution.effect else earlier
            else:
                return None
        raise ConditionFailedError("The execution is being changed by another request; try again")

    def cancel(self, execution: Execution) -> None:
        """Undo an acceptance that started nothing: the row counts as gone from now on."""
        expiry = {"expires_at": self.now() - SKEW_SECONDS}
        self._move(execution.job_id, execution.owner, expiry | UNLISTED)

    def undo(self, execution: Execution) -> bool:
        """Take back an execution that wasn't started; return False where a worker has it after all.

        While the ledger can't be reached that isn't known: then it counts as taken back, so that no client
        is told that it was accepted.
        """
        try:
            if execution.fence == 1:
                self.cancel(execution)
            else:  # an earlier attempt may have run: it stays accepted
                self.reschedule(execution, 0)
        except ConditionFailedError:
            return False
        except UnavailableError as error:
            _logger.warning("Execution %s could not be cancelled: %s", execution.job_id, error.detail)
        return True

    def withdraw(self, execution: Execution) -> None:
        """End a live execution on its caller's wish.

        One that no worker has begun never runs; what comes of a running attempt is discarded.

        Raises:
            ConditionFailedError: another writer has changed it, such as the worker that has just ended it.
        """
        values: Row = {"state": "dead", "cause": WITHDRAWN, "expires_at": self.now() + execution.keep_seconds}
        self._move(execution.job_id, execution.owner, self._with_change(values | UNLISTED))

    def unclaim(self, execution: Execution) -> None:
        """Undo a claim that started nothing: the next caller may take it over at once."""
        values = {"state": "accepted", "due_at": self.now(), "due_shard": None}
        values["expires_at"] = self.now() + execution.keep_seconds
        self._move(execution.job_id, execution.owner, self._with_change(values))

    def begin(self, job: ExecutionRef, seconds: float) -> str:
        """Begin an attempt that ends within so many seconds; return the holder's token.

        Raises:
            ConditionFailedError: another worker has, or had, this attempt.
        """
        values = {"state": "running", "attempts": job.attempt, "due_at": self.lease_end(seconds)}
        return self._move(job.job_id, job.owner, self._with_change(values))

    def settle(self, job: ExecutionRef, owner: str, state: State, result: Mapping[str, str]) -> None:
        """End an execution as ``succeeded``, or as ``failed`` if that is the function's response.

        With ``kept_due``, a failure that a waiting caller hasn't acknowledged within a minute is retried by
        the sweeper.

        Args:
            job: the claimed execution.
            owner: the holder's token.
            state: one of the two.
            result: ``result`` or ``result_at``.

        Raises:
            ConditionFailedError: the holder's lease was over and another one has taken it.
        """
        values: Row = {"state": state, **result}
        if job.kept_due and state == "failed":
            values["due_at"] = self.now() + ACKNOWLEDGE_SECONDS
        else:
            values |= UNLISTED | {"expires_at": self.now() + job.keep_seconds}
        self._move(job.job_id, owner, self._with_change(values))

    def holds(self, job_id: str, owner: str) -> bool:
        """Return whether this is still the holder of an execution; a write tells, to one who can't read."""
        try:
            condition, values = "#owner = :owner", {"owner": owner}
            key = {"job_id": job_id}
            self._writer.update(EXECUTIONS, key, "SET #owner = :owner", condition=condition, values=values)
        except ConditionFailedError:
            return False
        return True

    def retry_later(self, job: ExecutionRef, owner: str, cause: str, seconds: float) -> None:
        """Return a failed attempt for another one in so many seconds; raises like ``settle``."""
        values = {"state": "accepted", "cause": cause, "due_at": self.now() + round(seconds)}
        self._move(job.job_id, owner, self._with_change(values))

    def mark_dead(self, job_id: str, owner: str, cause: str, result: Mapping[str, str] | None = None) -> str:
        """Mark an execution dead, due until it is acknowledged; return the next owner's token."""
        due = {"due_at": self.now(), "expires_at": self.now() + DEAD_SECONDS}
        values: Row = {"state": "dead", "cause": cause, **(result or {}), **due}
        return self._move(job_id, owner, self._with_change(values))

    def take_over_for_event(self, execution: Execution) -> Execution:
        """Take over an execution whose lease has ended, to send it as an event; return it as it is now."""
        values: Row = {"state": "accepted", "due_at": self.now() + DISPATCH_SECONDS}
        if execution.state != "accepted":
            values = self._with_change(values)
        return self._take_over(execution, values)

    def take_over_for_caller(
        self,
        execution: Execution,
        request_id: str,
        traceparent: str | None,
        seconds: float,
        also: Row | None = None,
    ) -> Execution:
        """Take over an execution whose lease has ended, for a caller who waits; return it as it is now.

        Args:
            execution: the execution as it was read.
            request_id: the id of this attempt's request.
            traceparent: of the span that makes it.
            seconds: how long the attempt may take.
            also: further attributes to set.
        """
        values: Row = {
            "state": "running",
            "attempts": execution.attempts + 1,
            "due_at": self.lease_end(seconds),
            "request_id": request_id,
            "traceparent": traceparent,
            **(also or {}),
        }
        return self._take_over(execution, self._with_change(values))

    def reschedule(self, execution: Execution, seconds: float) -> Execution:
        """Hide an execution from the sweeper for so many seconds; return it as it is now."""
        due: Row = {"due_at": self.now() + round(seconds)}
        return execution._replace(**due, owner=self._move(execution.job_id, execution.owner, due))

    def acknowledge(self, execution: Execution) -> None:
        """Unlist a dead or failed execution after its report, so that the sweeper doesn't see it again."""
        is_kept = execution.state == "failed"  # until now, as ``settle`` left it
        expiry = {"expires_at": self.now() + execution.keep_seconds} if is_kept else {}
        self._move(execution.job_id, execution.owner, UNLISTED | expiry)

    def requeue(self, execution: Execution) -> None:
        """Accept a dead or failed execution again, with all its attempts; the sweeper sends it to a worker.

        Raises:
            ConditionFailedError: the row was modified concurrently.
        """
        values: Row = {"state": "accepted", "attempts": 0, "due_at": self.now()}
        values |= {"due_shard": shard_of(execution.job_id)}
        values |= dict.fromkeys(("result", "result_at", "cause", "expires_at"))
        self._move(execution.job_id, execution.owner, self._with_change(values))

    def due(self, shard: str, limit: int, start: Members | None = None) -> DuePage:
        """Return what is due of ``limit`` entries of a shard, the longest due first.

        The index lags behind: its rows are read again from the table, and those no longer due are left out.
        So are another stack's, which its own sweeper takes up, until they are ``ORPHANED_SECONDS`` overdue.

        Args:
            shard: the index's partition.
            limit: how many entries to read.
            start: an earlier page's ``end``; None for the first page.
        """
        now, due = self.now(), dict[str, Execution | None]()
        entries, end = self._tables.query_index(
            EXECUTIONS, DUE_INDEX, shard, up_to=now, limit=limit, start=start
        )
        keys = [(EXECUTIONS, {"job_id": entry["job_id"]}) for entry in entries]
        for entry, row in zip(entries, self._tables.batch_get(keys) if keys else (), strict=True):
            execution = Execution.from_row(row) if row else None
            if row is None or (execution and not execution.is_swept):
                continue
            due_at = (execution.due_at or 0) if execution else entry["due_at"]
            if due_at <= self._due_since(row.get("stack"), now):
                due[row["job_id"]] = execution
        return DuePage(due, end)

    def unlist(self, job_id: str, shard: str) -> None:
        """Take a row that can't be read out of the index; it expires like a dead one.

        Raises:
            ConditionFailedError: it is no longer due.
        """
        now = self.now()
        self._writer.update(
            EXECUTIONS,
            {"job_id": job_id},
            "SET #expires_at = :expires_at REMOVE #due_shard, #due_at",
            condition="#due_shard = :due_shard AND #due_at <= :now",
            values={"due_shard": shard, "now": now, "expires_at": now + DEAD_SECONDS},
        )

    def lease_end(self, seconds: float) -> int:
        """Return the epoch second at which the lease of a holder who needs so many seconds ends."""
        return self.now() + round(seconds) + LEASE_MARGIN_SECONDS

    def _with_change(self, values: Row) -> Row:
        return values | {"changed_at": self.now()}

    def _due_since(self, stack: object, now: int) -> int:
        """Return when a stack's row must have been due for this one to take it up."""
        return now - ORPHANED_SECONDS if isinstance(stack, str) and stack != self._stack else now

    def _take_over(self, execution: Execution, values: Row) -> Execution:
        """Write a takeover: what is swept is kept until it has ended, anything else past its lease."""
        values |= {"fence": execution.fence + 1}
        taken = execution._replace(**values)
        expires_at = None if taken.is_swept else max(taken.expires_at or 0, self._last_end(taken))
        values |= {"expires_at": expires_at}
        return execution._replace(**values, owner=self._move(execution.job_id, execution.owner, values))

    def _last_end(self, execution: Execution) -> int:
        """Return when the lease of the attempt that is about to be made is over by any clock."""
        end = (execution.due_at or 0) + SKEW_SECONDS
        if execution.state == "running":
            return end
        return end + LONGEST_RUN_SECONDS + LEASE_MARGIN_SECONDS  # the lease of a worker that begins it last

    def _move(self, job_id: str, owner: str, values: Row) -> str:
        """Change a row as its owner, and remove what is None; return the next owner's token."""
        attributes = {name: value for name, value in values.items() if value is not None}
        attributes |= {"owner": self.new_token()}
        change = "SET " + ", ".join([f"#{name} = :{name}" for name in attributes])
        if removed := [f"#{name}" for name, value in values.items() if value is None]:
            change += " REMOVE " + ", ".join(removed)
        self._writer.update(
            EXECUTIONS,
            {"job_id": job_id},
            change,
            condition="#owner = :seen OR #owner = :owner",
            values={**attributes, "seen": owner},
        )
        return str(attributes["owner"])


def open_ledger(settings: Settings) -> Ledger:
    """Return the deployment's ledger."""
    return Ledger(open_table_reader(settings), open_table_writer(settings), stack=settings.stack_name)
