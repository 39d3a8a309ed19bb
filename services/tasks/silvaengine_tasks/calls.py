"""Calling a function for a record: find it, claim the record, invoke the worker, read its response.

The worker settles the claim, so that a tasks Lambda that died leaves a result behind. Whether a failed call
is repeated is up to the record's source.
"""

import json
import logging
import time
from collections.abc import Callable
from contextlib import suppress

from silvaengine.aws.lambda_invoker import Invoker
from silvaengine.errors import DeadlineError, InvocationError, LoopError, SilvaEngineError
from silvaengine.ledger.dispatch import Dispatcher, TokenIssuer, issue_no_token
from silvaengine.ledger.execution import Execution
from silvaengine.named_tuple import NamedTuple
from silvaengine.observability.alerts import AlertPublisher
from silvaengine.observability.logging import InvocationLog
from silvaengine.protocol.json_codec import Json
from silvaengine.protocol.messages import (
    RESERVED_PARAMETERS,
    Invocation,
    WorkerCall,
    WorkerResponse,
    check_hops,
)
from silvaengine.registry.model import Function
from silvaengine.registry.registry import Registry
from silvaengine.tables import DEFAULT_API_KEY
from silvaengine_tasks.claims import Claims
from silvaengine_tasks.hooks import CallHooks, HookedCall
from silvaengine_tasks.records import CallIds, Event, InProgressError, Params, RecordCall, new_ids

MIN_SECONDS = 1.0  # a call with less time left isn't started: it would only be cut off

_logger = logging.getLogger(__name__)


class NoTimeError(DeadlineError):
    """A call wasn't started, since it would only be cut off."""


class CallResult(NamedTuple):
    """The result of a call: of the attempt that ran, and the last record of its chunk if it was for one."""

    covers: str | None
    response: WorkerResponse
    ids: CallIds


class DirectCall(NamedTuple):
    """A call without a record, as a direct invoke or a dialog names it; its ``hops`` aren't checked yet."""

    endpoint_id: str
    function: str
    params: Params
    hops: Json = None


class FunctionCaller:
    """Calls functions for sources, which have it as ``functions``.

    A record is claimed, so that it isn't called twice; a failure reaches the operator.
    """

    def __init__(
        self,
        registry: Registry,
        invoker: Invoker,
        dispatcher: Dispatcher,
        claims: Claims,
        alerts: AlertPublisher,
        hooks: CallHooks,
        issue_token: TokenIssuer = issue_no_token,
    ) -> None:
        self.registry = registry
        self.invoker = invoker
        self.claims = claims
        self.hooks = hooks
        self.dispatcher = dispatcher
        self._alerts = alerts
        self._issue_token = issue_token

    def call(self, call: RecordCall, deadline: float) -> CallResult | None:
        """Make a record's call unless it was made before; return its result, None if the sweeper retries it.

        ``deadline`` is in epoch seconds: by then the source must have its response.

        Raises:
            SilvaEngineError: the call failed or can't be made, and the source must keep the record. It is
                reported. InProgressError: another delivery is being processed.
        """
        ids, function, call = new_ids(call.traceparent), None, _trusted(call)
        try:
            check_time(deadline)
            function = self.find_function(call.endpoint_id, call.function)
            execution = self.claims.claim(call, function, ids)
            if execution is None:
                return None
            function = self.pinned(execution, function)
            return self._call_claimed(call, execution, function, ids, deadline)
        except Exception as error:  # boundary of a record: report whatever its call raises
            failure = self.report(call.endpoint_id, call.function, error, ids, function)
            if failure is error:
                raise
            raise failure from error

    def call_directly(
        self, read_call: Callable[[Event], DirectCall], event: Event, deadline: float, log: InvocationLog
    ) -> WorkerResponse:
        """Make an event's one call without the ledger and return its response.

        Raises:
            SilvaEngineError: ``read_call`` raised that there is none, or it failed. It is reported.
        """
        endpoint_id, name, ids, function = "", "", new_ids(log.traceparent), None
        try:
            endpoint_id, name, params, hops = read_call(event)
            log.add(endpoint_id=endpoint_id, function=name)
            function = self.find_function(endpoint_id, name)
            if function.release is not None:
                log.add(**function.release.fields)
            call = HookedCall(function, endpoint_id, params, ids, deadline)
            response = self.invoke(call, check_hops(hops))
            check_response(response)
            self.hooks.start_after(call)
        except Exception as error:  # boundary of a call: report whatever it raises, and pass it on
            self.report(endpoint_id, name, error, ids, function)
            raise
        return response

    def invoke(self, call: HookedCall, hops: int, attempt: int = 1) -> WorkerResponse:
        """Run the hooks before a call that the ledger doesn't send, and return its worker's response.

        Raises:
            SilvaEngineError: see ``CallHooks.run_before`` and ``LambdaInvoker.invoke``.
        """
        function, endpoint_id, params, (request_id, traceparent), deadline = call
        token = self._issue_token(endpoint_id) if function.broadcasts else None
        invocation = Invocation(
            request_id,
            endpoint_id,
            function.area,
            function.name,
            deadline,
            attempt,
            hops,
            traceparent,
            token,
        )
        payload = WorkerCall(function.callee, params, None, None, None, None, invocation).encode()
        self.hooks.run_before(call)
        return _ask(
            function,
            lambda: self.invoker.invoke(
                function.aws_lambda_arn, payload, deadline=deadline, is_isolated=function.is_isolated
            ),
        )

    def find_function(self, endpoint_id: str, name: str) -> Function:
        """Return a tenant's function; raises what ``Registry.resolve`` raises.

        It looks for changes each time: an event's last record may be called minutes after its first.
        """
        self.registry.refresh()
        return self.registry.resolve(endpoint_id, DEFAULT_API_KEY, "", name)

    def pinned(self, execution: Execution, function: Function) -> Function:
        """Return a claimed execution's function like ``Dispatcher.pinned``; what it raises ends the claim."""
        try:
            return self.dispatcher.pinned(execution, function)
        except SilvaEngineError as error:
            self.claims.give_up(execution, error)
            raise

    def read_ahead(self, called: tuple[str, str]) -> None:
        """Have the registry read a tenant's function and hooks before many threads need them.

        Where that fails it fails again in the record's call, which reports it.
        """
        with suppress(Exception):
            self.find_function(*called)
            self.registry.hooks(called[0])

    def report(
        self, endpoint_id: str, name: str, error: Exception, ids: CallIds, function: Function | None = None
    ) -> SilvaEngineError:
        """Log a failure and alert the operator to it, without any of the call's params.

        A record that another delivery is processing, or that had no time left, is only logged.

        Returns:
            The failure for the record's source.
        """
        log_failure(endpoint_id, name, error, ids, function)
        if not isinstance(error, InProgressError | NoTimeError):
            kind = getattr(error, "error_type", "") or type(error).__name__
            release = function.release.fields if function and function.release else {}
            facts = {"endpoint_id": endpoint_id, "function": name, "error": kind}
            facts["request_id"] = ids.request_id
            self._alerts.publish(
                function.aws_lambda_arn if function else "silvaengine tasks",
                f"{endpoint_id} {name} {kind}",
                {**facts, **release, **getattr(error, "fields", {})},
            )
        return failure_of(error)

    def _call_claimed(
        self, call: RecordCall, execution: Execution, function: Function, ids: CallIds, deadline: float
    ) -> CallResult | None:
        if execution.state == "succeeded":
            response = self.claims.payloads.stored_response(execution)
            return CallResult(
                execution.covers, response, CallIds(execution.request_id, execution.traceparent)
            )
        hooked = HookedCall(function, call.endpoint_id, call.params, ids, deadline)
        try:
            self.hooks.run_before(hooked)
            response = _ask(
                function,
                lambda: self.dispatcher.ask(
                    execution, function, deadline, hops=call.hops, kept_due=call.is_swept
                ),
            )
            check_response(response)
        except SilvaEngineError as error:
            if not self.claims.give_up(execution, error):
                raise
            log_failure(call.endpoint_id, call.function, error, ids, function)
            return None
        self.hooks.start_after(hooked)
        return CallResult(execution.covers, response, ids)


