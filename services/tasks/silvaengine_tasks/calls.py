"""Calling a function for a record: find it, claim the record, invoke the worker, read its response.

The worker settles the claim, so that a tasks Lambda that died leaves a result behind. Whether a failed call
is repeated is up to the record's source.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from os import urandom
from typing import NamedTuple

from silvaengine.aws.lambda_invoker import LambdaInvoker
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
from silvaengine_tasks.records import CallRecord, Params

SETTLE_SECONDS = 5.0  # reserved for answering the source


class CallResult(NamedTuple):
    """The result of a call.

    Args:
        covers: the last record of the chunk that the call was for; None for a single record.
        answer: the function's.
    """

    covers: str | None
    response: WorkerResponse


class Caller(NamedTuple):
    """Calls functions.

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
    invoker: LambdaInvoker
    dispatcher: Dispatcher
    claims: Claims
    alerts: AlertPublisher
    hooks: CallHooks
    issue_token: TokenIssuer = issue_no_token

    def call_all(self, read_calls: Callable[[], Sequence[CallRecord]], deadline: float) -> None:
        """Make all calls of a record, each unless it was made before.

        Args:
            read_calls: returns them, or raises why there are none.
            deadline: epoch seconds at which the caller's time is over.

        Raises:
            SilvaEngineError: of the first call that failed or can't be made; the others are made all the
                same, and the source keeps the record. InProgressError: another delivery is being processed.
        """
        request_id = urandom(16).hex()
        try:
            calls = read_calls()
        except Exception as error:  # boundary of a record: alert whatever reading it raises, and pass it on
            self.alert("", "", error, request_id)
            raise
        failures = list(filter(None, (self._failure(call, deadline) for call in calls)))
        if failures:
            raise next((each for each in failures if not isinstance(each, InProgressError)), failures[0])

    def call_once(self, record: CallRecord, deadline: float) -> CallResult | None:
        """Make one call unless it was made before; return its result, None where the sweeper owns the retry.

        Raises what ``call_all`` raises.
        """
        request_id, function = urandom(16).hex(), None
        try:
            function = self.find_function(record.endpoint_id, record.function)
            return self._claim_and_call(record, function, request_id, deadline)
        except InProgressError:
            raise
        except Exception as error:  # boundary of a record: alert whatever its call raises, and pass it on
            self.alert(record.endpoint_id, record.function, error, request_id, function)
            raise

    def call_directly(
        self, endpoint_id: str, name: str, params: Params, deadline: float, hops: int = 0
    ) -> WorkerResponse:
        """Call a function without the ledger and return its response; raises SilvaEngineError."""
        request_id, function = urandom(16).hex(), None
        try:
            function = self.find_function(endpoint_id, name)
            hooked = HookedCall(function, endpoint_id, params, request_id, deadline)
            token = self.issue_token(function, endpoint_id)
            call = worker_call(function, params, Invocation(
                request_id, endpoint_id, function.area, name, deadline, hops=hops, grant=token
            ))  # fmt: skip
            return self._call_with_hooks(hooked, lambda: self.invoker.invoke(
                function.aws_lambda_arn, call.encode(), deadline=deadline
            ))  # fmt: skip
        except SilvaEngineError as error:
            self.alert(endpoint_id, name, error, request_id, function)
            raise

    def find_function(self, endpoint_id: str, name: str) -> Function:
        """Return a tenant's function; raises what ``Registry.resolve`` raises."""
        return self.registry.resolve(endpoint_id, DEFAULT_API_KEY, "", name)

    def alert(
        self, endpoint_id: str, name: str, error: Exception, request_id: str, function: Function | None = None
    ) -> None:
        """Alert the operator to a failure, without any of the call's params."""
        kind = getattr(error, "error_type", "") or type(error).__name__
        self.alerts.publish(
            function.aws_lambda_arn if function else "silvaengine tasks",
            f"{endpoint_id} {name} {kind}",
            {"endpoint_id": endpoint_id, "function": name, "error": kind, "request_id": request_id},
        )

    def _failure(self, record: CallRecord, deadline: float) -> SilvaEngineError | None:
        try:
            self.call_once(record, deadline)
        except SilvaEngineError as error:
            return error
        return None

    def _claim_and_call(
        self, record: CallRecord, function: Function, request_id: str, deadline: float
    ) -> CallResult | None:
        content = worker_call(function, record.params, None).content()
        execution = self.claims.claim(record, function, content, request_id)
        if execution is None or execution.state == "succeeded":
            return execution and CallResult(execution.covers, self.claims.response(execution))
        try:
            hooked = HookedCall(function, record.endpoint_id, record.params, request_id, deadline)
            return CallResult(execution.covers, self._dispatch(execution, hooked, record.hops))
        except SilvaEngineError:
            if not self.claims.leave_to_sweeper(execution):
                raise
        return None

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
        """Invoke a worker between the endpoint's hooks; raises what ``read_answer`` raises."""
        self.hooks.run_before(call)
        response = read_response(invoke())
        self.hooks.start_after(call)
        return response


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
    """Return the epoch seconds by which calls must have answered, so that the source can be answered."""
    return clock() + context.get_remaining_time_in_millis() / 1000 - SETTLE_SECONDS


def worker_call(function: Function, params: Mapping[str, Json], invocation: Invocation | None) -> WorkerCall:
    """Return the call of a function."""
    return WorkerCall(function.callee, params, invocation=invocation)
