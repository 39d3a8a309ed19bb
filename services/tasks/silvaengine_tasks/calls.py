"""Calling a function for a record: find it, claim the record, invoke the worker, read its response.

The worker settles the claim, so that a tasks Lambda that died leaves a result behind. Whether a failed call
is repeated is up to the record's source.
"""

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from os import urandom
from typing import NamedTuple

from silvaengine.aws.lambda_invoker import Invoker
from silvaengine.context import LambdaContext
from silvaengine.errors import InvocationError, LoopError, SilvaEngineError
from silvaengine.ledger.dispatch import Dispatcher, TokenIssuer, issue_no_token, nothing_ran
from silvaengine.ledger.execution import Execution
from silvaengine.observability.alerts import AlertPublisher
from silvaengine.protocol.json_codec import Json
from silvaengine.protocol.messages import Invocation, WorkerCall, WorkerResponse
from silvaengine.registry.model import Function
from silvaengine.registry.registry import Registry
from silvaengine.tables import DEFAULT_API_KEY
from silvaengine_tasks.claims import Claims, InProgressError
from silvaengine_tasks.hooks import CallHooks, HookedCall
from silvaengine_tasks.parallel import unexpected_failure
from silvaengine_tasks.records import Params, RecordCall

RESPOND_SECONDS = 5.0  # reserved for the response to the source

_logger = logging.getLogger(__name__)


class CallResult(NamedTuple):
    """The result of a call.

    Args:
        covers: the last record of the chunk that the call was for; None for a single record.
        response: the function's.
        request_id: of the attempt that ran.
    """

    covers: str | None
    response: WorkerResponse
    request_id: str


class DirectCall(NamedTuple):
    """A call without a record, as a direct invoke or a dialog names it."""

    endpoint_id: str
    function: str
    params: Params
    hops: int = 0


class FunctionCaller(NamedTuple):
    """Calls functions for sources, which have it as ``functions``.

    Args:
        registry: finds them.
        invoker: reaches the workers.
        dispatcher: sends them what the ledger holds.
        claims: keep a record from being called twice.
        alerts: reach the operator.
        hooks: run before and after calls.
        issue_token: returns the token that lets a function broadcast.
    """

    registry: Registry
    invoker: Invoker
    dispatcher: Dispatcher
    claims: Claims
    alerts: AlertPublisher
    hooks: CallHooks
    issue_token: TokenIssuer = issue_no_token

    def call_all(self, read_calls: Callable[[], Sequence[RecordCall]], deadline: float) -> None:
        """Make all calls of a record, each unless it was made before.

        Args:
            read_calls: returns them, or raises why there are none.
            deadline: epoch seconds by which the source must have its response.

        Raises:
            SilvaEngineError: of the first call that failed or can't be made; the others are made all the
                same, and the source keeps the record. InProgressError: another delivery is being processed.
        """
        request_id = urandom(16).hex()
        try:
            calls = read_calls()
        except Exception as error:  # boundary of a record: report whatever reading it raises
            self.report("", "", error, request_id)
            if isinstance(error, SilvaEngineError):
                raise
            raise unexpected_failure(error) from error
        failures = list(filter(None, (self._failure(call, deadline) for call in calls)))
        if failures:
            raise next((each for each in failures if not isinstance(each, InProgressError)), failures[0])

    def call_once(self, call: RecordCall, deadline: float) -> CallResult | None:
        """Make one call unless it was made before; return its result, None where the sweeper retries it.

        Raises what ``call_all`` raises.
        """
        request_id, function = urandom(16).hex(), None
        try:
            function = self.find_function(call.endpoint_id, call.function)
            return self._claim_and_call(call, function, request_id, deadline)
        except Exception as error:  # boundary of a record: report whatever its call raises
            self.report(call.endpoint_id, call.function, error, request_id, function)
            if isinstance(error, SilvaEngineError):
                raise
            raise unexpected_failure(error) from error

    def call_directly(self, read_call: Callable[[], DirectCall], deadline: float) -> WorkerResponse:
        """Call a function without the ledger and return its response.

        Args:
            read_call: returns the call, or raises why there is none.
            deadline: epoch seconds by which the source must have its response.

        Raises:
            SilvaEngineError: there is no call, or it failed.
        """
        endpoint_id, name, request_id, function = "", "", urandom(16).hex(), None
        try:
            endpoint_id, name, params, hops = read_call()
            function = self.find_function(endpoint_id, name)
            hooked = HookedCall(function, endpoint_id, params, request_id, deadline)
            token = self.issue_token(function, endpoint_id)
            call = worker_call(function, params, Invocation(
                request_id, endpoint_id, function.area, name, deadline, hops=hops, grant=token
            ))  # fmt: skip
            return self._call_with_hooks(hooked, lambda: self.invoker.invoke(
                function.aws_lambda_arn, call.encode(), deadline=deadline
            ))  # fmt: skip
        except Exception as error:  # boundary of a call: report whatever it raises, and pass it on
            self.report(endpoint_id, name, error, request_id, function)
            raise

    def find_function(self, endpoint_id: str, name: str) -> Function:
        """Return a tenant's function; raises what ``Registry.resolve`` raises."""
        return self.registry.resolve(endpoint_id, DEFAULT_API_KEY, "", name)

    def report(
        self, endpoint_id: str, name: str, error: Exception, request_id: str, function: Function | None = None
    ) -> None:
        """Log a failure and alert the operator to it, without any of the call's params.

        A record that another delivery is processing is no failure: it is only logged.
        """
        log_failure(endpoint_id, name, error, request_id)
        if isinstance(error, InProgressError):
            return
        kind = getattr(error, "error_type", "") or type(error).__name__
        self.alerts.publish(
            function.aws_lambda_arn if function else "silvaengine tasks",
            f"{endpoint_id} {name} {kind}",
            {"endpoint_id": endpoint_id, "function": name, "error": kind, "request_id": request_id},
        )

    def _failure(self, call: RecordCall, deadline: float) -> SilvaEngineError | None:
        try:
            self.call_once(call, deadline)
        except SilvaEngineError as error:
            return error
        return None

    def _claim_and_call(
        self, call: RecordCall, function: Function, request_id: str, deadline: float
    ) -> CallResult | None:
        content = worker_call(function, call.params, None).content()
        execution = self.claims.claim(call, function, content, request_id)
        if execution is None or execution.state == "succeeded":
            return execution and CallResult(
                execution.covers, self.claims.payloads.stored_response(execution), execution.request_id
            )
        try:
            hooked = HookedCall(function, call.endpoint_id, call.params, request_id, deadline)
            response = self._dispatch(execution, hooked, call.hops)
        except SilvaEngineError as error:
            if not self.claims.hand_over(execution):
                raise
            log_failure(call.endpoint_id, call.function, error, request_id)
            return None
        return CallResult(execution.covers, response, request_id)

    def _dispatch(self, execution: Execution, call: HookedCall, hops: int) -> WorkerResponse:
        try:
            return self._call_with_hooks(
                call,
                lambda: self.dispatcher.ask(
                    execution, call.function, call.deadline, hops=hops, kept_due=True
                ),
            )
        except SilvaEngineError as error:
            if nothing_ran(error):
                self.claims.ledger.unclaim(execution)
            raise

    def _call_with_hooks(self, call: HookedCall, invoke: Callable[[], Json]) -> WorkerResponse:
        """Invoke a worker between the endpoint's hooks; raises what ``read_response`` raises."""
        self.hooks.run_before(call)
        response = read_response(invoke())
        self.hooks.start_after(call)
        return response


