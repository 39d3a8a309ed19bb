"""Cognito triggers: a hook of the user pool's settings answers the event, or its error reaches the user.

docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-identity-pools-working-with-aws-lambda-triggers.html:
Cognito waits five seconds, and asks three times at the most, so that a hook may run again. The event of a
migration holds a password: nothing of an event is kept or logged.
"""

import json
import time
from collections.abc import Callable, Mapping
from os import urandom
from typing import Any, NamedTuple

from silvaengine.errors import ConfigurationError, InvocationError, SilvaEngineError
from silvaengine.observability.logging import InvocationLog
from silvaengine.protocol.messages import Callee, Invocation, WorkerAnswer, WorkerCall
from silvaengine.registry.registry import Registry
from silvaengine.settings import require
from silvaengine_tasks.calls import Caller, deadline_of, decoded
from silvaengine_tasks.records import text

POOLS_SETTING_ID = "general"  # its variables are user pools, their values settings ids
ANSWER_SECONDS = 4.0
HOOK = {
    "cognito_hooks_module_name": "event_triggers",
    "cognito_hooks_class_name": "Cognito",
    "cognito_hooks_function_name": "pre_token_generate",
}


class UserPools(NamedTuple):
    """Serves Cognito events.

    Args:
        caller: reaches workers.
        worker_arn: the worker that has the hooks; None where there is none.
        clock: epoch seconds.
    """

    caller: Caller
    worker_arn: str | None
    clock: Callable[[], float] = time.time

    def serve(self, event: Mapping[str, Any], context: Any, line: InvocationLog) -> Any:  # noqa: ANN401 - Lambda's
        """Return the event as the hook answers it.

        Raises:
            SilvaEngineError: it refuses or fails; Cognito shows the message to the user.
        """
        pool, request_id = text(event, "userPoolId"), urandom(16).hex()
        line.add(source="cognito", trigger=text(event, "triggerSource"), request_id=request_id)
        self.caller.registry.refresh()
        settings = _settings(self.caller.registry, pool)
        deadline = min(deadline_of(context, self.clock), self.clock() + ANSWER_SECONDS)
        call = _call(event, settings, Invocation(request_id, pool, "", _hook(settings)[2], deadline))
        try:
            arn = require(self.worker_arn, "WORKER_ARN")
            return _answered(self.caller.invoker.invoke(arn, call.encode(), deadline=deadline))
        except SilvaEngineError as error:
            if error.status >= 500:
                self.caller.tell(pool, call.callee.function, error, request_id)
            raise


def is_trigger(event: Mapping[str, Any]) -> bool:
    """Return whether an event is a user pool's."""
    return "triggerSource" in event and "userPoolId" in event


def _settings(registry: Registry, pool: str) -> Mapping[str, Any]:
    """Return the gateway settings of a user pool; none where the registry names none for it."""
    try:
        setting_id = registry.settings(POOLS_SETTING_ID).get(pool)
    except ConfigurationError:  # it has no rows
        return {}
    return registry.settings(setting_id) if setting_id else {}


def _hook(settings: Mapping[str, Any]) -> tuple[str, str, str]:
    module, class_name, function = (str(settings.get(name) or usual) for name, usual in HOOK.items())
    return module, class_name, function


def _call(event: Mapping[str, Any], settings: Mapping[str, Any], invocation: Invocation) -> WorkerCall:
    callee = Callee(*_hook(settings), json.dumps(settings))
    params = {"event": event, "context": {"request_id": invocation.request_id}}
    return WorkerCall(callee, params, invocation=invocation)


def _answered(result: Any) -> Mapping[str, Any]:  # noqa: ANN401 - a worker's answer
    answer = WorkerAnswer.decode(result)
    if answer.kind == "error":
        raise SilvaEngineError(str(answer.value), status=answer.status)
    value = decoded(answer)
    if not isinstance(value, Mapping):
        raise InvocationError("The hook did not answer with the event", error_type=type(value).__name__)
    return value
