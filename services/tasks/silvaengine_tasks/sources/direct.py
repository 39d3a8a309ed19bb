"""Direct invokes of this Lambda, as function packages send them: ``{endpoint_id, funct, params}``.

The response is the function's result: JSON text where it returned text. An error fails the invocation, except
for a caller that sends its ``deadline``: it waits, and gets a WorkerResponse with the error's status.
"""

from typing import NamedTuple

from silvaengine.context import LambdaContext
from silvaengine.errors import RequestError, SilvaEngineError
from silvaengine.observability.logging import InvocationLog
from silvaengine.protocol.json_codec import Json
from silvaengine.protocol.messages import WorkerResponse, check_hops
from silvaengine_tasks.calls import DirectCall, FunctionCaller, deadline_of
from silvaengine_tasks.records import Event, text


class DirectSource(NamedTuple):
    """Direct invokes.

    Args:
        functions: calls functions.
    """

    functions: FunctionCaller

    @staticmethod
    def matches(event: Event) -> bool:
        """Return whether an event is a direct call."""
        return "endpoint_id" in event and "funct" in event

    def serve(self, event: Event, context: LambdaContext, log: InvocationLog) -> Json:
        """Call the function and return its result; raises SilvaEngineError."""
        deadline = event.get("deadline")
        if not isinstance(deadline, int | float):
            result: Json = self._call(event, deadline_of(context), log).value
            return result
        try:
            return self._call(event, min(deadline, deadline_of(context)), log).encode()
        except SilvaEngineError as error:
            log.add(status=error.status, error=type(error).__name__)
            return WorkerResponse("error", error.message, error.status, type(error).__name__).encode()

    def _call(self, event: Event, deadline: float, log: InvocationLog) -> WorkerResponse:
        log.add(source="direct")
        return self.functions.call_directly(lambda: self._read_call(event, log), deadline)

    def _read_call(self, event: Event, log: InvocationLog) -> DirectCall:
        endpoint_id, name = text(event, "endpoint_id"), text(event, "funct")
        params = event.get("params") or {}
        if not isinstance(params, dict):
            raise RequestError("The event's params must be an object")
        log.add(endpoint_id=endpoint_id, function=name)
        hops = check_hops(event.get("hops"))
        self.functions.registry.refresh()
        return DirectCall(endpoint_id, name, {**params, "endpoint_id": endpoint_id}, hops)
