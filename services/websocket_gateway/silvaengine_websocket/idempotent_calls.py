"""Calls with ``"once": true``: the ledger holds each under its id, so that a repetition runs nothing.

The client repeats calls that got no response; no sweeper does. The worker claims, settles and pushes; a
repetition gets what was settled, or an error frame that says why there is nothing yet.
"""

from silvaengine.aws.lambda_invoker import Invoker
from silvaengine.errors import ConditionFailedError, RequestError, SilvaEngineError
from silvaengine.ledger.digests import Digests, open_digests, plain_digest
from silvaengine.ledger.dispatch import Dispatcher, TokenIssuer, nothing_ran
from silvaengine.ledger.execution import LIVE, Execution
from silvaengine.ledger.payload_store import open_payload_store
from silvaengine.ledger.store import Ledger, open_ledger
from silvaengine.protocol.messages import ReplyTo, WorkerCall, WorkerResponse
from silvaengine.registry.model import Function
from silvaengine.registry.registry import Registry
from silvaengine.settings import Settings


class IdempotentCalls:
    """Calls of functions that must not run twice; the ledger's row is named by a digest of the call's id."""

    def __init__(self, ledger: Ledger, dispatcher: Dispatcher, digests: Digests) -> None:
        self._ledger = ledger
        self._dispatcher = dispatcher
        self._digests = digests

    def serve(
        self, call: WorkerCall, reply_to: ReplyTo, function: Function, caller: str, deadline: float
    ) -> WorkerResponse | None:
        """Accept a call and send it; return the first call's response where this is a repetition.

        Args:
            call: for the worker.
            reply_to: where the response goes, and the call's id.
            function: what is called.
            caller: ids are a caller's own: the same id of another caller is another call.
            deadline: epoch seconds until which it may be sent.

        Raises:
            RequestError: 409, the first call is under way or its outcome isn't known; 422, the id was another
                call's.
            SilvaEngineError: it could not be sent.

        """
        execution = self._new(call, reply_to, function, caller)
        first = self._ledger.accept(execution._replace(content=None))  # the client has it
        if first is not None:
            if first.digest != execution.digest:
                raise RequestError("This id was used for another call", status=422)
            if first.state not in LIVE and (first.result or first.result_at):
                return _answer(first)
            execution = self._take_over(first)._replace(content=execution.content)
        try:
            self._dispatcher.send(execution, function, deadline=deadline, socket=reply_to)
        except SilvaEngineError as error:
            if nothing_ran(error):
                self._ledger.undo(execution)
            raise
        return None

    def _new(self, call: WorkerCall, reply_to: ReplyTo, function: Function, caller: str) -> Execution:
        invocation = call.invocation
        assert invocation is not None  # noqa: S101 - the gateway always adds one
        endpoint_id, message_id = invocation.endpoint_id, reply_to.message_id
        execution = self._ledger.new(
            function,
            endpoint_id,
            invocation.request_id,
            invocation.traceparent,
            job_id=self._digests.digest(
                "socket", endpoint_id, caller, function.area, function.name, message_id
            ),
            principal=plain_digest(endpoint_id, caller),
            digest=plain_digest(call.body),
            content=call.content(),
            on_lost="fail",
            keep_seconds=function.policy.keep_seconds,
            is_swept=False,
        )
        return execution._replace(max_attempts=1)

    def _take_over(self, first: Execution) -> Execution:
        """Take over a call that never began, or was lost and may run again; raises RequestError."""
        in_progress = RequestError("The first call with this id is still in progress", status=409)
        if first.is_held(self._ledger.now()):
            raise in_progress
        if first.state != "accepted" and not (first.state == "running" and first.on_lost == "retry"):
            raise RequestError("The outcome of the first call with this id is unknown", status=409)
        try:
            return self._ledger.take_over_for_event(first)
        except ConditionFailedError:
            raise in_progress from None


def open_idempotent_calls(
    settings: Settings, invoker: Invoker, issue_token: TokenIssuer, registry: Registry
) -> IdempotentCalls:
    """Return the deployment's idempotent calls."""
    payloads = open_payload_store(settings)
    dispatcher = Dispatcher(invoker, payloads, issue_token, registry.function_for_entry)
    return IdempotentCalls(open_ledger(settings), dispatcher, open_digests(settings))


def _answer(first: Execution) -> WorkerResponse:
    if first.result is None:
        raise RequestError("The result is too large for a WebSocket message", status=413)
    return WorkerResponse.read(first.result)
