"""The WebSocket gateway's door: settings become objects, objects become the handler.

Each kind of event has its own form of failure: an authorizer call is denied, ``$connect`` is refused, and a
message's sender gets an error frame. What the handler returns for a message reaches nobody.
"""

import logging
import time
from collections.abc import Callable, Collection
from functools import cache
from os import urandom
from posixpath import dirname
from typing import TYPE_CHECKING, Any

from silvaengine.authorization.admission import process_limiter
from silvaengine.aws.lambda_invoker import LambdaInvoker, open_invoker
from silvaengine.errors import ConfigurationError, RequestError, SilvaEngineError
from silvaengine.observability.alerts import AlertPublisher, open_alert_publisher
from silvaengine.observability.logging import InvocationLog, configure_logging
from silvaengine.protocol.json_codec import encode
from silvaengine.registry.registry import Registry, open_registry
from silvaengine.settings import Settings
from silvaengine.websocket.broadcast_tokens import broadcast_token_issuer
from silvaengine.websocket.pushing import Pusher, open_pusher
from silvaengine_websocket.connections import ConnectionStore, open_connection_store
from silvaengine_websocket.event import Members, read_context, read_handshake, route_of
from silvaengine_websocket.gateway import Gateway, MessageCall
from silvaengine_websocket.hooks import SocketHooks
from silvaengine_websocket.lifecycle import Lifecycle

if TYPE_CHECKING:
    from silvaengine.access.rate_limits import RateLimiter
    from silvaengine.authorization.access import Permission
    from silvaengine.authorization.authorize import Authorization
    from silvaengine.ledger.dispatch import TokenIssuer
    from silvaengine_websocket.broadcaster import Broadcaster
    from silvaengine_websocket.idempotent_calls import IdempotentCalls

type Handler = Callable[[Any, Any], dict[str, Any]]

ARTEFACT = dirname(dirname(__file__))
OPERATOR = "silvaengine"  # the member of an operator's event; API Gateway's have none of that name
WAIT_SECONDS = 27.0  # API Gateway gives an integration 29
MARGIN_SECONDS = 1.0  # what the gateway itself needs before Lambda ends it

_logger = logging.getLogger(__name__)


