"""Sending an execution to its worker, by its holder: a gateway, tasks or the sweeper."""

from collections.abc import Callable

from silvaengine.aws.lambda_invoker import Invoker
from silvaengine.errors import (
    ConfigurationError,
    NotStartedError,
    RequestError,
    SilvaEngineError,
    UnavailableError,
)
from silvaengine.ledger.execution import Execution
from silvaengine.ledger.payload_store import PayloadStore
from silvaengine.protocol.messages import EVENT_LIMIT, ExecutionRef, Invocation, ReplyTo, WorkerCall
from silvaengine.registry.model import Function, FunctionEntry

type TokenIssuer = Callable[[str], str | None]
type FindFunction = Callable[[FunctionEntry, str], Function]


def issue_no_token(*_: object) -> None:
    """Return None: no function may broadcast."""


class Dispatcher:
    """Sends executions to workers.

    ``payloads`` hold contents that are too large for an event; ``issue_token`` returns a tenant's token
    for functions that broadcast (``silvaengine.websocket.broadcast_tokens``); ``find_function`` finds the
    function of an execution's own release, None where each is sent with that anyway.
    """

    def __init__(
        self,
        invoker: Invoker,
        payloads: PayloadStore,
        issue_token: TokenIssuer = issue_no_token,
        find_function: FindFunction | None = None,
    ) -> None:
        self._invoker = invoker
        self._payloads = payloads
        self._issue_token = issue_token
        self._find_function = find_function

    def pinned(self, execution: Execution, function: Function) -> Function:
        """Return an execution's function as the release has it that accepted the call.

        Args:
            execution: which another release may have accepted than serves now.
            function: as it is now; a worker's stays as it is.

        Raises:
            SilvaEngineError: see ``Registry.function_for_entry``; nothing was sent.
        """
        is_current = not execution.package or execution.aws_lambda_arn == function.aws_lambda_arn
        if is_current or self._find_function is None:
            return function
        return self._find_function(
            FunctionEntry(execution.aws_lambda_arn, execution.setting), execution.function
        )

    def send(
        self,
        execution: Execution,
        function: Function,
        *,
        deadline: float | None = None,
        socket: ReplyTo | None = None,
    ) -> None:
        """Send an accepted execution as an event to its own release: the worker begins it, nobody waits.

        With a ``socket`` the worker pushes the response there.

        Raises:
            UnavailableError, RequestError, InvocationError: see ``LambdaInvoker.invoke``; ``nothing_ran``
                says whether the worker may have got the event.
        """
        content, content_at = execution.content, execution.content_at
        if content is None and content_at is None:
            raise RequestError("The request's content is no longer available", status=410)
        function = self.pinned(execution, function)
        call = self._call(execution, function)._replace(socket=socket)
        payload = call.encode(content)
        if content_at is not None and (content is None or len(payload.encode()) > EVENT_LIMIT):
            payload = call._replace(content_url=self._payloads.url(content_at)).encode()
            if len(payload.encode()) > EVENT_LIMIT:  # the settings are: one URL is for them and the content
                payload = call.encode(content or self._payloads.get(content_at))
        self._invoker.invoke(
            function.aws_lambda_arn, payload, event=True, deadline=deadline, is_isolated=function.is_isolated
        )

    def ask(
        self,
        execution: Execution,
        function: Function,
        deadline: float,
        *,
        hops: int = 0,
        kept_due: bool = False,
    ) -> bytes:
        """Send an execution that is claimed for the worker to its own release, and wait for the response.

        Raises like ``send``.

        With ``kept_due``, a failure that a waiting caller hasn't acknowledged within a minute is retried by
        the sweeper: the row must be one that it looks after.
        """
        content = execution.content
        if content is None and execution.content_at is not None:
            content = self._payloads.get(execution.content_at)
        function = self.pinned(execution, function)
        call = self._call(execution, function, deadline, hops, kept_due=kept_due)
        return self._invoker.invoke(
            function.aws_lambda_arn,
            call.encode(content),
            deadline=deadline,
            is_isolated=function.is_isolated,
        )

    def _call(
        self,
        execution: Execution,
        function: Function,
        deadline: float | None = None,
        hops: int = 0,
        *,
        kept_due: bool = False,
    ) -> WorkerCall:
        """Return the call of an attempt, whose claim its caller has where there is a deadline."""
        claimed = deadline is not None
        attempt = execution.attempts if claimed else execution.attempts + 1
        invocation = Invocation(
            request_id=execution.request_id,
            endpoint_id=execution.endpoint_id,
            area=execution.area,
            function=function.name,
            deadline=deadline,
            attempt=attempt,
            hops=hops,
            traceparent=execution.traceparent,
            grant=self._issue_token(execution.endpoint_id) if function.broadcasts else None,
        )
        job = ref_of(execution, attempt, claimed=claimed, kept_due=kept_due)
        return WorkerCall(function.callee, {}, invocation=invocation, job=job)


def nothing_ran(error: SilvaEngineError) -> bool:
    """Return whether an Invoke's error says that the worker can't have got the call."""
    return isinstance(error, ConfigurationError | NotStartedError | RequestError | UnavailableError)


def ref_of(execution: Execution, attempt: int, *, claimed: bool, kept_due: bool = False) -> ExecutionRef:
    """Return what the holder of an attempt must know of its execution to settle it."""
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
        kept_due=kept_due,
    )
