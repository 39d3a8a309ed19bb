"""Cognito triggers: a function from the user pool's settings returns the event; its error reaches the user.

docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-identity-pools-working-with-aws-lambda-triggers.html:
Cognito waits five seconds and tries three times at the most, so that the function may run again. The event of
a migration holds a password: nothing of an event is kept or logged.
"""

import json
import time
from collections.abc import Callable, Mapping

from silvaengine.context import LambdaContext
from silvaengine.errors import InvocationError, SilvaEngineError
from silvaengine.observability.logging import InvocationLog
from silvaengine.protocol.json_codec import Json
from silvaengine.protocol.messages import Callee, Invocation, WorkerCall, WorkerResponse
from silvaengine.registry.registry import Registry
from silvaengine.settings import require
from silvaengine_tasks.calls import FunctionCaller, response_value
from silvaengine_tasks.records import CallIds, Event, text
from silvaengine_tasks.sources import deadline_of

POOLS_SETTING_ID = "general"  # its variables are user pools, their values setting ids
RESPONSE_SECONDS = 4.0
DEFAULTS = {
    "cognito_hooks_module_name": "event_triggers",
    "cognito_hooks_class_name": "Cognito",
    "cognito_hooks_function_name": "pre_token_generate",
}


class CognitoSource:
    """Triggers of user pools; the worker at ``worker_arn`` runs their functions."""

    def __init__(
        self, functions: FunctionCaller, worker_arn: str | None, clock: Callable[[], float] = time.time
    ) -> None:
        self._functions = functions
        self._worker_arn = worker_arn
        self._clock = clock

    @staticmethod
    def matches(event: Event) -> bool:
        """Return whether an event is a user pool's trigger."""
        return "triggerSource" in event and "userPoolId" in event

    def serve(self, event: Event, context: LambdaContext, log: InvocationLog) -> Json:
        """Return the event as the function returns it.

        Raises:
            SilvaEngineError: it refuses or fails; Cognito shows the message to the user.
        """
        pool, ids = text(event, "userPoolId"), CallIds(log.request_id, log.traceparent)
        log.add(source="cognito", trigger=text(event, "triggerSource"))
        self._functions.registry.refresh()
        callee = _callee(_pool_settings(self._functions.registry, pool))
        deadline = min(deadline_of(context, self._clock), self._clock() + RESPONSE_SECONDS)
        params = {"event": event, "context": {"request_id": ids.request_id}}
        invocation = Invocation(
            ids.request_id, pool, "", callee.function, deadline, traceparent=ids.traceparent
        )
        call = WorkerCall(callee, params, invocation=invocation)
        try:
            arn = require(self._worker_arn, "WORKER_ARN")
            return _read_event(self._functions.invoker.invoke(arn, call.encode(), deadline=deadline))
        except SilvaEngineError as error:
            if error.status >= 500:
                self._functions.report(pool, callee.function, error, ids)
            raise


def _pool_settings(registry: Registry, pool: str) -> Mapping[str, Json]:
    """Return a user pool's settings, an empty mapping where the registry has none for it."""
    setting_id = registry.find_settings(POOLS_SETTING_ID).get(pool)
    return registry.settings(setting_id) if setting_id else {}


def _callee(settings: Mapping[str, Json]) -> Callee:
    module, class_name, function = (str(settings.get(name) or default) for name, default in DEFAULTS.items())
    return Callee(module, class_name, function, json.dumps(settings))


def _read_event(result: bytes) -> Mapping[str, Json]:
    response = WorkerResponse.read(result)
    if response.kind == "error":
        raise SilvaEngineError(str(response.value), status=response.status)
    value = response_value(response)
    if not isinstance(value, Mapping):
        raise InvocationError("The hook did not return the event", error_type=type(value).__name__)
    return value