class WebSocketHandler:
    """What Lambda calls.

    Args:
        lifecycle: lets clients in and out.
        gateway: brings messages to functions.
        open_broadcaster: returns what an operator broadcasts by.
        alerts: tells the operator about failures that aren't the client's.
        clock: epoch seconds.

    """

    def __init__(
        self,
        lifecycle: Lifecycle,
        gateway: Gateway,
        open_broadcaster: "Callable[[], Broadcaster]",
        alerts: AlertPublisher,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._lifecycle = lifecycle
        self._gateway = gateway
        self._open_broadcaster = open_broadcaster
        self._alerts = alerts
        self._clock = clock

    def __call__(self, event: Any, context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda hands over anything
        """Serve an event of the WebSocket API."""
        log = InvocationLog("websocket", encode)
        request_id = urandom(16).hex()
        log.add(request_id=request_id, status=200)
        try:
            if not isinstance(event, dict):
                raise ConfigurationError("Not an event of a WebSocket API")
            if OPERATOR in event:
                return self._operate(event[OPERATOR], context)
            if event.get("type") == "REQUEST":
                return self._authorize(event, context, request_id, log)
            return {"statusCode": self._serve(event, context, request_id, log)}
        finally:
            log.emit()

    def _operate(self, request: Any, context: object) -> dict[str, Any]:  # noqa: ANN401 - checked here
        """Carry out what an operator asks by invoking this Lambda; no client's event has such a member."""
        from silvaengine_websocket.broadcaster import answer_of  # operators are rare

        if not isinstance(request, dict) or request.get("operation") != "ws_broadcast":
            raise RequestError(f"{OPERATOR}: expected the operation ws_broadcast")
        return {**answer_of(request, self._open_broadcaster(), self._deadline(context))}

    def _authorize(
        self, event: Members, context: object, request_id: str, log: InvocationLog
    ) -> dict[str, Any]:
        from silvaengine.authorization.policies import answer_authorizer_call

        log.add(route="authorizer")

        def decide() -> "Permission":
            try:
                handshake = read_handshake(event)
                log.add(endpoint_id=handshake.endpoint_id, area=handshake.area)
                return self._lifecycle.admit(event, handshake, context)
            except Exception as error:
                self._note(error, request_id, log)
                raise

        return answer_authorizer_call(event, decide)

    def _serve(self, event: Members, context: object, request_id: str, log: InvocationLog) -> int:
        route = route_of(event)
        log.add(route=route)
        try:
            socket = read_context(event)
            log.add(endpoint_id=socket.endpoint_id, area=socket.area)
            if route == "$connect":
                self._lifecycle.connect(event, socket, context)
            elif route == "$disconnect":
                self._lifecycle.disconnect(socket)
            else:
                self._message(MessageCall(request_id, event, context, socket, self._deadline(context), log))
        except Exception as error:  # noqa: BLE001 - the door
            return self._told(error, request_id, log).status
        return 200

    def _message(self, call: MessageCall) -> None:
        try:
            self._gateway.serve(call)
        except Exception as error:  # noqa: BLE001 - the door: the sender is told
            self._gateway.refuse(call, self._told(error, call.request_id, call.log))

    def _told(self, error: Exception, request_id: str, log: InvocationLog) -> SilvaEngineError:
        """Log a failure that is ours, and give what its client may know of it."""
        known = self._note(error, request_id, log)
        if known.status >= 500:
            detail = known.detail or known.message
            _logger.error("%s", detail, exc_info=error, extra={"request_id": request_id})
        return known

    def _note(self, error: Exception, request_id: str, log: InvocationLog) -> SilvaEngineError:
        known = error if isinstance(error, SilvaEngineError) else SilvaEngineError("Internal server error")
        log.add(status=known.status, error=type(error).__name__)
        if known.status >= 500:
            subject = "silvaengine websocket gateway"
            facts = {"service": "websocket", "request_id": request_id, "status": known.status}
            self._alerts.publish(subject, f"{subject} {type(error).__name__}", facts)
        return known

    def _deadline(self, context: object) -> float:
        remaining: Callable[[], int] | None = getattr(context, "get_remaining_time_in_millis", None)
        seconds = WAIT_SECONDS if remaining is None else remaining() / 1000 - MARGIN_SECONDS
        return self._clock() + min(WAIT_SECONDS, seconds)


def create_handler(
    registry: Registry,
    connections: ConnectionStore,
    invoker: LambdaInvoker,
    pusher: Pusher,
    alerts: AlertPublisher,
    *,
    open_authorization: "Callable[[], Authorization]",
    open_once: "Callable[[], IdempotentCalls]",
    shipped: Callable[[], Collection[str]],
    grant: "TokenIssuer",
    open_broadcaster: "Callable[[], Broadcaster]",
    open_limiter: "Callable[[], RateLimiter]" = process_limiter,
    clock: Callable[[], float] = time.time,
) -> Handler:
    """Return a Lambda handler made of these parts.

    Args:
        registry: knows the functions.
        connections: holds the rows.
        invoker: reaches the workers.
        pusher: reaches the clients.
        alerts: reaches the operator.
        open_authorization: returns what names and permits callers.
        open_once: returns what calls need that must not run twice.
        shipped: returns the names of the operator's packages that hooks may stand in.
        grant: returns what lets a function broadcast.
        open_broadcaster: returns what reaches all of a tenant's clients.
        open_limiter: returns what counts the calls of tenants and keys that have a limit.
        clock: epoch seconds.

    """
    hooks = SocketHooks(shipped)
    return WebSocketHandler(
        Lifecycle(registry, connections, open_authorization, open_limiter, hooks),
        Gateway(registry, invoker, pusher, open_authorization, open_limiter, open_once, hooks, grant),
        open_broadcaster,
        alerts,
        clock,
    )


@cache
def _deployed() -> Handler:
    settings = Settings.from_environment()
    configure_logging(settings)
    invoker, grant = open_invoker(settings), broadcast_token_issuer(settings)
    return create_handler(
        open_registry(settings),
        open_connection_store(settings),
        invoker,
        open_pusher(settings),
        open_alert_publisher(settings),
        open_authorization=_authorization,
        open_once=lambda: _once(settings, invoker, grant),
        shipped=_shipped,
        grant=grant,
        open_broadcaster=lambda: _broadcaster(settings),
    )


def _authorization() -> "Authorization":
    from silvaengine.authorization.authorize import open_authorization  # not every message asks

    return open_authorization(ARTEFACT)


@cache
def _shipped() -> Collection[str]:
    from silvaengine.authorization.packages import shipped_packages  # few endpoints have hooks

    return shipped_packages(ARTEFACT).shipped


@cache
def _once(settings: Settings, invoker: LambdaInvoker, grant: "TokenIssuer") -> "IdempotentCalls":
    from silvaengine.ledger.digests import open_digests
    from silvaengine.ledger.dispatch import Dispatcher
    from silvaengine.ledger.payload_store import open_payload_store
    from silvaengine.ledger.store import open_ledger  # most messages do without
    from silvaengine_websocket.idempotent_calls import IdempotentCalls

    return IdempotentCalls(
        open_ledger(settings),
        Dispatcher(invoker, open_payload_store(settings), grant),
        open_digests(settings),
    )


@cache
def _broadcaster(settings: Settings) -> "Broadcaster":
    from silvaengine_websocket.broadcaster import open_broadcaster  # operators are rare

    return open_broadcaster(settings)


def handler(event: Any, context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda hands over anything
    """Serve an event of API Gateway's WebSocket API, its authorizer calls among them."""
    return _deployed()(event, context)
