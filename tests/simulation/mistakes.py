"""Mistakes that one could make in the ledger, each as a small change of the real code."""

from collections.abc import Callable, Mapping
from typing import Any, override

from silvaengine.aws.attribute_values import decode_row
from silvaengine.aws.lambda_invoker import LambdaInvoker
from silvaengine.aws.table_client import Key, Row, TableReader
from silvaengine.errors import ConditionFailedError, InvocationError, NotStartedError, SilvaEngineError
from silvaengine.ledger.digests import plain_digest
from silvaengine.ledger.dispatch import Dispatcher
from silvaengine.ledger.execution import Execution
from silvaengine.ledger.store import Ledger
from silvaengine.protocol.messages import ExecutionRef, ReplyTo, WorkerResponse
from silvaengine.registry.model import Function, FunctionEntry
from silvaengine.tables import EXECUTIONS, Table
from silvaengine_http.executions import Executions, LedgerCall, accepted_response
from silvaengine_http.response import Response
from silvaengine_tasks.sweeper import Sweep, Sweeper
from silvaengine_worker.executions import Attempt, ExecutionRunner, Note
from silvaengine_worker.results import Outcome


class NoOwnerInTheCondition(Ledger):
    """Writes whatever token the row has."""

    @override
    def _move(self, job_id: str, owner: str, values: Row) -> str:
        row = self._tables.get(EXECUTIONS, {"job_id": job_id}) or {}
        return super()._move(job_id, row.get("owner", owner), values)


class OneOwnerForAll(Ledger):
    """Uses the same token for every owner."""

    @override
    def _move(self, job_id: str, owner: str, values: Row) -> str:
        fresh, self.new_token = self.new_token, lambda: owner
        try:
            return super()._move(job_id, owner, values)
        finally:
            self.new_token = fresh


class OwnTokenIsNotRecognized(Ledger):
    """Mistakes its own write, sent again, for another's."""

    @override
    def _move(self, job_id: str, owner: str, values: Row) -> str:
        writer = self._writer

        class Strict:
            def update(self, *arguments: Any, condition: str, **options: Any) -> Row:
                return writer.update(*arguments, condition="#owner = :seen", **options)

        self._writer = Strict()  # type: ignore[assignment]
        try:
            return super()._move(job_id, owner, values)
        finally:
            self._writer = writer


class LeaseShorterThanTheTimeout(Ledger):
    """Ends a lease while its holder may still run."""

    @override
    def lease_end(self, seconds: float) -> int:
        return self.now() + 2


class LeaseWithoutMargin(Ledger):
    """Allows no difference between clocks."""

    @override
    def lease_end(self, seconds: float) -> int:
        return self.now() + round(seconds) - 10


class RetryForgetsTheTime(Ledger):
    """Returns an attempt without a time at which it is due."""

    @override
    def retry_later(self, job: ExecutionRef, owner: str, cause: str, seconds: float) -> None:
        values = {"state": "accepted", "cause": cause, "due_at": None}
        self._move(job.job_id, owner, self._with_change(values))


class CancelledStaysAlive(Ledger):
    """Returns rows that have expired."""

    @override
    def get(self, job_id: str) -> Execution | None:
        row = self._tables.get(EXECUTIONS, {"job_id": job_id})
        return Execution.from_row(row) if row else None

    @override
    def accept(self, execution: Execution) -> Execution | None:
        found = self.get(execution.job_id)
        return found or super().accept(execution)


class FenceStaysTheSame(Ledger):
    """Uses the same number again."""

    @override
    def take_over_for_event(self, execution: Execution) -> Execution:
        return super().take_over_for_event(execution._replace(fence=execution.fence - 1))


class SweepsForAllStacks(Ledger):
    """Takes up what another stack has accepted, and postpones it since it can't reach the worker."""

    @override
    def _due_since(self, stack: object, now: int) -> int:
        return now


class EventualRead(TableReader):
    """Reads an earlier state."""

    @override
    def get(self, table: Table, key: Key) -> Row | None:
        encoded = {name: {"S": value} for name, value in key.items()}
        response = self._open_api().call("GetItem", {"TableName": f"se-{table.name}", "Key": encoded}, "")
        return decode_row(response["Item"]) if "Item" in response else None


