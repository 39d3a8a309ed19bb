"""The ledger's transitions: each is one conditional write that names the owner.

A row has one owner at a time, a random token. Whoever moves it names the token that it saw and puts another
in its place, so that of two who saw the same only the first one moves: a duplicate, a late writer and a
second sweeper are all refused by the same condition. A write whose answer was lost is sent again by the
client; it finds its own new token there and succeeds, so that it isn't taken for somebody else's.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from silvaengine.aws.table_client import Row, TableReader, TableWriter, open_table_reader, open_table_writer
from silvaengine.errors import ConditionFailedError
from silvaengine.ledger.execution import DAY, Execution, State, new_token, shard_of
from silvaengine.protocol.messages import ExecutionRef
from silvaengine.settings import Settings
from silvaengine.tables import DUE_INDEX, EXECUTIONS

DISPATCH_SECONDS = 90  # a worker's event lives 60 s at the most; 30 more for the claim and for skewed clocks
UNHEARD_SECONDS = 60  # for a caller to hear of a failure, and to leave it to its source
SKEW_SECONDS = 10  # two clocks, each at most 5 s off
MARGIN_SECONDS = 15  # of a lease beyond its holder's own end: the skew, and time to settle
DEAD_SECONDS = 14 * DAY  # as long as a queue can keep the message that tells of it


class Ledger:
    """Moves executions.

    Args:
        tables: reads rows consistently.
        writer: writes rows on a condition.
        clock: epoch seconds.
        new_token: makes a token that nobody can guess.
    """

    def __init__(
        self,
        tables: TableReader,
        writer: TableWriter,
        *,
        clock: Callable[[], float] = time.time,
        new_token: Callable[[], str] = new_token,
    ) -> None:
        self._tables = tables
        self._writer = writer
        self._clock = clock
        self.new_token = new_token

    def now(self) -> int:
        """Whole epoch seconds."""
        return int(self._clock())

    def get(self, job_id: str) -> Execution | None:
        """Read an execution consistently; None when there is none or its time is over."""
        row = self._tables.get(EXECUTIONS, {"job_id": job_id})
        execution = Execution.of(row) if row else None
        return None if execution is None or execution.is_gone(self.now()) else execution

    def accept(self, execution: Execution) -> Execution | None:
        """Write a new execution; return the one that stands in its place, None when it is this one.

        Raises:
            UnavailableError: the row may have been written.
        """
        vacant = "attribute_not_exists(#job_id) OR #expires_at <= :now"
        for _ in range(2):
            try:
                self._writer.put(
                    EXECUTIONS, execution.row(), condition=vacant, values={"now": execution.created_at}
                )
            except ConditionFailedError:
                found = self.get(execution.job_id)
                if found is not None:
                    return None if found.effect == execution.effect else found
            else:
                return None
        raise ConditionFailedError("Somebody else uses this key at the same time")

    def release(self, execution: Execution) -> None:
        """Undo an acceptance of which nothing was started: the row counts as gone from now on."""
        over = {"expires_at": self.now() - SKEW_SECONDS}
        self._move(execution.job_id, execution.owner, over, done=True)

    def unclaim(self, execution: Execution) -> None:
        """Return back a claim under which nothing was started: the next caller may take it over at once."""
        back: Row = {"state": "accepted", "due_at": self.now()}
        self._move(execution.job_id, execution.owner, self._changed(back), remove=("due_shard",))

    def claim(self, job: ExecutionRef, seconds: float) -> str:
        """Begin an attempt that ends, one way or another, within so many seconds; return the holder's token.

        Raises:
            ConditionFailedError: somebody else has, or had, this attempt.
        """
        values = {"state": "running", "attempts": job.attempt, "due_at": self.lease_end(seconds)}
        return self._move(job.job_id, job.owner, self._changed(values))

    def settle(self, job: ExecutionRef, owner: str, state: State, result: Mapping[str, str]) -> None:
        """End it: ``succeeded``, or ``failed`` when that is the function's answer.

        A failure that is ``kept_due`` is the sweeper's in a minute, unless its caller buries it.

        Args:
            job: what was claimed.
            owner: the holder's token.
            state: one of the two.
            result: ``result`` or ``result_at``.

        Raises:
            ConditionFailedError: the holder's lease was over and somebody else has taken it.
        """
        values = {"state": state, **result, "expires_at": self.now() + job.keep_seconds}
        is_due = job.kept_due and state == "failed"
        if is_due:
            values["due_at"] = self.now() + UNHEARD_SECONDS
        self._move(job.job_id, owner, self._changed(values), done=not is_due)

    def retry_later(self, job: ExecutionRef, owner: str, cause: str, seconds: float) -> None:
        """Return a failed attempt back, for another one in so many seconds; raises what ``settle`` raises."""
        values = {"state": "accepted", "cause": cause, "due_at": self.now() + round(seconds)}
        self._move(job.job_id, owner, self._changed(values))

    def mark_dead(self, job_id: str, owner: str, cause: str, result: Mapping[str, str] | None = None) -> str:
        """Mark it dead; it stays due until ``acknowledge`` ends that. Return the next owner's token."""
        values = {"state": "dead", "cause": cause, **(result or {}), "due_at": self.now()}
        return self._move(job_id, owner, self._changed(values | {"expires_at": self.now() + DEAD_SECONDS}))

    def dispatch(self, execution: Execution) -> Execution:
        """Take an execution whose holder's time is over, to hand it to a worker; give it as it is now."""
        taken: Row = {
            "state": "accepted",
            "fence": execution.fence + 1,
            "due_at": self.now() + DISPATCH_SECONDS,
        }
        if execution.state != "accepted":
            taken = self._changed(taken)
        return execution._replace(**taken, owner=self._move(execution.job_id, execution.owner, taken))

    def take_over(
        self, execution: Execution, request_id: str, seconds: float, also: Row | None = None
    ) -> Execution:
        """Take an execution whose holder's time is over, for a caller who waits; give it as it is now.

        Args:
            execution: as it was read.
            request_id: of this attempt.
            seconds: that the attempt may take.
            also: further members that it has from now on.
        """
        taken: Row = {
            "state": "running",
            "fence": execution.fence + 1,
            "attempts": execution.attempts + 1,
            "due_at": self.lease_end(seconds),
            "request_id": request_id,
            **(also or {}),
        }
        taken = self._changed(taken)
        return execution._replace(**taken, owner=self._move(execution.job_id, execution.owner, taken))

    def reschedule(self, execution: Execution, seconds: float) -> Execution:
        """Let an execution wait so many seconds more before the sweeper sees it again."""
        due: Row = {"due_at": self.now() + round(seconds)}
        return execution._replace(**due, owner=self._move(execution.job_id, execution.owner, due))

    def acknowledge(self, execution: Execution) -> None:
        """Note that a dead or failed one was told; the sweeper never sees it again."""
        self._move(execution.job_id, execution.owner, {}, done=True)

    def requeue(self, execution: Execution) -> None:
        """Accept a dead or failed one anew, with all its attempts; the sweeper hands it to a worker.

        Raises:
            ConditionFailedError: somebody else has moved it.
        """
        values = {"state": "accepted", "attempts": 0, "due_at": self.now()}
        values |= {"due_shard": shard_of(execution.job_id)}
        gone = ("result", "result_at", "cause", "expires_at")
        self._move(execution.job_id, execution.owner, self._changed(values), remove=gone)

    def due(self, shard: str, limit: int) -> list[Execution]:
        """Read executions of one shard whose holder's time is over, the longest due first.

        The index lags behind: what it names is read again from the table, and what isn't due any more is left
        out. A row that nobody accepted is taken out of the index.
        """
        now = self.now()
        names = self._tables.query_index(EXECUTIONS, DUE_INDEX, shard, up_to=now, limit=limit)
        keys = [(EXECUTIONS, {"job_id": name["job_id"]}) for name in names]
        rows = [row for row in self._tables.batch_get(keys) if row] if keys else []
        found = []
        for row in rows:
            execution = Execution.of(row)
            if execution is None:
                self._drop(row)
            elif execution.due_shard and execution.due_at is not None and execution.due_at <= now:
                found.append(execution)
        return found

    def _drop(self, row: Row) -> None:
        change = "SET #expires_at = :now REMOVE #due_shard, #due_at"
        key = {"job_id": row["job_id"]}
        self._writer.update(
            EXECUTIONS,
            key,
            change,
            condition="attribute_not_exists(#endpoint_id)",
            values={"now": self.now()},
        )

    def lease_end(self, seconds: float) -> int:
        """Return the epoch second at which a holder who needs so many seconds is given up."""
        return self.now() + round(seconds) + MARGIN_SECONDS

    def _changed(self, values: Row) -> Row:
        return values | {"changed_at": self.now()}

    def _move(
        self, job_id: str, owner: str, values: Row, *, remove: tuple[str, ...] = (), done: bool = False
    ) -> str:
        """Change a row in its owner's name and give the next owner's; with ``done`` it is due no more."""
        moved = {**values, "owner": self.new_token()}
        if done:
            remove = (*remove, "due_shard", "due_at")
        change = "SET " + ", ".join(f"#{name} = :{name}" for name in moved)
        if remove:
            change += " REMOVE " + ", ".join(f"#{name}" for name in remove)
        self._writer.update(
            EXECUTIONS,
            {"job_id": job_id},
            change,
            condition="#owner = :seen OR #owner = :owner",
            values={**moved, "seen": owner},
        )
        return str(moved["owner"])


def open_ledger(settings: Settings) -> Ledger:
    """Return the account's ledger."""
    tables = open_table_reader(settings.region, settings.table_prefix)
    return Ledger(tables, open_table_writer(settings.region, settings.table_prefix))


def new_execution(execution: Mapping[str, Any], *, swept: bool = True) -> Execution:
    """Return an execution that is about to be accepted, with its first tokens.

    Args:
        execution: its members, but for those that every new one has.
        swept: whether the sweeper looks after it; a source with a retry of its own does so itself.
    """
    job_id = execution["job_id"]
    shard = shard_of(job_id) if swept else None
    first = {"fence": 1, "changed_at": execution["created_at"], "due_shard": shard}
    return Execution(**{**first, **execution})
