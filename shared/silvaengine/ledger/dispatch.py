"""Handing an execution to its worker, by whoever holds it: a gateway, or the sweeper."""

from collections.abc import Callable
from typing import Any

from silvaengine.aws.lambda_invoker import LambdaInvoker
from silvaengine.errors import NotStartedError, RequestError, SilvaEngineError, UnavailableError
from silvaengine.ledger.execution import Execution
from silvaengine.ledger.payload_store import PayloadStore
from silvaengine.protocol.messages import EVENT_LIMIT, ExecutionRef, Invocation, ReplyTo, WorkerCall
from silvaengine.registry.model import Function

type TokenIssuer = Callable[[Function, str], str | None]


class Dispatcher:
    """Tells workers.

    Args:
        invoker: reaches them.
        payloads: holds the contents that are too large for an event.
        grant: returns what lets a function broadcast (``silvaengine.websocket.broadcast_tokens``), None for
            one that may not.
    """

    def __init__(
        self, invoker: LambdaInvoker, payloads: PayloadStore, grant: TokenIssuer | None = None
    ) -> None:
        self._invoker = invoker
        self._payloads = payloads
        self._grant = grant

    def send(
        self,
        execution: Execution,
        function: Function,
        *,
        deadline: float | None = None,
        socket: ReplyTo | None = None,
    ) -> None:
        """Hand over an accepted execution as an event: the worker claims it, and nobody waits.

        With a ``socket`` the worker pushes the answer there.

        Raises:
            UnavailableError, RequestError, InvocationError: see ``LambdaInvoker.invoke``; ``nothing_ran``
                says of an error whether the worker may have got it.
        """
        call = self._call(execution, function, None)._replace(socket=socket)
        payload = self._fitting(call, execution)
        self._invoker.invoke(function.aws_lambda_arn, payload, event=True, deadline=deadline)

    def ask(
        self,
        execution: Execution,
        function: Function,
        deadline: float,
        *,
        hops: int = 0,
        kept_due: bool = False,
    ) -> Any:  # noqa: ANN401 - any JSON value
        """Hand over an execution that is claimed for the worker, and wait for the answer; raises likewise.

        With ``kept_due`` a failure that isn't heard here is the sweeper's, where it looks after the row.
        """
        content = execution.content
        if content is None and execution.content_at is not None:
            content = self._payloads.get(execution.content_at)
        call = self._call(execution, function, deadline, hops)
        if kept_due and call.job is not None and execution.due_shard is not None:
            call = call._replace(job=call.job._replace(kept_due=True))
        payload = call.encode(content)
        return self._invoker.invoke(function.aws_lambda_arn, payload, deadline=deadline)

    def _fitting(self, call: WorkerCall, execution: Execution) -> str:
        if execution.content is not None:
            payload = call.encode(execution.content)
            if len(payload.encode()) <= EVENT_LIMIT or execution.content_at is None:
                return payload
        if execution.content_at is None:
            raise RequestError("The request's content was not kept", status=410)
        return call._replace(content_url=self._payloads.url(execution.content_at)).encode()

    def _call(
        self, execution: Execution, function: Function, deadline: float | None, hops: int = 0
    ) -> WorkerCall:
        claimed = deadline is not None
        attempt = execution.attempts if claimed else execution.attempts + 1
        return WorkerCall(
            function.callee,
            {},
            invocation=Invocation(
                request_id=execution.request_id,
                endpoint_id=execution.endpoint_id,
                area=execution.area,
                function=function.name,
                deadline=deadline,
                attempt=attempt,
                hops=hops,
                grant=self._grant(function, execution.endpoint_id) if self._grant else None,
            ),
            job=ref_of(execution, attempt, claimed=claimed),
        )


def nothing_ran(error: SilvaEngineError) -> bool:
    """Return whether an error of an Invoke says that the worker can't have got it."""
    return isinstance(error, NotStartedError | UnavailableError | RequestError)


def ref_of(execution: Execution, attempt: int, *, claimed: bool) -> ExecutionRef:
    """Return what whoever settles an attempt must know of its execution."""
    return ExecutionRef(
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
