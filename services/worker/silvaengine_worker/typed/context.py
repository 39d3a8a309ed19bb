"""A typed function's ``context``: by every way in it has the same members (docs/functions.md)."""

from collections.abc import Mapping
from typing import Any

from silvaengine.context import current_invocation
from silvaengine.protocol.messages import WorkerCall

_OBJECTS = ("headers", "query", "path_parameters", "authorizer")


def read_context(call: WorkerCall, context: Mapping[str, Any]) -> dict[str, Any]:
    """Return the context of a call, whatever of it came; only calls by HTTP and WebSocket bring one."""
    sent = context or (call.aws_event or {}).get("requestContext") or {}
    current = current_invocation()
    return {
        "channel": current.endpoint_id,
        "area": current.area,
        "connectionId": None,
        **{name: {} for name in _OBJECTS},
        "identity": sent.get("http") or {},  # of payload 2.0, which has the caller's address there
        **{name: value for name, value in sent.items() if value is not None},
    }
