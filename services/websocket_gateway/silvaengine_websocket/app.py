"""The WebSocket gateway's Lambda handler: builds the gateway, serves events, and responds to failures.

Each kind of event fails in its own way: an authorizer call is denied, ``$connect`` is refused, and the sender
of a message gets an error frame. What the handler returns for a message is dropped by API Gateway.
"""

import logging
import time
from collections.abc import Callable, Collection
from functools import cache
from os import urandom
from posixpath import dirname
from typing import TYPE_CHECKING, Any

from silvaengine.authorization.admission import is_authorizer_call, process_limiter
from silvaengine.aws.lambda_invoker import Invoker, open_invoker
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
    from silvaengine.authorization.authorization import Authorization
    from silvaengine.authorization.model import Permission
    from silvaengine.ledger.dispatch import TokenIssuer
    from silvaengine_websocket.broadcaster import Broadcaster
    from silvaengine_websocket.idempotent_calls import IdempotentCalls

type Handler = Callable[[object, object], dict[str, Any]]

ARTEFACT = dirname(dirname(__file__))
OPERATION_MEMBER = "silvaengine"  # the member of an operator's event; API Gateway's have none of that name
WAIT_SECONDS = 27.0  # API Gateway's limit for an integration is 29
MARGIN_SECONDS = 1.0  # what the gateway itself needs before Lambda ends it

_logger = logging.getLogger(__name__)


class WebSocketHandler:
    """The Lambda handler.

    Args:
        lifecycle: opens and ends connections.
        gateway: serves messages.
        open_broadcaster: returns the broadcaster, for operators' events.
        alerts: alerts the operator to failures from status 500 on.
        clock: epoch seconds, as a callable.

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

    def __call__(self, event: object, context: object) -> dict[str, Any]:
        """Serve an event of the WebSocket API."""
        log = InvocationLog("websocket", encode)
        request_id = urandom(16).hex()
        log.add(request_id=request_id, status=200)
        try:
            return self._handle(event, context, request_id, log)
        except Exception as error:
            _log_failure(error, log)
            raise
        finally:
            log.emit()

    def _handle(self, event: object, context: object, request_id: str, log: InvocationLog) -> dict[str, Any]:
        if not isinstance(event, dict):
            raise ConfigurationError("Not a WebSocket API event")
        if OPERATION_MEMBER in event:
            return self._run_operation(event[OPERATION_MEMBER], context, log)
        if is_authorizer_call(event):
            return self._authorize(event, context, request_id, log)
        return {"statusCode": self._serve(event, context, request_id, log)}

    def _run_operation(self, request: object, context: object, log: InvocationLog) -> dict[str, Any]:
        """Carry out an operator's event, which no client of an API can send; log what it is."""
        # lazy: only an operator's event needs it
        from silvaengine_websocket.broadcaster import broadcast_payload

        if not isinstance(request, dict):
            raise RequestError(f"{OPERATION_MEMBER}: expected the operation ws_broadcast")
        operation, endpoint_id = str(request.get("operation")), request.get("endpoint_id")
        log.add(operation=operation)
        if endpoint_id is not None:
            log.add(endpoint_id=str(endpoint_id))
        if operation != "ws_broadcast":
            raise RequestError(f"{OPERATION_MEMBER}: expected the operation ws_broadcast")
        return {**broadcast_payload(request, self._open_broadcaster(), self._deadline(context))}

    def _authorize(
        self, event: Members, context: object, request_id: str, log: InvocationLog
    ) -> dict[str, Any]:
        # lazy: only an authorizer call needs it
        from silvaengine.authorization.policies import answer_authorizer_call

        log.add(route="authorizer")

        def decide() -> "Permission":
            try:
                handshake = read_handshake(event)
                log.add(endpoint_id=handshake.endpoint_id, area=handshake.area)
                return self._lifecycle.admit(event, handshake, context)
            except Exception as error:
                self._record_failure(error, request_id, log)
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
        except Exception as error:  # noqa: BLE001 - a Lambda's door
            return self._report_failure(error, request_id, log).status
        return 200

    def _message(self, call: MessageCall) -> None:
        try:
            self._gateway.serve(call)
        except Exception as error:  # noqa: BLE001 - the sender gets an error frame
            self._gateway.refuse(call, self._report_failure(error, call.request_id, call.log))

    def _report_failure(self, error: Exception, request_id: str, log: InvocationLog) -> SilvaEngineError:
        """Record a failure, log its traceback from status 500 on, and return what is public."""
        public = self._record_failure(error, request_id, log)
        if public.status >= 500:
            detail = public.detail or public.message
            _logger.error("%s", detail, exc_info=error, extra={"request_id": request_id})
        return public

    def _record_failure(self, error: Exception, request_id: str, log: InvocationLog) -> SilvaEngineError:
        """Log a failure's class, alert the operator from status 500 on, and return what is public."""
        public = _log_failure(error, log)
        if public.status >= 500:
            subject = "silvaengine websocket gateway"
            facts = {"service": "websocket", "request_id": request_id, "status": public.status}
            self._alerts.publish(subject, f"{subject} {type(error).__name__}", facts)
        return public

    def _deadline(self, context: object) -> float:
        remaining: Callable[[], int] | None = getattr(context, "get_remaining_time_in_millis", None)
        seconds = WAIT_SECONDS if remaining is None else remaining() / 1000 - MARGIN_SECONDS
        return self._clock() + min(WAIT_SECONDS, seconds)


