"""Calling a function for a record: find it, claim it in the ledger, ask the worker, hear what became of it.

The worker settles the claim, so that a tasks Lambda that died leaves a result behind. What failed may be
called again: how often, the record's source decides.
"""

import time
from collections.abc import Callable
from os import urandom
from typing import Any, NamedTuple

from silvaengine.errors import (
    ConditionFailedError,
    InvocationError,
    LoopError,
    SilvaEngineError,
    UnavailableError,
)
from silvaengine.invocation import LambdaInvoker
from silvaengine.ledger.book import Ledger, new_execution
from silvaengine.ledger.dispatch import Dispatcher, nothing_ran
from silvaengine.ledger.execution import Execution, Policy
from silvaengine.ledger.keys import Keys, plain_digest
from silvaengine.messages import Invocation, WorkerAnswer, WorkerCall
from silvaengine.notices import Notifier
from silvaengine.registry import Function, Registry
from silvaengine.tables import DEFAULT_API_KEY
from silvaengine_tasks.record import Record

OUTCOME_UNKNOWN = "outcome_unknown"
SETTLE_SECONDS = 5.0  # what is left for the answer to the source


class UnderWayError(UnavailableError):
    """Another delivery of the same record is being worked on.

    Args:
        seconds: until it is given up at the latest.
    """

    def __init__(self, seconds: int) -> None:
        super().__init__("This record is under way", retry_after=max(1, seconds))
        self.seconds = max(1, seconds)


class Caller(NamedTuple):
    """Calls functions.

    Args:
        registry: knows them.
        invoker: reaches the workers.
        dispatcher: hands them what the ledger holds.
        ledger: holds the claims.
        keys: makes a claim's id of a record's.
        notifier: tells the operator.
        lease_seconds: how long a worker may run at the most.
    """

    registry: Registry
    invoker: LambdaInvoker
    dispatcher: Dispatcher
    ledger: Ledger
    keys: Keys
    notifier: Notifier
    lease_seconds: float

    def once(self, record: Record, deadline: float) -> None:
        """Call a record's function unless it was called before.

        Args:
            record: what to call.
            deadline: epoch seconds at which the caller's time is over.

        Raises:
            UnderWayError: somebody else is at it.
            SilvaEngineError: it failed, or can't be called; the source keeps the record.
        """
        request_id = urandom(16).hex()
        try:
            self._once(record, request_id, deadline)
        except UnderWayError:
            raise
        except SilvaEngineError as error:
            self._tell(record.endpoint_id, record.function, error, request_id)
            raise

    def directly(
        self, endpoint_id: str, name: str, params: dict[str, Any], deadline: float, hops: int = 0
    ) -> WorkerAnswer:
        """Call a function without the ledger and give what it answered; raises likewise."""
        request_id = urandom(16).hex()
        try:
            function = self.function(endpoint_id, name)
            call = _worker_call(function, params, Invocation(
                request_id, endpoint_id, function.area, name, deadline, hops=hops
            ))  # fmt: skip
            result = self.invoker.invoke(function.aws_lambda_arn, call.encode(), deadline=deadline)
            return succeeded(result)
        except SilvaEngineError as error:
            self._tell(endpoint_id, name, error, request_id)
            raise

    def function(self, endpoint_id: str, name: str) -> Function:
        """Give a tenant's function; raises what ``Registry.resolve`` raises."""
        return self.registry.resolve(endpoint_id, DEFAULT_API_KEY, "", name)

    def _once(self, record: Record, request_id: str, deadline: float) -> None:
        function = self.function(record.endpoint_id, record.function)
        wanted = self._new(record, function, request_id)
        first = self.ledger.accept(wanted._replace(content=None))  # the source has it
        claimed = wanted if first is None else self._taken(first, request_id)
        if claimed is None:
            return
        try:
            result = self.dispatcher.ask(
                claimed._replace(content=wanted.content), function, deadline, hops=record.hops
            )
        except SilvaEngineError as error:
            if nothing_ran(error):
                self.ledger.return_claim(claimed)
            raise
        succeeded(result)

    def _taken(self, first: Execution, request_id: str) -> Execution | None:
        """Take over what an earlier delivery left; None when it is done."""
        if first.state == "succeeded":
            return None
        if first.state == "running":
            if first.is_held(self.ledger.now()):
                raise UnderWayError((first.due_at or 0) - self.ledger.now())
            if first.on_lost == "fail":
                self.ledger.give_up(first.job_id, first.owner, OUTCOME_UNKNOWN)
        if first.state == "dead" or (first.state == "running" and first.on_lost == "fail"):
            raise InvocationError("The outcome of this record is not known", error_type=OUTCOME_UNKNOWN)
        try:
            return self.ledger.take_over(first, request_id, self.lease_seconds)
        except ConditionFailedError:
            raise UnderWayError(round(self.lease_seconds)) from None

    def _new(self, record: Record, function: Function, request_id: str) -> Execution:
        policy, now = Policy.of(function.configuration.get("config") or {}), self.ledger.now()
        content = _worker_call(function, record.params, None).content()
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
                "setting": function.connection_setting,
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
            },
            swept=False,
        )

    def _tell(self, endpoint_id: str, name: str, error: SilvaEngineError, request_id: str) -> None:
        kind = getattr(error, "error_type", "") or type(error).__name__
        self.notifier.notify(
            f"silvaengine event failed: {name}",
            f"{endpoint_id} {name} {kind}",
            {"endpoint_id": endpoint_id, "function": name, "error": kind, "request_id": request_id},
        )


def succeeded(result: Any) -> WorkerAnswer:  # noqa: ANN401 - a worker's answer
    """Give a worker's answer; raises InvocationError when it is an error, LoopError when it is that one."""
    answer = WorkerAnswer.decode(result)
    if answer.kind == "error":
        if answer.status == LoopError.default_status:
            raise LoopError(str(answer.value))
        message = f"The function failed: {answer.value}"
        words = str(answer.value)
        raise InvocationError(
            message, error_type=answer.error_type, error_message=words, status=answer.status
        )
    return answer


def deadline_of(context: Any, clock: Callable[[], float] = time.time) -> float:  # noqa: ANN401 - Lambda's
    """Give the epoch second at which an invocation must have its answers, to settle in what is left."""
    left: float = context.get_remaining_time_in_millis() / 1000
    return clock() + left - SETTLE_SECONDS


def _worker_call(function: Function, params: Any, invocation: Invocation | None) -> WorkerCall:  # noqa: ANN401 - see Record
    return WorkerCall(
        module_name=function.module_name,
        class_name=function.class_name,
        function=function.name,
        setting=function.setting_text,
        params=params,
        invocation=invocation,
    )
