"""Calling a function for a record: find it, claim it in the ledger, ask the worker, hear what became of it.

The worker settles the claim, so that a tasks Lambda that died leaves a result behind. What failed may be
called again: how often, the record's source decides.
"""

import json
import time
from collections.abc import Callable, Sequence
from os import urandom
from typing import Any, NamedTuple

from silvaengine.aws.lambda_invoker import LambdaInvoker
from silvaengine.errors import InvocationError, LoopError, SilvaEngineError
from silvaengine.ledger.dispatch import Dispatcher, TokenIssuer, nothing_ran
from silvaengine.ledger.execution import Execution
from silvaengine.observability.alerts import AlertPublisher
from silvaengine.protocol.messages import Invocation, WorkerAnswer, WorkerCall
from silvaengine.registry.model import Function
from silvaengine.registry.registry import Registry
from silvaengine.tables import DEFAULT_API_KEY
from silvaengine_tasks.claims import Claims, UnderWayError
from silvaengine_tasks.hooks import CallHooks, HookedCall
from silvaengine_tasks.records import CallRecord

SETTLE_SECONDS = 5.0  # what is left for the answer to the source


class Outcome(NamedTuple):
    """What became of a call.

    Args:
        covers: the last of the records that it was for, where it was for several.
        answer: the function's.
    """

    covers: str | None
    answer: WorkerAnswer


class Caller(NamedTuple):
    """Calls functions.

    Args:
        registry: knows them.
        invoker: reaches the workers.
        dispatcher: hands them what the ledger holds.
        claims: keeps a record from being called twice.
        alerts: tells the operator.
        hooks: hear of the calls.
        grant: returns what lets a function broadcast.
    """

    registry: Registry
    invoker: LambdaInvoker
    dispatcher: Dispatcher
    claims: Claims
    alerts: AlertPublisher
    hooks: CallHooks
    grant: TokenIssuer | None = None

    def each(self, read: Callable[[], Sequence[CallRecord]], deadline: float) -> None:
        """Make the calls that a record of a source means, each unless it was made before.

        Args:
            read: returns them, or raises why there are none.
            deadline: epoch seconds at which the caller's time is over.

        Raises:
            SilvaEngineError: of the first call that failed or can't be made; the others were made all the
                same, and the source keeps the record. UnderWayError: somebody else is at one.
        """
        request_id = urandom(16).hex()
        try:
            records = read()
        except Exception as error:
            self.tell("", "", error, request_id)
            raise
        failures = list(filter(None, (self._failure(record, deadline) for record in records)))
        if failures:
            raise next((each for each in failures if not isinstance(each, UnderWayError)), failures[0])

    def once(self, record: CallRecord, deadline: float) -> Outcome | None:
        """Make one call unless it was made before; return its outcome, None where the sweeper looks after it.

        Raises what ``each`` raises.
        """
        request_id, function = urandom(16).hex(), None
        try:
            function = self.function(record.endpoint_id, record.function)
            return self._once(record, function, request_id, deadline)
        except UnderWayError:
            raise
        except Exception as error:
            self.tell(record.endpoint_id, record.function, error, request_id, function)
            raise

    def directly(
        self, endpoint_id: str, name: str, params: dict[str, Any], deadline: float, hops: int = 0
    ) -> WorkerAnswer:
        """Call a function without the ledger and give what it answered; raises likewise."""
        request_id, function = urandom(16).hex(), None
        try:
            function = self.function(endpoint_id, name)
            heard = HookedCall(function, endpoint_id, params, request_id, deadline)
            grant = self.grant(function, endpoint_id) if self.grant else None
            call = worker_call(function, params, Invocation(
                request_id, endpoint_id, function.area, name, deadline, hops=hops, grant=grant
            ))  # fmt: skip
            return self.between_hooks(heard, lambda: self.invoker.invoke(
                function.aws_lambda_arn, call.encode(), deadline=deadline
            ))  # fmt: skip
        except SilvaEngineError as error:
            self.tell(endpoint_id, name, error, request_id, function)
            raise

    def between_hooks(self, call: HookedCall, ask: Callable[[], Any]) -> WorkerAnswer:
        """Ask a worker, with the endpoint's hooks before and after; raises what ``succeeded`` raises."""
        self.hooks.before(call)
        answer = succeeded(ask())
        self.hooks.after(call)
        return answer

    def function(self, endpoint_id: str, name: str) -> Function:
        """Return a tenant's function; raises what ``Registry.resolve`` raises."""
        return self.registry.resolve(endpoint_id, DEFAULT_API_KEY, "", name)

    def tell(
        self, endpoint_id: str, name: str, error: Exception, request_id: str, function: Function | None = None
    ) -> None:
        """Tell the operator of a failure, without a word of what was called with."""
        kind = getattr(error, "error_type", "") or type(error).__name__
        self.alerts.publish(
            function.aws_lambda_arn if function else "silvaengine tasks",
            f"{endpoint_id} {name} {kind}",
            {"endpoint_id": endpoint_id, "function": name, "error": kind, "request_id": request_id},
        )

    def _failure(self, record: CallRecord, deadline: float) -> SilvaEngineError | None:
        try:
            self.once(record, deadline)
        except SilvaEngineError as error:
            return error
        return None

    def _once(
        self, record: CallRecord, function: Function, request_id: str, deadline: float
    ) -> Outcome | None:
        content = worker_call(function, record.params, None).content()
        claimed = self.claims.claim(record, function, content, request_id)
        if claimed is None or claimed.state == "succeeded":
            return claimed and Outcome(claimed.covers, self.claims.answer(claimed))
        try:
            heard = HookedCall(function, record.endpoint_id, record.params, request_id, deadline)
            return Outcome(claimed.covers, self._ask(claimed, heard, record.hops))
        except SilvaEngineError:
            if not self.claims.leave_to_sweeper(claimed):
                raise
        return None

    def _ask(self, claimed: Execution, call: HookedCall, hops: int) -> WorkerAnswer:
        try:
            return self.between_hooks(
                call,
                lambda: self.dispatcher.ask(claimed, call.function, call.deadline, hops=hops, kept_due=True),
            )
        except SilvaEngineError as error:
            if nothing_ran(error):
                self.claims.ledger.unclaim(claimed)
            raise


def succeeded(result: Any) -> WorkerAnswer:  # noqa: ANN401 - a worker's answer
    """Return a worker's answer; raises InvocationError when it is an error, LoopError when it is that one."""
    answer = WorkerAnswer.decode(result)
    if answer.kind == "error":
        if answer.status == LoopError.default_status:
            raise LoopError(str(answer.value))
        message = f"The function failed: {answer.value}"
        detail = str(answer.value)
        raise InvocationError(message, error_type=answer.error_type, detail=detail, status=answer.status)
    return answer


def decoded(answer: WorkerAnswer) -> Any:  # noqa: ANN401 - any JSON value
    """Return an answer's value; of JSON text, which functions give as a rule, what it says."""
    if answer.kind != "text":
        return answer.value
    try:
        return json.loads(answer.value)
    except (ValueError, RecursionError):
        return answer.value


def deadline_of(context: Any, clock: Callable[[], float] = time.time) -> float:  # noqa: ANN401 - Lambda's
    """Return the epoch second at which an invocation must have its answers, to settle in what is left."""
    left: float = context.get_remaining_time_in_millis() / 1000
    return clock() + left - SETTLE_SECONDS


def worker_call(function: Function, params: Any, invocation: Invocation | None) -> WorkerCall:  # noqa: ANN401 - see Record
    """Return the call of a function."""
    return WorkerCall(function.callee, params, invocation=invocation)
