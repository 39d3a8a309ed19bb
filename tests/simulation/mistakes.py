"""Mistakes that one could make in the ledger, each as a small change of the real code."""

from collections.abc import Callable, Mapping
from typing import Any, override

from silvaengine.aws.attribute_values import decode_row
from silvaengine.aws.table_client import Key, Row, TableReader
from silvaengine.errors import ConditionFailedError, SilvaEngineError
from silvaengine.ledger.digests import plain_digest
from silvaengine.ledger.dispatch import Dispatcher
from silvaengine.ledger.execution import Execution
from silvaengine.ledger.store import Ledger
from silvaengine.protocol.messages import ExecutionRef, ReplyTo, WorkerAnswer
from silvaengine.registry.model import Function
from silvaengine.tables import EXECUTIONS, Table
from silvaengine_http.executions import Executions, LedgerCall, accepted_answer
from silvaengine_http.response import Answer
from silvaengine_tasks.sweeper import Sweep, Sweeper
from silvaengine_worker.jobs import JobRunner, Note


class NoOwnerInTheCondition(Ledger):
    """Writes whoever comes."""

    @override
    def _move(
        self, job_id: str, owner: str, values: Row, *, remove: tuple[str, ...] = (), done: bool = False
    ) -> str:
        row = self._tables.get(EXECUTIONS, {"job_id": job_id}) or {}
        return super()._move(job_id, row.get("owner", owner), values, remove=remove, done=done)


class OneOwnerForAll(Ledger):
    """Takes the same token for every owner."""

    @override
    def _move(
        self, job_id: str, owner: str, values: Row, *, remove: tuple[str, ...] = (), done: bool = False
    ) -> str:
        fresh, self.new_token = self.new_token, lambda: owner
        try:
            return super()._move(job_id, owner, values, remove=remove, done=done)
        finally:
            self.new_token = fresh


class OwnTokenIsNotKnownAgain(Ledger):
    """Takes its own write, sent again, for another one's."""

    @override
    def _move(
        self, job_id: str, owner: str, values: Row, *, remove: tuple[str, ...] = (), done: bool = False
    ) -> str:
        writer = self._writer

        class Strict:
            def update(self, *arguments: Any, condition: str, **options: Any) -> Row:
                return writer.update(*arguments, condition="#owner = :seen", **options)

        self._writer = Strict()  # type: ignore[assignment]
        try:
            return super()._move(job_id, owner, values, remove=remove, done=done)
        finally:
            self._writer = writer


class LeaseShorterThanTheTimeout(Ledger):
    """Gives a holder up while it may still run."""

    @override
    def lease_end(self, seconds: float) -> int:
        return self.now() + 2


class LeaseWithoutMargin(Ledger):
    """Forgets that clocks differ."""

    @override
    def lease_end(self, seconds: float) -> int:
        return self.now() + round(seconds) - 10


class DeferForgetsTheTime(Ledger):
    """Gives an attempt back without saying when it is due."""

    @override
    def retry_later(self, job: ExecutionRef, owner: str, cause: str, seconds: float) -> None:
        values = {"state": "accepted", "cause": cause}
        self._move(job.job_id, owner, self._changed(values), done=True)


class ReleasedStaysAlive(Ledger):
    """Takes what is gone for what is there."""

    @override
    def get(self, job_id: str) -> Execution | None:
        row = self._tables.get(EXECUTIONS, {"job_id": job_id})
        return Execution.of(row) if row else None

    @override
    def accept(self, execution: Execution) -> Execution | None:
        found = self.get(execution.job_id)
        return found or super().accept(execution)


class FenceStands(Ledger):
    """Hands out the same number again."""

    @override
    def dispatch(self, execution: Execution) -> Execution:
        return super().dispatch(execution._replace(fence=execution.fence - 1))


class EventualRead(TableReader):
    """Reads what was, not what is."""

    @override
    def get(self, table: Table, key: Key) -> Row | None:
        encoded = {name: {"S": value} for name, value in key.items()}
        answer = self._open_api().call("GetItem", {"TableName": f"se-{table.name}", "Key": encoded}, "")
        return decode_row(answer["Item"]) if "Item" in answer else None


class NoTenantInTheKey(Executions):
    """Makes the id of key, principal and function."""

    @override
    def _new(self, order: LedgerCall) -> Execution:
        shared = super()._new(order._replace(endpoint_id="all"))
        return shared._replace(endpoint_id=order.endpoint_id)


class NoPrincipalInTheKey(Executions):
    """Makes the id of tenant, key and function."""

    @override
    def _new(self, order: LedgerCall) -> Execution:
        return super()._new(order._replace(principal="anybody"))


class NoFunctionInTheKey(Executions):
    """Makes the id of tenant, principal and key."""

    @override
    def _new(self, order: LedgerCall) -> Execution:
        made = super()._new(order)
        if order.key is None:
            return made
        return made._replace(job_id=self.keys.digest(order.endpoint_id, order.principal, order.key))


class TokenReused(Dispatcher):
    """Names the effects of all calls of a principal alike."""

    @override
    def send(
        self,
        execution: Execution,
        function: Function,
        *,
        deadline: float | None = None,
        socket: ReplyTo | None = None,
    ) -> None:
        super().send(
            execution._replace(effect=execution.principal), function, deadline=deadline, socket=socket
        )


