"""How the WebSocket gateway's events are served.

Each kind of event fails in its own way: an authorizer call is denied, ``$connect`` is refused, and the sender
of a message gets an error frame. What the handler returns for a message is dropped by API Gateway.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, override

from silvaengine.authorization.events import OPERATION_MEMBER, GatewayHandler, Members
from silvaengine.errors import ConfigurationError, RequestError, SilvaEngineError
from silvaengine.observability.alerts import AlertPublisher
from silvaengine_websocket.event import (
    Handshake,
    SocketContext,
    SocketEvent,
    is_authorized,
    read_connection_id,
    read_context,
    read_handshake,
    read_route,
    with_authorizer,
)
from silvaengine_websocket.gateway import Gateway
from silvaengine_websocket.lifecycle import Lifecycle

if TYPE_CHECKING:
    from silvaengine.authorization.model import Permission
    from silvaengine_websocket.broadcaster import Broadcaster


class WebSocketHandler(GatewayHandler[SocketEvent]):
    """Handshakes, connections, messages, and operators' broadcasts; ``clock`` returns epoch seconds."""

    def __init__(
        self,
        lifecycle: Lifecycle,
        gateway: Gateway,
        open_broadcaster: "Callable[[], Broadcaster]",
        alerts: AlertPublisher,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__("websocket", alerts, clock)
        self._lifecycle = lifecycle
        self._gateway = gateway
        self._open_broadcaster = open_broadcaster

    @override
    def operate(self, call: SocketEvent, operation: str, request: Members) -> dict[str, Any]:
        """Push a frame to a tenant's connections; raises what ``broadcast_payload`` raises."""
        # lazy: only an operator's event needs it
        from silvaengine_websocket.broadcaster import broadcast_payload

        if operation != "ws_broadcast":
            raise RequestError(f"{OPERATION_MEMBER}: expected the operation ws_broadcast")
        return {**broadcast_payload(request, self._open_broadcaster(), call.deadline)}

    @override
    def permit(self, call: SocketEvent) -> "Permission":
        """Return the permission for a handshake; raises what ``Lifecycle.admit`` raises."""
        call.log.add(route="authorizer")
        return self._lifecycle.admit(call.event, _read_handshake(call), call.context)

    @override
    def serve(self, call: SocketEvent) -> dict[str, Any]:
        """Serve an event of a connection; raises ConfigurationError if it can't be one."""
        if not isinstance(call.event, dict):
            raise ConfigurationError("Not a WebSocket API event")
        try:
            headers = self._serve(call)
        except Exception as error:  # noqa: BLE001 - a Lambda's door
            return {"statusCode": self.fail(call, error).status}
        return {"statusCode": 200, "headers": headers} if headers else {"statusCode": 200}

    def _serve(self, call: SocketEvent) -> dict[str, str]:
        """Serve an event; return the headers of the response, which only a handshake's has."""
        route, call.event = read_route(call.event)
        call.log.add(route=route)
        call.socket = socket = self._read_context(call, route)
        call.log.add(endpoint_id=socket.endpoint_id, area=socket.area)
        if route == "$connect":
            return self._lifecycle.connect(call.event, socket, call.context)
        if route == "$disconnect":
            self._lifecycle.connections.end(socket)
        else:
            if isinstance(body := call.event.get("body"), str):
                call.log.add(bytes_in=len(body))
            self._serve_message(call)
        return {}

    def _read_context(self, call: SocketEvent, route: str) -> SocketContext:
        try:
            return read_context(call.event)
        except RequestError:
            if is_authorized(call.event):
                raise
        call.event = with_authorizer(call.event, self._authorize_directly(call, route))
        return read_context(call.event)

    def _authorize_directly(self, call: SocketEvent, route: str) -> Members:
        """Return what the authorizer would say of an event, where the API has none: after the same checks."""
        if route == "$connect":
            return self._lifecycle.admit_directly(call.event, _read_handshake(call), call.context)
        is_ending = route == "$disconnect"
        connection_id = read_connection_id(call.event)
        try:
            return self._lifecycle.connections.find_context(connection_id, call.deadline, is_ending=is_ending)
        except SilvaEngineError as error:
            if not is_ending:
                self._gateway.refuse_unread(call, error)
            raise

    def _serve_message(self, call: SocketEvent) -> None:
        try:
            self._gateway.serve(call)
        except Exception as error:  # noqa: BLE001 - the sender gets an error frame
            self._gateway.refuse(call, self.fail(call, error))


def _read_handshake(call: SocketEvent) -> Handshake:
    handshake = read_handshake(call.event)
    call.log.add(endpoint_id=handshake.endpoint_id, area=handshake.area)
    return handshake
