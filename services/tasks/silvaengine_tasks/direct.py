"""A direct invoke of this Lambda, as function packages send it: ``{endpoint_id, funct, params}``.

The function's result is the answer: its JSON text where it gave text. An error fails the invocation.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from silvaengine.errors import RequestError
from silvaengine.telemetry import InvocationLog
from silvaengine_tasks.calls import Caller, deadline_of
from silvaengine_tasks.record import text


class Direct(NamedTuple):
    """Serves direct invokes."""

    caller: Caller

    def serve(self, event: Mapping[str, Any], context: Any, line: InvocationLog) -> Any:  # noqa: ANN401 - any result
        """Call the function and give its result; raises SilvaEngineError."""
        endpoint_id, name = text(event, "endpoint_id"), text(event, "funct")
        params = event.get("params") or {}
        if not isinstance(params, dict):
            raise RequestError("The event's params are not an object")
        line.fields(source="direct", endpoint_id=endpoint_id, function=name)
        self.caller.registry.refresh()
        given = {**params, "endpoint_id": endpoint_id}
        return self.caller.directly(endpoint_id, name, given, deadline_of(context)).value


def is_call(event: Mapping[str, Any]) -> bool:
    """Whether an event is a direct call."""
    return "endpoint_id" in event and "funct" in event
