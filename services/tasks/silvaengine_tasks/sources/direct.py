"""Direct invokes of this Lambda, as function packages send them: ``{endpoint_id, funct, params}``.

The response is the function's result: JSON text where it returned text. An error fails the invocation, except
for a caller that sends its ``deadline``: it waits, and gets a WorkerResponse with the error's status.
"""

from silvaengine.context import LambdaContext
from silvaengine.errors import RequestError, SilvaEngineError
from silvaengine.observability.logging import InvocationLog
from silvaengine.protocol.json_codec import Json
from silvaengine.protocol.messages import WorkerResponse
from silvaengine.protocol.trace_context import read_traceparent
from silvaengine_tasks.calls import DirectCall, FunctionCaller
from silvaengine_tasks.records import Event, text
from silvaengine_tasks.sources import deadline_of


class DirectSource:
    """Direct invokes."""

    def __init__(self, functions: FunctionCaller) -> None:
        self._functions = functions

    @staticmethod
    def matches(event: Event) -> bool:
        """Return whether an event is a direct call."""
        return "endpoint_id" in event and "funct" in event

    def serve(self, event: Event, context: LambdaContext, log: InvocationLog) -> Json:
        """Call the function and return its result; raises SilvaEngineError."""
        log.add(source="direct")
        log.follow(read_traceparent(event.get("traceparent")))
        deadline, own_deadline = event.get("deadline"), deadline_of(context)
        if not isinstance(deadline, int | float):
            result: Json = self._functions.call_directly(_read_call, event, own_deadline, log).value
            return result
        try:
            deadline = min(deadline, own_deadline)
            return self._functions.call_directly(_read_call, event, deadline, log).encode()
        except SilvaEngineError as error:
            kind = type(error).__name__
            log.add(status=error.status, error=kind)
            return WorkerResponse(
                "error", error.message, error.status, kind, error.details, error.code
            ).encode()


def _read_call(event: Event) -> DirectCall:
    endpoint_id, name = text(event, "endpoint_id"), text(event, "funct")
    params = event.get("params") or {}
    if not isinstance(params, dict):
        raise RequestError("The event's params must be an object")
    return DirectCall(endpoint_id, name, {**params, "endpoint_id": endpoint_id}, event.get("hops"))
