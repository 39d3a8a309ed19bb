"""Handing an execution to its worker, by whoever holds it: a gateway, or the sweeper."""

from typing import Any

from silvaengine.errors import InvocationError, RequestError, SilvaEngineError, UnavailableError
from silvaengine.invocation import LambdaInvoker
from silvaengine.ledger.execution import Execution
from silvaengine.ledger.objects import Objects
from silvaengine.messages import EVENT_LIMIT, Invocation, Job, WorkerCall
from silvaengine.registry import Function


class Dispatcher:
    """Tells workers.

    Args:
        invoker: reaches them.
        objects: holds the contents that are too large for an event.
    """

    def __init__(self, invoker: LambdaInvoker, objects: Objects) -> None:
        self._invoker = invoker
        self._objects = objects

    def send(self, execution: Execution, function: Function, *, deadline: float | None = None) -> None:
        """Hand over an accepted execution as an event: the worker claims it, and nobody waits.

        Raises:
            UnavailableError, RequestError, InvocationError: see ``LambdaInvoker.invoke``; ``nothing_ran``
                says of an error whether the worker may have got it.
        """
        call = _call(execution, function, None)
        payload = self._fitting(call, execution)
        self._invoker.invoke(function.aws_lambda_arn, payload, event=True, deadline=deadline)

    def ask(self, execution: Execution, function: Function, deadline: float, *, hops: int = 0) -> Any:  # noqa: ANN401 - any JSON value
        """Hand over an execution that is claimed for the worker, and wait for the answer; raises likewise."""
        content = execution.content
        if content is None and execution.content_at is not None:
            content = self._objects.get(execution.content_at)
        payload = _call(execution, function, deadline, hops).encode(content)
        return self._invoker.invoke(function.aws_lambda_arn, payload, deadline=deadline)

    def _fitting(self, call: WorkerCall, execution: Execution) -> str:
        if execution.content is not None:
            payload = call.encode(execution.content)
            if len(payload.encode()) <= EVENT_LIMIT or execution.content_at is None:
                return payload
        if execution.content_at is None:
            raise RequestError("The request's content was not kept", status=410)
        return call._replace(content_url=self._objects.url(execution.content_at)).encode()


def nothing_ran(error: SilvaEngineError) -> bool:
    """Whether an error of an Invoke says that the worker can't have got it."""
    if isinstance(error, InvocationError):
        return error.refused
    return isinstance(error, UnavailableError | RequestError)


def _call(execution: Execution, function: Function, deadline: float | None, hops: int = 0) -> WorkerCall:
    claimed = deadline is not None
    attempt = execution.attempts if claimed else execution.attempts + 1
    return WorkerCall(
        module_name=function.module_name,
        class_name=function.class_name,
        function=function.name,
        setting=function.setting_text,
        params={},
        invocation=Invocation(
            request_id=execution.request_id,
            endpoint_id=execution.endpoint_id,
            area=execution.area,
            function=function.name,
            deadline=deadline,
            attempt=attempt,
            hops=hops,
        ),
        job=job_of(execution, attempt, claimed=claimed),
    )


def job_of(execution: Execution, attempt: int, *, claimed: bool) -> Job:
    """Give what whoever settles an attempt must know of its execution."""
    return Job(
        job_id=execution.job_id,
        owner=execution.owner,
        effect=execution.effect,
        fence=execution.fence,
        attempt=attempt,
        max_attempts=execution.max_attempts,
        on_lost=execution.on_lost,
        keep_seconds=execution.keep_seconds,
        backoff_seconds=execution.backoff_seconds,
        claimed=claimed,
    )
