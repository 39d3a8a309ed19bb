"""Calls that the ledger holds: asynchronous ones, and those with an idempotency key.

The responses are those of draft-ietf-httpapi-idempotency-key-header: 400 without a required key, 409 while
the first request is in progress, 422 for another request under the same key.
"""

from collections.abc import Callable, Mapping

from silvaengine.aws.lambda_invoker import Invoker
from silvaengine.errors import ConditionFailedError, RequestError, SilvaEngineError, UnavailableError
from silvaengine.ledger.digests import Digests, open_digests, plain_digest
from silvaengine.ledger.dispatch import Dispatcher, TokenIssuer, nothing_ran
from silvaengine.ledger.execution import LIVE, Execution
from silvaengine.ledger.payload_store import PayloadStore, open_payload_store
from silvaengine.ledger.store import Ledger, open_ledger
from silvaengine.named_tuple import NamedTuple
from silvaengine.protocol.messages import WorkerResponse
from silvaengine.registry.model import Function
from silvaengine.registry.registry import Registry
from silvaengine.settings import Settings
from silvaengine_http.response import Response, error_response, function_response, json_response

RETRY_SECONDS = 2  # when to ask again for what is in progress
REPLAYED = "Idempotency-Replayed"


class LedgerCall(NamedTuple):
    """A call for the ledger.

    ``content`` is a WorkerCall's; ``body`` is what makes two requests the same. ``key`` is the client's
    idempotency key, None without one. ``deadline`` is in epoch seconds, ``status_url`` where the client asks
    for a job's state. ``respond`` makes the response of the worker's.
    """

    function: Function
    endpoint_id: str
    area: str
    caller: str
    request_id: str
    traceparent: str
    content: str
    body: str
    key: str | None
    is_async: bool
    deadline: float
    status_url: str
    respond: Callable[[WorkerResponse], Response] = function_response

    @property
    def stays_accepted(self) -> bool:
        """Whether it stays accepted when it can't be started: a repetition may have got that response."""
        return self.is_async and self.key is not None


class Executions:
    """The calls that the ledger accepts, and their way to the workers.

    A row is named by a digest of its idempotency key; ``lease_seconds`` is the longest that a worker may run.
    """

    def __init__(
        self,
        ledger: Ledger,
        dispatcher: Dispatcher,
        payloads: PayloadStore,
        digests: Digests,
        lease_seconds: float,
    ) -> None:
        self.ledger = ledger
        self.payloads = payloads
        self._dispatcher = dispatcher
        self._digests = digests
        self._lease_seconds = lease_seconds

    def serve(self, call: LedgerCall) -> Response:
        """Accept a call and respond; to a repetition with what became of the first call under its key.

        Raises:
            SilvaEngineError: the response's status and message; with 503 nothing was started.

        """
        execution = self._new(call)
        try:
            stored = self.payloads.store_content(execution)
            first = self.ledger.accept(stored)
        except UnavailableError:
            if not call.stays_accepted:
                self.ledger.undo(execution)  # the write may have arrived all the same
            raise
        if first is None:
            return self._start(call, stored._replace(content=call.content))
        return self._repeat(call, first)

    def _new(self, call: LedgerCall) -> Execution:
        named = call.endpoint_id, call.caller, call.function.area, call.function.name, call.key
        job_id = None if call.key is None else self._digests.digest(*named)
        return self.ledger.new(
            call.function,
            call.endpoint_id,
            call.request_id,
            call.traceparent,
            job_id=job_id,
            principal=plain_digest(call.endpoint_id, call.caller),
            digest=plain_digest(call.body),
            content=call.content,
            on_lost="retry" if call.key is None else "fail",
            lease_seconds=None if call.is_async else self._lease_seconds,
        )

    def _start(self, call: LedgerCall, execution: Execution) -> Response:
        try:
            if call.is_async:
                self._dispatcher.send(execution, call.function, deadline=call.deadline)
                return accepted_response(execution.job_id, call.status_url)
            if (outcome := call.function.outcome) is None:
                return self._ask(call, execution)
            return outcome.of(lambda: self._ask(call, execution))
        except SilvaEngineError as error:
            if nothing_ran(error) and not call.stays_accepted and self.ledger.undo(execution):
                raise
            if call.is_async:  # the ledger holds it, and the sweeper sends it again
                return accepted_response(execution.job_id, call.status_url)
            raise

    def _ask(self, call: LedgerCall, execution: Execution) -> Response:
        result = self._dispatcher.ask(execution, call.function, call.deadline)
        return call.respond(WorkerResponse.read(result))

    def _repeat(self, call: LedgerCall, first: Execution) -> Response:
        if first.digest != plain_digest(call.body):
            raise RequestError("This Idempotency-Key was used for another request", status=422)
        if call.is_async:
            return accepted_response(first.job_id, call.status_url, {REPLAYED: "true"})
        if first.state not in LIVE and (first.result or first.result_at):
            return _replay(call, first, self.payloads)
        if first.state == "accepted" or first.is_held(self.ledger.now()):
            raise _in_progress()
        if first.state == "running" and first.on_lost == "retry" and first.attempts < first.max_attempts:
            return self._take_over(call, first)
        raise RequestError(
            "The outcome of the first request with this Idempotency-Key is unknown", status=409
        )

    def _take_over(self, call: LedgerCall, first: Execution) -> Response:
        try:
            execution = self.ledger.take_over_for_caller(
                first, call.request_id, call.traceparent, self._lease_seconds
            )
        except ConditionFailedError:
            raise _in_progress() from None
        return self._start(call, execution._replace(content=call.content))


def open_executions(
    settings: Settings, invoker: Invoker, issue_token: TokenIssuer, registry: Registry
) -> Executions:
    """Return the deployment's executions."""
    payloads = open_payload_store(settings)
    return Executions(
        open_ledger(settings),
        Dispatcher(invoker, payloads, issue_token, registry.function_for_entry),
        payloads,
        open_digests(settings),
        settings.worker_timeout_seconds,
    )


def accepted_response(job_id: str, status_url: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return the response that a job was accepted."""
    location = {"Location": f"{status_url}?job_id={job_id}", "Retry-After": str(RETRY_SECONDS)}
    return json_response({"job_id": job_id, "status": "accepted"}, 202, {**location, **(headers or {})})


def _replay(call: LedgerCall, execution: Execution, payloads: PayloadStore) -> Response:
    """Return an execution's response again, byte for byte."""
    try:
        response = call.respond(payloads.stored_response(execution))
    except SilvaEngineError as error:
        response = error_response(error, execution.request_id)
    return response._replace(headers={**response.headers, REPLAYED: ("true",)})


def _in_progress() -> RequestError:
    headers = {"Retry-After": str(RETRY_SECONDS)}
    return RequestError(
        "The first request with this Idempotency-Key is still in progress", status=409, headers=headers
    )
