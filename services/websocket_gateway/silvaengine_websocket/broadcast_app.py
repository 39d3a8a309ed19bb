"""The broadcaster's handler: a Lambda of its own, which workers may invoke.

They may not invoke the gateway, which couldn't tell their events from API Gateway's, and the role that all
tenants' functions share may not list connections. So each request has a broadcast token, which names the
tenant that it is for.
"""

import logging
import time
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from silvaengine.errors import SilvaEngineError
from silvaengine.observability.logging import InvocationLog, configure_logging
from silvaengine.protocol.messages import WorkerResponse
from silvaengine.settings import Settings
from silvaengine.websocket.broadcast_tokens import BroadcastTokens, open_broadcast_tokens
from silvaengine_websocket.broadcaster import Broadcaster, broadcast_payload, open_broadcaster

if TYPE_CHECKING:
    from silvaengine.context import LambdaContext

MARGIN_SECONDS = 3.0  # a push under way ends within them

_logger = logging.getLogger(__name__)

type Handler = Callable[[object, "LambdaContext"], dict[str, Any]]


def create_handler(
    broadcaster: Broadcaster, tokens: BroadcastTokens, clock: Callable[[], float] = time.time
) -> Handler:
    """Return a Lambda handler made of these parts; ``clock`` returns epoch seconds."""

    def handle(event: object, context: "LambdaContext") -> dict[str, Any]:
        log = InvocationLog("broadcaster")
        members = event if isinstance(event, dict) else {}
        endpoint_id = str(members.get("endpoint_id"))
        log.add(request_id=str(members.get("request_id")), endpoint_id=endpoint_id)
        try:
            tokens.check(endpoint_id, str(members.get("grant")))
            deadline = clock() + context.get_remaining_time_in_millis() / 1000 - MARGIN_SECONDS
            counts = broadcast_payload(members, broadcaster, deadline)
            log.add(status=200, **counts)
            return WorkerResponse("json", counts).encode()
        except SilvaEngineError as error:
            log.add(status=error.status, error=type(error).__name__)
            if error.status >= 500:
                _logger.error("%s (%s)", error.message, error.detail)  # noqa: TRY400 - detail says why
            return WorkerResponse("error", error.message, error.status, type(error).__name__).encode()
        except Exception as error:
            log.add(status=500, error=type(error).__name__)
            raise
        finally:
            log.emit()

    return handle


@cache
def _deployed() -> Handler:
    settings = Settings.from_environment()
    configure_logging(settings)
    return create_handler(open_broadcaster(settings), open_broadcast_tokens(settings))


def handler(event: object, context: "LambdaContext") -> dict[str, Any]:
    """Broadcast a worker's frame; the response, a refusal too, has the form of a worker's."""
    return _deployed()(event, context)
