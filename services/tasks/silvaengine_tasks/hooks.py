"""An endpoint's hooks (``se-hooks``): functions that are told before and after a call of its events.

A row has the endpoint in ``api_id``. A hook that is not ``is_async`` is awaited before the call, and where it
is ``is_interruptible`` its error stops the call; others are invoked as events after a call that succeeded.
"""

import logging
from collections.abc import Mapping
from typing import Any

from silvaengine.aws.lambda_invoker import Invoker
from silvaengine.errors import InvocationError, NotStartedError, SilvaEngineError
from silvaengine.named_tuple import NamedTuple
from silvaengine.protocol.messages import Invocation, WorkerCall, WorkerResponse
from silvaengine.registry.model import Function
from silvaengine.registry.registry import Registry
from silvaengine_tasks.records import CallIds, Params, text

_logger = logging.getLogger(__name__)


class HookedCall(NamedTuple):
    """A call that hooks are told of; ``ids`` are its attempt's, ``deadline`` is in epoch seconds."""

    function: Function
    endpoint_id: str
    params: Params
    ids: CallIds
    deadline: float


class CallHooks:
    """Runs hooks, on the Lambda of the function that is called.

    The registry caches them, also that an endpoint has none.
    """

    def __init__(self, registry: Registry, invoker: Invoker) -> None:
        self._registry = registry
        self._invoker = invoker

    def run_before(self, call: HookedCall) -> None:
        """Run the hooks that come before a call, and wait for them.

        Raises:
            NotStartedError: an interruptible hook failed; nothing of the call ran.
        """
        for row in self._registry.hooks(call.endpoint_id):
            if row.get("status") is not True or row.get("is_async"):
                continue
            try:
                response = WorkerResponse.read(self._invoke(row, call, event=False))
                if response.kind == "error":
                    raise InvocationError(str(response.value), error_type=response.error_type)
            except SilvaEngineError as error:
                _log_failure(row, call, error)
                if row.get("is_interruptible"):
                    raise NotStartedError("A hook refused the call", detail=error.message) from error

    def start_after(self, call: HookedCall) -> None:
        """Start the hooks that follow a call; log those that can't be started: the call has run."""
        try:
            rows = self._registry.hooks(call.endpoint_id)
        except SilvaEngineError as error:
            return _log_failure({}, call, error)
        for row in rows:
            if row.get("status") is not True or not row.get("is_async"):
                continue
            try:
                self._invoke(row, call, event=True)
            except SilvaEngineError as error:
                _log_failure(row, call, error)
        return None

    def _invoke(self, row: Mapping[str, Any], call: HookedCall, *, event: bool) -> bytes:
        function, name = call.function, text(row, "function_name")
        deadline = None if event else call.deadline
        told = {"endpoint_id": call.endpoint_id, "function": function.name, "params": dict(call.params)}
        payload = WorkerCall(
            function.callee._replace(module_name=text(row, "module_name"), class_name="", function=name),
            told,
            invocation=Invocation(
                call.ids.request_id,
                call.endpoint_id,
                function.area,
                name,
                deadline,
                traceparent=call.ids.traceparent,
            ),
        ).encode()
        return self._invoker.invoke(
            function.aws_lambda_arn,
            payload,
            event=event,
            deadline=call.deadline,
            is_isolated=function.is_isolated,
        )


def _log_failure(row: Mapping[str, Any], call: HookedCall, error: SilvaEngineError) -> None:
    name = row.get("module_name"), row.get("function_name")
    _logger.error("Hook %s.%s failed: %s", *name, error.reason, extra=call.ids._asdict())
