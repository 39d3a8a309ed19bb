"""A connection's beginning and end: who may connect, and the row that tells of it.

Any doubt and any failure refuses the handshake, so that a socket that opens is one that may call.
"""

from typing import TYPE_CHECKING, NamedTuple

from silvaengine.errors import RequestError
from silvaengine.registry import Registry
from silvaengine_websocket.connections import Connections
from silvaengine_websocket.event import Handshake, Members, Socket
from silvaengine_websocket.hooks import Hooks

if TYPE_CHECKING:
    from collections.abc import Callable

    from silvaengine.authorization.access import Permission
    from silvaengine.authorization.authorize import Authorization


class Lifecycle(NamedTuple):
    """Lets clients in and out.

    Args:
        registry: knows what a key opens.
        connections: holds the rows.
        open_authorization: gives what names the caller.
        hooks: the operator's functions that hear of connections.

    """

    registry: Registry
    connections: Connections
    open_authorization: "Callable[[], Authorization]"
    hooks: Hooks

    def admit(self, event: Members, handshake: Handshake, lambda_context: object) -> "Permission":
        """Let a handshake through; what the permission's context says of the caller comes with each event.

        Raises:
            SilvaEngineError: it is refused.

        """
        from silvaengine.authorization.access import AccessRequest  # noqa: PLC0415 - messages do without

        self.registry.refresh()
        connection = self.registry.connection(
            handshake.endpoint_id, handshake.api_key, handshake.area, handshake.stage or None
        )
        if connection.whitelist:
            from silvaengine.whitelist import check_address  # noqa: PLC0415 - few keys have one

            check_address(connection.whitelist, handshake.context)
        if not connection.may("invoke"):
            raise RequestError("This API key may not call functions", status=403)
        if handshake.area not in self.registry.areas(connection):
            message = f"The connection has no function in area {handshake.area!r}"
            raise RequestError(message, status=403)
        asked = AccessRequest(
            event=event,
            context={**handshake.context, "headers": handshake.headers},
            headers={name.lower(): value for name, value in handshake.headers.items()},
            method="",
            connection=connection,
            function=None,
            lambda_context=lambda_context,
        )
        permission = self.open_authorization().authorize(asked)
        claims = permission.context.get("authorizer") or {}
        # What the row is named by: of a key with a secret the id alone, which opens nothing.
        pinned = handshake._replace(api_key=connection.api_key).pinned()
        said = {"key_id": connection.key_id, **claims, **pinned}
        return permission._replace(context={**permission.context, "authorizer": said})

    def connect(self, event: Members, socket: Socket, lambda_context: object) -> None:
        """Write the row of a connection that was let in, unless the operator's hook raises.

        Raises:
            SilvaEngineError: it is refused, or the row can't be written.

        """
        connection = self.registry.known_connection(
            socket.endpoint_id, socket.api_key, socket.area, socket.stage or None
        )
        self.hooks.call("on_connect", connection, event, lambda_context)
        self.connections.begin(socket)

    def disconnect(self, socket: Socket) -> None:
        """End the row; raises what ``Connections.end`` raises."""
        self.connections.end(socket)
