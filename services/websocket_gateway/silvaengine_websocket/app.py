"""The WebSocket gateway's door: settings become objects, objects become the handler.

Each kind of event has its own form of failure: an authorizer call is denied, ``$connect`` is refused, and a
message's sender gets an error frame. What the handler returns for a message reaches nobody.
"""

import logging
import time
from collections.abc import Callable
from functools import cache
from os import urandom
from typing import Any

from silvaengine.errors import SilvaEngineError
from silvaengine.invocation import LambdaInvoker, open_invoker
from silvaengine.json_text import encode
from silvaengine.notices import Notifier, open_notifier
from silvaengine.registry import Registry, open_registry
from silvaengine.settings import Settings
from silvaengine.telemetry import InvocationLog, configure_logging
from silvaengine.websocket.pushing import Pusher, open_pusher
from silvaengine_websocket.connections import Connections, open_connections
from silvaengine_websocket.event import (
    Members,
    is_authorizer_call,
    read_handshake,
    read_socket,
    route_of,
)
from silvaengine_websocket.gateway import Call, Gateway, Permit
from silvaengine_websocket.lifecycle import Authorize, Lifecycle, by_key, policy
from silvaengine_websocket.permission import permit_open

type Handler = Callable[[Any, Any], dict[str, Any]]

WAIT_SECONDS = 27.0  # API Gateway gives an integration 29
MARGIN_SECONDS = 1.0  # what the gateway itself needs before Lambda ends it

_logger = logging.getLogger(__name__)


class Door:
    """What Lambda calls.

    Args:
        lifecycle: lets clients in and out.
        gateway: brings messages to functions.
        notifier: tells the operator about failures that aren't the client's.
        clock: epoch seconds.

    """

    def __init__(
        self,
        lifecycle: Lifecycle,
        gateway: Gateway,
        notifier: Notifier,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._lifecycle = lifecycle
        self._gateway = gateway
        self._notifier = notifier
        self._clock = clock

    def __call__(self, event: Any, context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda hands over anything
        """Serve an event of the WebSocket API."""
        log = InvocationLog("websocket", encode)
        request_id = urandom(16).hex()
        log.fields(request_id=request_id, status=200)
        try:
            if not isinstance(event, dict):
                return {"statusCode": 400}
            if is_authorizer_call(event):
                return self._authorize(event, request_id, log)
            return {"statusCode": self._serve(event, context, request_id, log)}
        finally:
            log.emit()

    def _authorize(self, event: Members, request_id: str, log: InvocationLog) -> dict[str, Any]:
        log.fields(route="authorizer")
        try:
            handshake = read_handshake(event)
            log.fields(endpoint_id=handshake.endpoint_id, area=handshake.area)
            return self._lifecycle.admit(event, handshake)
        except Exception as error:  # noqa: BLE001 - the door: whatever fails, nobody comes in
            known = self._known(error, request_id, log)
            said = {"error_message": known.message, "request_id": request_id}
            return policy("Deny", str(event.get("methodArn")), "nobody", said)

    def _serve(self, event: Members, context: object, request_id: str, log: InvocationLog) -> int:
        route = route_of(event)
        log.fields(route=route)
        try:
            socket = read_socket(event)
            log.fields(endpoint_id=socket.endpoint_id, area=socket.area)
            if route == "$connect":
                self._lifecycle.connect(socket)
            elif route == "$disconnect":
                self._lifecycle.disconnect(socket)
            else:
                call = Call(request_id, event, socket, self._deadline(context), log)
                self._message(call, log)
        except Exception as error:  # noqa: BLE001 - the door
            return self._known(error, request_id, log).status
        return 200

    def _message(self, call: Call, log: InvocationLog) -> None:
        try:
            self._gateway.serve(call)
        except Exception as error:  # noqa: BLE001 - the door: the sender is told
            self._gateway.refuse(call, self._known(error, call.request_id, log))

    def _known(self, error: Exception, request_id: str, log: InvocationLog) -> SilvaEngineError:
        """Log a failure as it deserves, and give what its client may know of it."""
        known = error if isinstance(error, SilvaEngineError) else SilvaEngineError("Internal server error")
        log.fields(status=known.status, error=type(error).__name__)
        if known.status >= 500:
            detail = known.detail or known.message
            _logger.error("%s", detail, exc_info=error, extra={"request_id": request_id})
            subject = "silvaengine websocket gateway"
            facts = {"service": "websocket", "request_id": request_id, "status": known.status}
            self._notifier.notify(subject, f"{subject} {type(error).__name__}", facts)
        return known

    def _deadline(self, context: object) -> float:
        remaining: Callable[[], int] | None = getattr(context, "get_remaining_time_in_millis", None)
        seconds = WAIT_SECONDS if remaining is None else remaining() / 1000 - MARGIN_SECONDS
        return self._clock() + min(WAIT_SECONDS, seconds)


def create_handler(
    registry: Registry,
    connections: Connections,
    invoker: LambdaInvoker,
    pusher: Pusher,
    notifier: Notifier,
    *,
    authorize: Authorize = by_key,
    permit: Permit = permit_open,
    clock: Callable[[], float] = time.time,
) -> Handler:
    """Give a Lambda handler made of these parts; ``clock`` gives epoch seconds."""
    lifecycle = Lifecycle(registry, connections, authorize)
    return Door(lifecycle, Gateway(registry, invoker, pusher, permit), notifier, clock)


@cache
def _deployed() -> Handler:
    settings = Settings.from_environment()
    configure_logging(settings)
    return create_handler(
        open_registry(settings),
        open_connections(settings),
        open_invoker(settings),
        open_pusher(settings),
        open_notifier(settings),
    )


def handler(event: Any, context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda hands over anything
    """Serve an event of API Gateway's WebSocket API, its authorizer calls among them."""
    return _deployed()(event, context)
