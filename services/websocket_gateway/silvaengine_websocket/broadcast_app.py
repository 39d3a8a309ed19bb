"""The broadcaster's door: a Lambda of its own, which workers may invoke.

They may not invoke the gateway: an event of theirs would be as good as one of API Gateway's. And the role
that all tenants' functions share may not list connections. So each request brings a grant, which says for
which tenant it may be made.
"""

import logging
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from silvaengine.errors import SilvaEngineError
from silvaengine.observability.logging import InvocationLog, configure_logging
from silvaengine.protocol.messages import WorkerAnswer
from silvaengine.settings import Settings
from silvaengine.websocket.broadcast_tokens import BroadcastTokens, open_broadcast_tokens
from silvaengine_websocket.broadcaster import Broadcaster, answer_of, open_broadcaster

MARGIN_SECONDS = 3.0  # a push that is under way ends within them

_logger = logging.getLogger(__name__)

type Handler = Callable[[Mapping[str, Any], Any], dict[str, Any]]


def create_handler(
    broadcaster: Broadcaster, grants: BroadcastTokens, clock: Callable[[], float] = time.time
) -> Handler:
    """Return a Lambda handler made of these parts; ``clock`` gives epoch seconds."""

    def handle(event: Mapping[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context
        log = InvocationLog("broadcaster")
        log.add(request_id=str(event.get("request_id")), endpoint_id=str(event.get("endpoint_id")))
        try:
            grants.check(str(event.get("endpoint_id")), str(event.get("grant")))
            deadline = clock() + context.get_remaining_time_in_millis() / 1000 - MARGIN_SECONDS
            counts = answer_of(dict(event), broadcaster, deadline)
            log.add(status=200, **counts)
            return WorkerAnswer("json", counts).encode()
        except SilvaEngineError as error:
            log.add(status=error.status, error=type(error).__name__)
            if error.status >= 500:
                _logger.error("%s (%s)", error.message, error.detail)  # noqa: TRY400 - detail says why
            return WorkerAnswer("error", error.message, error.status, type(error).__name__).encode()
        finally:
            log.emit()

    return handle


@cache
def _deployed() -> Handler:
    settings = Settings.from_environment()
    configure_logging(settings)
    return create_handler(open_broadcaster(settings), open_broadcast_tokens(settings))


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context
    """Broadcast what a worker asks for; a refusal is an answer, in the form of a worker's."""
    return _deployed()(event, context)
