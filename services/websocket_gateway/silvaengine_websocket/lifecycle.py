"""A connection's beginning and end: who may connect, and its row.

Any doubt and any failure refuses the handshake, so that a socket that opens is one that may call.
"""

from typing import TYPE_CHECKING, NamedTuple

from silvaengine.authorization.admission import admit, check_access
from silvaengine.errors import RequestError
from silvaengine.registry.registry import Registry
from silvaengine_websocket.connections import ConnectionStore
from silvaengine_websocket.event import Handshake, Members, SocketContext
from silvaengine_websocket.hooks import SocketHooks

if TYPE_CHECKING:
    from collections.abc import Callable

    from silvaengine.access.rate_limits import RateLimiter
    from silvaengine.authorization.authorization import Authorization
    from silvaengine.authorization.model import Permission


class Lifecycle(NamedTuple):
    """Opens and ends connections.

    Args:
        registry: finds what a key opens.
        connections: their rows.
        open_authorization: returns the authorizers.
        open_limiter: returns the rate limiter, for tenants and keys that have a limit.
        hooks: the operator's, called with each connection.

    """

    registry: Registry
    connections: ConnectionStore
    open_authorization: "Callable[[], Authorization]"
    open_limiter: "Callable[[], RateLimiter]"
    hooks: SocketHooks

    def admit(self, event: Members, handshake: Handshake, lambda_context: object) -> "Permission":
        """Permit a handshake; the permission's ``authorizer`` comes with each event of the connection.

        Raises:
            SilvaEngineError: it is refused.

        """
        from silvaengine.authorization.model import AccessRequest  # lazy: only a handshake needs it

        key_access, _ = admit(
            self.registry,
            self.open_limiter,
            handshake.endpoint_id,
            handshake.api_key,
            handshake.area,
            handshake.stage or None,
        )
        check_access(key_access, "invoke", "functions", handshake.context)
        if handshake.area not in self.registry.areas(key_access):
            message = f"This API key has no functions in area {handshake.area!r}"
            raise RequestError(message, status=403)
        access_request = AccessRequest(
            event=event,
            context={**handshake.context, "headers": handshake.headers},
            headers={name.lower(): value for name, value in handshake.headers.items()},
            method="",
            key_access=key_access,
            function=None,
            lambda_context=lambda_context,
        )
        permission = self.open_authorization().authorize(access_request)
        claims = permission.context.get("authorizer") or {}
        authorizer = {"key_id": key_access.key_id, **claims, **handshake.pinned(key_access.api_key)}
        return permission._replace(context={**permission.context, "authorizer": authorizer})

    def connect(self, event: Members, socket: SocketContext, lambda_context: object) -> None:
        """Write the row of a permitted connection, unless the operator's hook raises.

        Raises:
            SilvaEngineError: it is refused, or the row can't be written.

        """
        key_access = self.registry.key_access_by_row(
            socket.endpoint_id, socket.api_key, socket.area, socket.stage or None
        )
        self.hooks.call("on_connect", key_access, event, lambda_context)
        self.connections.begin(socket)

    def disconnect(self, socket: SocketContext) -> None:
        """Delete the row; raises what ``ConnectionStore.end`` raises."""
        self.connections.end(socket)