def log_failure(endpoint_id: str, name: str, error: Exception, request_id: str) -> None:
    """Log why a call failed under its request id, which its worker's line has, too."""
    called = f"Function {name!r} of tenant {endpoint_id!r}"
    what = f"{called} failed" if name else "An event can't be read"
    if isinstance(error, InProgressError):
        _logger.warning("%s was not called: %s", called, error.message, extra={"request_id": request_id})
    elif isinstance(error, SilvaEngineError):
        reason = f"{error.message} ({error.detail})" if error.detail else error.message
        _logger.error("%s: %s", what, reason, extra={"request_id": request_id})
    else:
        _logger.error("%s", what, exc_info=error, extra={"request_id": request_id})


def read_response(result: Json) -> WorkerResponse:
    """Return a worker's response.

    Raises:
        InvocationError: the response is an error. LoopError: it is that error.
    """
    response = WorkerResponse.decode(result)
    if response.kind == "error":
        message = str(response.value)
        if response.status == LoopError.default_status:
            raise LoopError(message)
        raise InvocationError(
            f"The function failed: {message}",
            error_type=response.error_type,
            detail=message,
            status=response.status,
        )
    return response


def response_value(response: WorkerResponse) -> Json:
    """Return a response's value; of a JSON text, which functions often return, the value that it encodes."""
    value: Json = response.value
    if response.kind != "text" or not isinstance(value, str):
        return value
    try:
        decoded: Json = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return decoded


def deadline_of(context: LambdaContext, clock: Callable[[], float] = time.time) -> float:
    """Return the epoch seconds by which calls must end, so that the source gets its response."""
    return clock() + context.get_remaining_time_in_millis() / 1000 - RESPOND_SECONDS


def worker_call(function: Function, params: Mapping[str, Json], invocation: Invocation | None) -> WorkerCall:
    """Return the call of a function."""
    return WorkerCall(function.callee, params, invocation=invocation)
