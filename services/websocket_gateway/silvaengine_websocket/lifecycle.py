"""A connection's beginning and end: who may connect, and its row.

Any doubt and any failure refuses the handshake, so that a socket that opens is one that may call.
"""

from typing import TYPE_CHECKING

from silvaengine.authorization.admission import Admission, check_access
from silvaengine.authorization.events import CORS_SETTING, Members, lists_origin
from silvaengine.errors import RequestError
from silvaengine_websocket.connections import ConnectionStore
from silvaengine_websocket.event import Handshake, SocketContext
from silvaengine_websocket.hooks import call_hook
from silvaengine_websocket.subprotocols import subprotocol_headers

if TYPE_CHECKING:
    from silvaengine.authorization.model import Permission


class Lifecycle:
    """Opens connections, of which ``connections`` has the rows, and calls the operator's hook with each."""

    def __init__(self, admission: Admission, connections: ConnectionStore) -> None:
        self._admission = admission
        self.connections = connections

    def admit(self, event: Members, handshake: Handshake, lambda_context: object) -> "Permission":
        """Permit a handshake; the permission's ``authorizer`` comes with each event of the connection.

        Raises:
            SilvaEngineError: it is refused.

        """
        from silvaengine.authorization.model import AccessRequest  # lazy: only a handshake needs it

        key_access, _ = self._admission.admit(
            handshake.endpoint_id, handshake.api_key, handshake.area, handshake.stage
        )
        check_access(key_access, "invoke", "functions", handshake.context)
        _check_origin(key_access.settings.get(CORS_SETTING), handshake.headers.get("origin"))
        self._admission.registry.check_area(key_access, handshake.area)
        asked = AccessRequest(
            event,
            {**handshake.context, "headers": handshake.headers.sent},
            key_access,
            headers=handshake.headers,
            lambda_context=lambda_context,
        )
        permission = self._admission.open_authorization().authorize(asked)
        claims = permission.context.get("authorizer") or {}
        authorizer = {"key_id": key_access.key_id, **claims, **handshake.pinned(key_access.api_key)}
        return permission._replace(context={**permission.context, "authorizer": authorizer})

    def admit_directly(self, event: Members, handshake: Handshake, lambda_context: object) -> Members:
        """Return what the authorizer would say of ``$connect``, after its checks; raises like ``admit``."""
        # lazy: APIs with the authorizer don't need it
        from silvaengine.authorization.policies import authorizer_context, method_arn

        asked = {**event, "type": "REQUEST", "methodArn": method_arn(event).removesuffix("/")}
        return authorizer_context(self.admit(asked, handshake, lambda_context))

    def connect(self, event: Members, socket: SocketContext, lambda_context: object) -> dict[str, str]:
        """Write the row of a permitted connection, unless the operator's hook raises.

        Return the headers of the response to the handshake.

        Raises:
            SilvaEngineError: it is refused, or the row can't be written.

        """
        key_access, _ = self._admission.admit(  # not counted again: the handshake was
            socket.endpoint_id, socket.api_key, socket.area, socket.stage, is_row_key=True, is_counted=False
        )
        call_hook("on_connect", key_access, self._admission.open_authorization, event, lambda_context)
        headers = subprotocol_headers(event, key_access.settings)
        self.connections.begin(socket)
        return headers


def _check_origin(policy: object, origin: str | None) -> None:
    """Refuse a page that may not read the tenant's responses: browsers ask nobody about a socket (RFC 6455).

    ``policy`` is the setting ``cors``, None without one; a client without an origin is no browser.
    """
    if policy is not None and origin is not None and not lists_origin(policy, origin):
        raise RequestError("Pages of this origin may not connect", status=403)