class BodyNotCompared(Executions):
    """Answers any request under a used key."""

    @override
    def _repeat(self, order: LedgerCall, first: Execution) -> Answer:
        return super()._repeat(order._replace(body=""), first._replace(digest=plain_digest("")))


class AcceptedBeforeItIsWritten(Executions):
    """Answers 202 although the ledger refused."""

    @override
    def serve(self, order: LedgerCall) -> Answer:
        try:
            return super().serve(order)
        except SilvaEngineError:
            if not order.is_async:
                raise
            return accepted_answer(self.ledger.new_token(), order.status_url)


class ForgetsTheKeyAfterAnyFailure(Executions):
    """Takes an acceptance back although the worker may run."""

    @override
    def _start(self, order: LedgerCall, execution: Execution) -> Answer:
        try:
            return super()._start(order, execution)
        except SilvaEngineError:
            self._undo(execution)
            raise


class TakesOverWhatMayHaveRun(Executions):
    """Runs a lost call again, whatever was promised."""

    @override
    def _repeat(self, order: LedgerCall, first: Execution) -> Answer:
        return super()._repeat(order, first._replace(on_lost="retry"))


class TakesOverWhatIsHeld(Executions):
    """Doesn't wait for the end of a holder's time."""

    @override
    def _repeat(self, order: LedgerCall, first: Execution) -> Answer:
        due = 0 if first.state == "running" else first.due_at
        return super()._repeat(order, first._replace(due_at=due))


class RunsWithoutAClaim(JobRunner):
    """Runs every delivery."""

    @override
    def run(
        self, job: ExecutionRef, seconds: float, attempt: Callable[[], WorkerAnswer], note: Note
    ) -> WorkerAnswer | None:
        try:
            owner = self._ledger.claim(job, seconds)
        except ConditionFailedError:
            owner = job.owner
        return super().run(job._replace(owner=owner, claimed=True), seconds, attempt, note)


class SettlesBeforeTheEffect(JobRunner):
    """Notes the success first."""

    @override
    def run(
        self, job: ExecutionRef, seconds: float, attempt: Callable[[], WorkerAnswer], note: Note
    ) -> WorkerAnswer | None:
        owner = job.owner if job.claimed else self._ledger.claim(job, seconds)
        self._ledger.settle(job, owner, "succeeded", {"result": "{}"})
        return attempt()


class SwallowsTheException(JobRunner):
    """Takes a failure for a result."""

    @override
    def _settle(self, job: ExecutionRef, owner: str, answer: WorkerAnswer) -> None:
        super()._settle(job, owner, WorkerAnswer("json", answer.value))


class FailsAtOnce(JobRunner):
    """Never tries again."""

    @override
    def _settle(self, job: ExecutionRef, owner: str, answer: WorkerAnswer) -> None:
        super()._settle(job._replace(claimed=True), owner, answer)


class SweepsWithoutAClaim(Sweeper):
    """Hands over what it saw, without taking it first."""

    @override
    def _hand_over(self, execution: Execution, sweep: Sweep) -> str:
        function = self._registry.function_of(None, execution.function)  # type: ignore[arg-type]
        self._dispatcher.send(execution, function)
        return "dispatched"


class SweepsWhatMayHaveRun(Sweeper):
    """Runs a lost execution again, whatever was promised."""

    @override
    def _hopeless(self, execution: Execution) -> str | None:
        return super()._hopeless(execution._replace(on_lost="retry"))


class NeverGivesUp(Sweeper):
    """Knows no last attempt."""

    @override
    def _hopeless(self, execution: Execution) -> str | None:
        return super()._hopeless(execution._replace(attempts=0))


class BuriesBeforeItTells(Sweeper):
    """Takes a dead one out of the index, and then tells of it."""

    @override
    def _tell(self, execution: Execution) -> str:
        self._ledger.acknowledge(execution)
        self._dead_letters(execution)
        return "buried"


class TellsNobody(Sweeper):
    """Lets the dead lie."""

    @override
    def _tell(self, execution: Execution) -> str:
        self._ledger.acknowledge(execution)
        return "buried"


MISTAKES: Mapping[str, dict[str, type]] = {
    each.__name__: {part: each}
    for part, classes in {
        "ledger": (
            NoOwnerInTheCondition,
            OneOwnerForAll,
            OwnTokenIsNotKnownAgain,
            LeaseShorterThanTheTimeout,
            LeaseWithoutMargin,
            DeferForgetsTheTime,
            ReleasedStaysAlive,
            FenceStands,
        ),
        "reader": (EventualRead,),
        "executions": (
            NoTenantInTheKey,
            NoPrincipalInTheKey,
            NoFunctionInTheKey,
            BodyNotCompared,
            AcceptedBeforeItIsWritten,
            ForgetsTheKeyAfterAnyFailure,
            TakesOverWhatMayHaveRun,
            TakesOverWhatIsHeld,
        ),
        "dispatcher": (TokenReused,),
        "jobs": (RunsWithoutAClaim, SettlesBeforeTheEffect, SwallowsTheException, FailsAtOnce),
        "sweeper": (
            SweepsWithoutAClaim,
            SweepsWhatMayHaveRun,
            NeverGivesUp,
            BuriesBeforeItTells,
            TellsNobody,
        ),
    }.items()
    for each in classes
}
