"""How the broadcaster's events are served: a Lambda of its own, which workers may invoke.

They may not invoke the gateway, which couldn't tell their events from API Gateway's, and the role that all
tenants' functions share may not list connections. So each request has a broadcast token, which names the
tenant that it is for.
"""

import time
from collections.abc import Callable
from typing import Any

from silvaengine.errors import SilvaEngineError
from silvaengine.observability.handler import LambdaEvent
from silvaengine.protocol.messages import WorkerResponse
from silvaengine.protocol.trace_context import read_traceparent
from silvaengine.websocket.broadcast_tokens import BroadcastTokens
from silvaengine_websocket.broadcaster import Broadcaster, broadcast_payload

MARGIN_SECONDS = 3.0  # a push under way ends within them


class BroadcastHandler:
    """Broadcasts workers' frames; ``clock`` returns epoch seconds."""

    def __init__(
        self, broadcaster: Broadcaster, tokens: BroadcastTokens, clock: Callable[[], float] = time.time
    ) -> None:
        self._broadcaster = broadcaster
        self._tokens = tokens
        self._clock = clock

    def __call__(self, call: LambdaEvent) -> dict[str, Any]:
        """Broadcast a worker's frame; the response, a refusal too, has the form of a worker's."""
        members = call.event if isinstance(call.event, dict) else {}
        call.request_id = call.log.request_id = str(members.get("request_id"))
        endpoint_id = str(members.get("endpoint_id"))
        call.log.follow(read_traceparent(members.get("traceparent")))
        call.log.add(endpoint_id=endpoint_id)
        try:
            self._tokens.check(endpoint_id, str(members.get("grant")))
            deadline = self._clock() + call.context.get_remaining_time_in_millis() / 1000 - MARGIN_SECONDS
            counts = broadcast_payload(members, self._broadcaster, deadline)
        except SilvaEngineError as error:
            call.fail(error)
            return WorkerResponse("error", error.message, error.status, type(error).__name__).encode()
        call.log.add(**counts)
        return WorkerResponse("json", counts).encode()
