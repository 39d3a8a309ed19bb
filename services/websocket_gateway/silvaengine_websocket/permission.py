"""Whether a socket may call a function."""

from silvaengine.errors import RequestError
from silvaengine.registry import Connection, Function
from silvaengine_websocket.event import Members, Socket


def permit_open(event: Members, socket: Socket, connection: Connection, function: Function) -> None:  # noqa: ARG001 - see gateway.Permit
    """Refuse what requires an authorizer; raises RequestError (403)."""
    if function.auth_required:
        message = f"Function {function.name!r} requires an authorizer and none is configured"
        raise RequestError(message, status=403)
