"""An endpoint's hooks (``se-hooks``): functions that are told before and after a call of its events.

A row has the endpoint in ``api_id``. A hook that is not ``is_async`` is awaited before the call, and where it
is ``is_interruptible`` its error stops the call; others are invoked as events after a call that succeeded.
"""

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from silvaengine.aws.lambda_invoker import Invoker
from silvaengine.errors import InvocationError, NotStartedError, SilvaEngineError
from silvaengine.protocol.messages import Callee, Invocation, WorkerCall, WorkerResponse
from silvaengine.registry.model import Function
from silvaengine.registry.registry import Registry
from silvaengine_tasks.records import Params, text

_logger = logging.getLogger(__name__)


class HookedCall(NamedTuple):
    """A call that hooks are told of.

    Args:
        function: the function that is called; its Lambda runs the hooks, too.
        endpoint_id: the tenant.
        params: the function's parameters.
        request_id: of this attempt.
        deadline: epoch seconds by which the source must have its response.
    """

    function: Function
    endpoint_id: str
    params: Params
    request_id: str
    deadline: float


class CallHooks:
    """Runs hooks.

    Args:
        registry: reads and caches them, also that an endpoint has none.
        invoker: reaches the workers.
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
                self._run(row, call)
            except SilvaEngineError as error:
                _log_failure(row, call, error)
                if row.get("is_interruptible"):
                    message = "A hook refused the call"
                    raise NotStartedError(message, detail=error.message) from error

    def start_after(self, call: HookedCall) -> None:
        """Start the hooks that follow a call; log those that can't be started."""
        for row in self._registry.hooks(call.endpoint_id):
            if row.get("status") is not True or not row.get("is_async"):
                continue
            try:
                payload = _payload(row, call, None)
                self._invoker.invoke(
                    call.function.aws_lambda_arn, payload, event=True, deadline=call.deadline
                )
            except SilvaEngineError as error:
                _log_failure(row, call, error)

    def _run(self, row: Mapping[str, Any], call: HookedCall) -> None:
        payload = _payload(row, call, call.deadline)
        result = self._invoker.invoke(call.function.aws_lambda_arn, payload, deadline=call.deadline)
        response = WorkerResponse.decode(result)
        if response.kind == "error":
            raise InvocationError(str(response.value), error_type=response.error_type)


def _payload(row: Mapping[str, Any], call: HookedCall, deadline: float | None) -> str:
    function, name = call.function, text(row, "function_name")
    return WorkerCall(
        Callee(text(row, "module_name"), "", name, function.callee.setting),
        params={"endpoint_id": call.endpoint_id, "function": function.name, "params": dict(call.params)},
        invocation=Invocation(call.request_id, call.endpoint_id, function.area, name, deadline),
    ).encode()


def _log_failure(row: Mapping[str, Any], call: HookedCall, error: SilvaEngineError) -> None:
    _logger.error(
        "Hook %s.%s failed: %s (%s)",
        row.get("module_name"),
        row.get("function_name"),
        error.message,
        error.detail,
        extra={"request_id": call.request_id},
    )