class NoTenantInTheKey(Executions):
    """Makes the id from key, principal and function."""

    @override
    def _new(self, call: LedgerCall) -> Execution:
        shared = super()._new(call._replace(endpoint_id="all"))
        return shared._replace(endpoint_id=call.endpoint_id)


class NoPrincipalInTheKey(Executions):
    """Makes the id from tenant, key and function."""

    @override
    def _new(self, call: LedgerCall) -> Execution:
        return super()._new(call._replace(caller="anybody"))


class NoFunctionInTheKey(Executions):
    """Makes the id from tenant, principal and key."""

    @override
    def _new(self, call: LedgerCall) -> Execution:
        made = super()._new(call)
        if call.key is None:
            return made
        return made._replace(job_id=self._digests.digest(call.endpoint_id, call.caller, call.key))


class AnotherKeyInEachStack(Executions):
    """Makes ids under a secret of the stack's own."""

    @override
    def _new(self, call: LedgerCall) -> Execution:
        made = super()._new(call)
        if call.key is None:
            return made
        return made._replace(job_id=self._digests.digest(made.stack, made.job_id))


class TokenReused(Dispatcher):
    """Uses one token for the effects of all calls of a principal."""

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


class FollowsThePointer(Dispatcher):
    """Takes a call over with the release that serves by then."""

    @override
    def pinned(self, execution: Execution, function: Function) -> Function:
        return function


class ServerErrorRanNothing(LambdaInvoker):
    """Takes a failure of Lambda for a call that didn't begin."""

    @override
    def invoke(self, arn: str, payload: str, **options: Any) -> bytes:
        try:
            return super().invoke(arn, payload, **options)
        except InvocationError as error:
            if error.error_type != "ServiceException":
                raise
            raise NotStartedError(error.message) from error


class BodyNotCompared(Executions):
    """Answers any request that has a used key."""

    @override
    def _repeat(self, call: LedgerCall, first: Execution) -> Response:
        return super()._repeat(call._replace(body=""), first._replace(digest=plain_digest("")))


class AcceptedBeforeItIsWritten(Executions):
    """Answers 202 although the ledger refused."""

    @override
    def serve(self, call: LedgerCall) -> Response:
        try:
            return super().serve(call)
        except SilvaEngineError:
            if not call.is_async:
                raise
            return accepted_response(self.ledger.new_token(), call.status_url)


class ForgetsTheKeyAfterAnyFailure(Executions):
    """Cancels an acceptance although the worker may run."""

    @override
    def _start(self, call: LedgerCall, execution: Execution) -> Response:
        try:
            return super()._start(call, execution)
        except SilvaEngineError:
            self.ledger.undo(execution)
            raise


class TakesOverWhatMayHaveRun(Executions):
    """Runs a lost call again, whatever was promised."""

    @override
    def _repeat(self, call: LedgerCall, first: Execution) -> Response:
        return super()._repeat(call, first._replace(on_lost="retry"))


class TakesOverWhatIsHeld(Executions):
    """Doesn't wait for the end of the lease."""

    @override
    def _repeat(self, call: LedgerCall, first: Execution) -> Response:
        due = 0 if first.state == "running" else first.due_at
        return super()._repeat(call, first._replace(due_at=due))


class RunsWithoutAClaim(ExecutionRunner):
    """Runs every delivery."""

    @override
    def run(self, job: ExecutionRef, seconds: float, attempt: Attempt, note: Note) -> WorkerResponse | None:
        try:
            owner = self._ledger.begin(job, seconds)
        except ConditionFailedError:
            owner = job.owner
        return super().run(job._replace(owner=owner, claimed=True), seconds, attempt, note)


class SettlesBeforeTheEffect(ExecutionRunner):
    """Settles the success first."""

    @override
    def run(self, job: ExecutionRef, seconds: float, attempt: Attempt, note: Note) -> WorkerResponse | None:
        owner = job.owner if job.claimed else self._ledger.begin(job, seconds)
        self._ledger.settle(job, owner, "succeeded", {"result": "{}"})
        return attempt(lambda: False).response


