"""A direct invoke of this Lambda, as function packages send it: ``{endpoint_id, funct, params}``.

The function's result is the answer: its JSON text where it gave text. An error fails the invocation, but for
a caller that sends its ``deadline``: it waits, and gets a WorkerAnswer that tells an error's status.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from silvaengine.errors import RequestError, SilvaEngineError
from silvaengine.observability.logging import InvocationLog
from silvaengine.protocol.messages import WorkerAnswer, check_hops
from silvaengine_tasks.calls import Caller, deadline_of
from silvaengine_tasks.records import text


class Direct(NamedTuple):
    """Serves direct invokes."""

    caller: Caller

    def serve(self, event: Mapping[str, Any], context: Any, line: InvocationLog) -> Any:  # noqa: ANN401 - any result
        """Call the function and give its result; raises SilvaEngineError."""
        until = event.get("deadline")
        if not isinstance(until, int | float):
            return self._call(event, deadline_of(context), line).value
        try:
            return self._call(event, min(until, deadline_of(context)), line).encode()
        except SilvaEngineError as error:
            line.add(error=type(error).__name__)
            return WorkerAnswer("error", error.message, error.status, type(error).__name__).encode()

    def _call(self, event: Mapping[str, Any], deadline: float, line: InvocationLog) -> WorkerAnswer:
        endpoint_id, name = text(event, "endpoint_id"), text(event, "funct")
        params = event.get("params") or {}
        if not isinstance(params, dict):
            raise RequestError("The event's params are not an object")
        line.add(source="direct", endpoint_id=endpoint_id, function=name)
        hops = check_hops(event.get("hops"))
        self.caller.registry.refresh()
        return self.caller.directly(endpoint_id, name, {**params, "endpoint_id": endpoint_id}, deadline, hops)


def is_call(event: Mapping[str, Any]) -> bool:
    """Return whether an event is a direct call."""
    return "endpoint_id" in event and "funct" in event
