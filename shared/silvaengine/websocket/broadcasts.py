"""The request to the broadcaster, from a worker or an operator, and its result."""

from collections.abc import Mapping
from typing import Any

from silvaengine.errors import RequestError
from silvaengine.named_tuple import NamedTuple


class Broadcast(NamedTuple):
    """A frame for a tenant's open connections.

    Args:
        endpoint_id: the tenant.
        frame: the frame's text.
        area: only connections of this area; None for all.
        where: only connections whose claims have these values; empty for all.
        connection_id: only this connection; None for all.
    """

    endpoint_id: str
    frame: str
    area: str | None = None
    where: Mapping[str, str] = {}
    connection_id: str | None = None

    @classmethod
    def decode(cls, payload: Mapping[str, Any]) -> "Broadcast":
        """Read a request.

        Raises:
            RequestError: a member is missing or has a wrong value; the message names it.
        """
        where = payload.get("where") or {}
        if not isinstance(where, dict) or not all(isinstance(value, str) for value in where.values()):
            raise RequestError("'where' must be an object with string values")
        for name in ("endpoint_id", "frame"):
            if not isinstance(payload.get(name), str) or not payload[name]:
                raise RequestError(f"{name!r} must be a non-empty string")
        for name in ("area", "connection_id"):
            if not isinstance(payload.get(name), str | None):
                raise RequestError(f"{name!r} must be a string")
        return cls(
            payload["endpoint_id"], payload["frame"], payload.get("area"), where, payload.get("connection_id")
        )


class BroadcastCounts(NamedTuple):
    """A broadcast's numbers of connections: that got it, that are gone, and that may not have got it."""

    sent: int
    gone: int
    failed: int