def _ask(function: Function, ask: Callable[[], bytes]) -> WorkerResponse:
    """Return a worker's response, and count it if the function is published."""
    if function.outcome is None:
        return WorkerResponse.read(ask())
    return function.outcome.of(lambda: WorkerResponse.read(ask()))


def check_time(deadline: float) -> None:
    """Raise NoTimeError if there is no time left to start a call."""
    if time.time() + MIN_SECONDS > deadline:
        raise NoTimeError("There was no time left to start this record")


def log_failure(
    endpoint_id: str, name: str, error: Exception, ids: CallIds, function: Function | None = None
) -> None:
    """Log why a call failed under its ids, which its worker's line has, too."""
    called = f"Function {name!r} of tenant {endpoint_id!r}"
    if function and (release := function.release):
        called += f", release {release.number} of package {release.package!r},"
    what = f"{called} failed" if name else "An event can't be read"
    if isinstance(error, InProgressError):
        _logger.warning("%s was not called: %s", called, error.message, extra=ids._asdict())
    elif isinstance(error, SilvaEngineError):
        _logger.error("%s: %s", what, error.reason, extra=ids._asdict())
    else:
        _logger.error("%s", what, exc_info=error, extra=ids._asdict())


def failure_of(error: Exception) -> SilvaEngineError:
    """Return a record's failure for its source: the error, or one that says nothing of an unexpected one."""
    if isinstance(error, SilvaEngineError):
        return error
    return InvocationError("The record could not be processed", error_type=type(error).__name__)


def check_response(response: WorkerResponse) -> None:
    """Raise InvocationError if a worker's response is an error, LoopError if it is that one."""
    if response.kind == "error":
        message = str(response.value)
        if response.status == LoopError.default_status:
            raise LoopError(message)
        error = InvocationError(
            f"The function failed: {message}",
            error_type=response.error_type,
            detail=message,
            status=response.status,
        )
        error.code, error.details = response.code, response.details
        raise error


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


def _trusted(call: RecordCall) -> RecordCall:
    """Return a call without params that only the framework sets; an ``endpoint_id`` becomes the call's own.

    Whoever sends a message or stores an object chooses its params, and functions trust these.
    """
    params = {name: value for name, value in call.params.items() if name not in RESERVED_PARAMETERS}
    if "endpoint_id" in call.params:
        params["endpoint_id"] = call.endpoint_id
    return call._replace(params=params)
