"""A connection's beginning and end: who may connect, and the row that tells of it.

Any doubt and any failure refuses the handshake, so that a socket that opens is one that may call.
"""

from typing import TYPE_CHECKING, NamedTuple

from silvaengine.admission import admitted, check_access
from silvaengine.errors import RequestError
from silvaengine.registry import Registry
from silvaengine_websocket.connections import Connections
from silvaengine_websocket.event import Handshake, Members, Socket
from silvaengine_websocket.hooks import Hooks

if TYPE_CHECKING:
    from collections.abc import Callable

    from silvaengine.authorization.access import Permission
    from silvaengine.authorization.authorize import Authorization
    from silvaengine.limits import Limiter


class Lifecycle(NamedTuple):
    """Lets clients in and out.

    Args:
        registry: knows what a key opens.
        connections: holds the rows.
        open_authorization: gives what names the caller.
        open_limiter: gives what counts the calls of tenants and keys that have a limit.
        hooks: the operator's functions that hear of connections.

    """

    registry: Registry
    connections: Connections
    open_authorization: "Callable[[], Authorization]"
    open_limiter: "Callable[[], Limiter]"
    hooks: Hooks

    def admit(self, event: Members, handshake: Handshake, lambda_context: object) -> "Permission":
        """Let a handshake through; what the permission's context says of the caller comes with each event.

        Raises:
            SilvaEngineError: it is refused.

        """
        from silvaengine.authorization.access import AccessRequest  # noqa: PLC0415 - messages do without

        connection, _ = admitted(
            self.registry,
            self.open_limiter,
            handshake.endpoint_id,
            handshake.api_key,
            handshake.area,
            handshake.stage or None,
        )
        check_access(connection, "invoke", "functions", handshake.context)
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
        said = {"key_id": connection.key_id, **claims, **handshake.pinned(connection.api_key)}
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
