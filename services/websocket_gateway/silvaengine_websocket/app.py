"""The WebSocket gateway's Lambda handler, composed from the environment."""

from functools import cache
from posixpath import dirname
from typing import TYPE_CHECKING

from silvaengine.authorization.admission import open_admission
from silvaengine.ledger.large_payloads import open_worker_invoker
from silvaengine.observability.alerts import open_alert_publisher
from silvaengine.observability.handler import lambda_handler
from silvaengine.observability.logging import configure_logging
from silvaengine.protocol.json_codec import encode
from silvaengine.settings import Settings
from silvaengine.websocket.broadcast_tokens import broadcast_token_issuer
from silvaengine.websocket.pushing import open_pusher
from silvaengine_websocket.connections import open_connection_store
from silvaengine_websocket.event import SocketEvent
from silvaengine_websocket.gateway import Gateway
from silvaengine_websocket.handler import WebSocketHandler
from silvaengine_websocket.lifecycle import Lifecycle

if TYPE_CHECKING:
    from silvaengine_websocket.broadcaster import Broadcaster
    from silvaengine_websocket.idempotent_calls import IdempotentCalls

ARTEFACT = dirname(dirname(__file__))


@cache
def _deployed() -> WebSocketHandler:
    settings = Settings.from_environment()
    configure_logging(settings)
    admission = open_admission(settings, ARTEFACT)
    invoker, issue_token = open_worker_invoker(settings), broadcast_token_issuer(settings)

    @cache
    def open_idempotent() -> "IdempotentCalls":
        from silvaengine_websocket.idempotent_calls import open_idempotent_calls  # lazy: few messages need it

        return open_idempotent_calls(settings, invoker, issue_token, admission.registry)

    @cache
    def open_broadcaster() -> "Broadcaster":
        from silvaengine_websocket import broadcaster  # lazy: only an operator's event needs it

        return broadcaster.open_broadcaster(settings)

    return WebSocketHandler(
        Lifecycle(admission, open_connection_store(settings)),
        Gateway(admission, invoker, open_pusher(settings), open_idempotent, issue_token),
        open_broadcaster,
        open_alert_publisher(settings),
    )


handler = lambda_handler("websocket", SocketEvent, _deployed, encode)