class SwallowsTheException(ExecutionRunner):
    """Settles a failure as a result."""

    @override
    def _settle(self, job: ExecutionRef, owner: str, outcome: Outcome) -> None:
        super()._settle(job, owner, Outcome.of(WorkerResponse("json", outcome.response.value)))


class FailsAtOnce(ExecutionRunner):
    """Never retries."""

    @override
    def _settle(self, job: ExecutionRef, owner: str, outcome: Outcome) -> None:
        super()._settle(job._replace(claimed=True), owner, outcome)


class SweepsWithoutAClaim(Sweeper):
    """Sends what it read, without taking it over first."""

    @override
    def _dispatch(self, execution: Execution, sweep: Sweep) -> str:
        entry = FunctionEntry(execution.aws_lambda_arn, execution.setting)
        function = self._registry.function_for_entry(entry, execution.function)
        self._dispatcher.send(execution, function)
        return "dispatched"


class SweepsWhatMayHaveRun(Sweeper):
    """Runs a lost execution again, whatever was promised."""

    @override
    def _cause_of_death(self, execution: Execution) -> str | None:
        return super()._cause_of_death(execution._replace(on_lost="retry"))


class IgnoresTheLastAttempt(Sweeper):
    """Retries without end."""

    @override
    def _cause_of_death(self, execution: Execution) -> str | None:
        return super()._cause_of_death(execution._replace(attempts=0))


class AcknowledgesBeforeItTells(Sweeper):
    """Takes a dead execution out of the index before it reports it."""

    @override
    def _publish_dead_letter(self, execution: Execution) -> str:
        self._ledger.acknowledge(execution)
        self._send_dead_letter(execution)
        return "buried"


class ReportsNothing(Sweeper):
    """Takes a dead execution out of the index without a report."""

    @override
    def _publish_dead_letter(self, execution: Execution) -> str:
        self._ledger.acknowledge(execution)
        return "buried"


class FailsAtARowThatCantBeRead(Sweeper):
    """Lets one row end the run."""

    @override
    def _try_unlist(self, job_id: str, shard: str) -> str:
        raise TypeError(job_id)


class LeavesWhatCantBeRead(Sweeper):
    """Passes over a row in every run."""

    @override
    def _try_unlist(self, job_id: str, shard: str) -> str:
        return "unreadable"


class TakesUpTheLongestDue(Sweeper):
    """Takes up whatever is due first, whoever's it is."""

    @override
    def run(self, has_time: Callable[[], bool], limit: int = 0, share: int = 0) -> Sweep:
        return super().run(has_time, limit, share=limit)


MISTAKES: Mapping[str, dict[str, type]] = {
    each.__name__: {part: each}
    for part, classes in {
        "ledger": (
            NoOwnerInTheCondition,
            OneOwnerForAll,
            OwnTokenIsNotRecognized,
            LeaseShorterThanTheTimeout,
            LeaseWithoutMargin,
            RetryForgetsTheTime,
            CancelledStaysAlive,
            FenceStaysTheSame,
            SweepsForAllStacks,
        ),
        "reader": (EventualRead,),
        "executions": (
            NoTenantInTheKey,
            NoPrincipalInTheKey,
            NoFunctionInTheKey,
            AnotherKeyInEachStack,
            BodyNotCompared,
            AcceptedBeforeItIsWritten,
            ForgetsTheKeyAfterAnyFailure,
            TakesOverWhatMayHaveRun,
            TakesOverWhatIsHeld,
        ),
        "dispatcher": (TokenReused, FollowsThePointer),
        "invoker": (ServerErrorRanNothing,),
        "jobs": (RunsWithoutAClaim, SettlesBeforeTheEffect, SwallowsTheException, FailsAtOnce),
        "sweeper": (
            SweepsWithoutAClaim,
            SweepsWhatMayHaveRun,
            IgnoresTheLastAttempt,
            AcknowledgesBeforeItTells,
            ReportsNothing,
            FailsAtARowThatCantBeRead,
            LeavesWhatCantBeRead,
            TakesUpTheLongestDue,
        ),
    }.items()
    for each in classes
}