def _log_failure(error: Exception, log: InvocationLog) -> SilvaEngineError:
    public = error if isinstance(error, SilvaEngineError) else SilvaEngineError("Internal server error")
    log.add(status=public.status, error=type(error).__name__)
    return public


def create_handler(
    registry: Registry,
    connections: ConnectionStore,
    invoker: Invoker,
    pusher: Pusher,
    alerts: AlertPublisher,
    *,
    open_authorization: "Callable[[], Authorization]",
    open_idempotent: "Callable[[], IdempotentCalls]",
    shipped: Callable[[], Collection[str]],
    issue_token: "TokenIssuer",
    open_broadcaster: "Callable[[], Broadcaster]",
    open_limiter: "Callable[[], RateLimiter]" = process_limiter,
    clock: Callable[[], float] = time.time,
) -> Handler:
    """Return a Lambda handler built from these parts.

    Args:
        registry: finds functions.
        connections: the rows of connections.
        invoker: invokes workers.
        pusher: pushes frames to clients.
        alerts: alerts the operator.
        open_authorization: returns the authorizers.
        open_idempotent: returns the calls with ``"once": true``.
        shipped: returns the names of the operator's packages, in which hooks may be.
        issue_token: returns a function's broadcast token, None for one that may not broadcast.
        open_broadcaster: returns the broadcaster.
        open_limiter: returns the rate limiter, for tenants and keys that have a limit.
        clock: epoch seconds, as a callable.

    """
    hooks = SocketHooks(shipped)
    return WebSocketHandler(
        Lifecycle(registry, connections, open_authorization, open_limiter, hooks),
        Gateway(
            registry, invoker, pusher, open_authorization, open_limiter, open_idempotent, hooks, issue_token
        ),
        open_broadcaster,
        alerts,
        clock,
    )


@cache
def _deployed() -> Handler:
    settings = Settings.from_environment()
    configure_logging(settings)
    invoker, issue_token = open_invoker(settings), broadcast_token_issuer(settings)
    return create_handler(
        open_registry(settings),
        open_connection_store(settings),
        invoker,
        open_pusher(settings),
        open_alert_publisher(settings),
        open_authorization=_authorization,
        open_idempotent=lambda: _idempotent_calls(settings, invoker, issue_token),
        shipped=_shipped,
        issue_token=issue_token,
        open_broadcaster=lambda: _broadcaster(settings),
    )


def _authorization() -> "Authorization":
    # lazy: only a function with ``auth_required`` needs it
    from silvaengine.authorization.authorization import open_authorization

    return open_authorization(ARTEFACT)


@cache
def _shipped() -> Collection[str]:
    # lazy: only an endpoint with hooks needs it
    from silvaengine.authorization.packages import shipped_packages

    return shipped_packages(ARTEFACT).shipped


@cache
def _idempotent_calls(settings: Settings, invoker: Invoker, issue_token: "TokenIssuer") -> "IdempotentCalls":
    # lazy: only a message with ``once`` needs it
    from silvaengine.ledger.digests import open_digests
    from silvaengine.ledger.dispatch import Dispatcher
    from silvaengine.ledger.payload_store import open_payload_store
    from silvaengine.ledger.store import open_ledger
    from silvaengine_websocket.idempotent_calls import IdempotentCalls

    return IdempotentCalls(
        open_ledger(settings),
        Dispatcher(invoker, open_payload_store(settings), issue_token),
        open_digests(settings),
    )


@cache
def _broadcaster(settings: Settings) -> "Broadcaster":
    from silvaengine_websocket.broadcaster import open_broadcaster  # lazy: only an operator's event needs it

    return open_broadcaster(settings)


def handler(event: object, context: object) -> dict[str, Any]:
    """Serve an event of API Gateway's WebSocket API, its authorizer calls among them."""
    return _deployed()(event, context)
