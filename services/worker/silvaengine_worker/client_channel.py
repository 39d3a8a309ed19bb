"""A function's channel to connected clients: ``current_invocation().connection``.

It is created for every call, so it opens and imports nothing before a function sends.
"""

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from silvaengine.errors import NotFoundError, RequestError, SilvaEngineError
from silvaengine.protocol.messages import WorkerCall, WorkerResponse
from silvaengine.settings import Settings, require
from silvaengine_worker.results import to_sent_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from silvaengine.aws.lambda_invoker import Invoker
    from silvaengine.websocket.pushing import Pusher

SEND_SECONDS = 10.0
BROADCAST_SECONDS = 27.0


class CallChannel:
    """The channel of one call, which is the span of this ``traceparent``.

    ``open_broadcaster`` returns the invoker and the name of the broadcaster.
    """

    def __init__(
        self,
        call: WorkerCall,
        traceparent: str | None,
        open_pusher: "Callable[[], Pusher]",
        open_broadcaster: "Callable[[], tuple[Invoker, str]]",
    ) -> None:
        self.id = call.socket.connection_id if call.socket else None
        self._invocation = call.invocation
        self._traceparent = traceparent
        self._open_pusher = open_pusher
        self._open_broadcaster = open_broadcaster

    def send(self, data: object, *, to: str | None = None) -> None:
        """See ``silvaengine.context.ClientChannel``."""
        if to is not None and to != self.id:
            counts = self._broadcast(data, connection_id=to)
            if not counts["sent"]:
                raise SilvaEngineError("The message could not be sent", status=503)
            return
        if self.id is None:
            raise RequestError("This call was not made over a WebSocket connection")
        self._open_pusher().push(self.id, _encode(data), time.time() + SEND_SECONDS)

    def broadcast(
        self,
        data: object,
        *,
        area: str | None = None,
        where: Mapping[str, str] | None = None,
    ) -> Mapping[str, int]:
        """See ``silvaengine.context.ClientChannel``."""
        return self._broadcast(data, area=area, where=dict(where or {}))

    def _broadcast(self, data: object, **audience: str | Mapping[str, str] | None) -> Mapping[str, int]:
        if self._invocation is None or self._invocation.grant is None:
            raise RequestError(
                "This function is not allowed to broadcast; set broadcasts: true in the registry", status=403
            )
        invoker, name = self._open_broadcaster()
        payload = {
            "endpoint_id": self._invocation.endpoint_id,
            "grant": self._invocation.grant,
            "request_id": self._invocation.request_id,
            "traceparent": self._traceparent,
            "frame": _encode(data),
            **audience,
        }
        result = invoker.invoke(name, json.dumps(payload), deadline=time.time() + BROADCAST_SECONDS)
        response = WorkerResponse.read(result)
        if response.kind == "error":
            raise _to_error(response)
        counts: Mapping[str, int] = response.value
        return counts


def open_channels(settings: Settings) -> "Callable[[WorkerCall, str | None], CallChannel] | None":
    """Return a factory of the calls' channels; None where there is no WebSocket API."""
    if settings.websocket_management_url is None:
        return None

    def pusher() -> "Pusher":
        from silvaengine_worker.replies import shared_pusher  # lazy: only a function that sends needs it

        return shared_pusher(settings)

    def broadcaster() -> "tuple[Invoker, str]":
        from silvaengine.aws.client import open_client  # lazy: only a function that broadcasts needs it
        from silvaengine.aws.lambda_invoker import LambdaInvoker

        name = require(settings.broadcaster, "BROADCASTER")
        return LambdaInvoker(lambda: open_client("lambda", settings.region)), name

    return lambda call, traceparent: CallChannel(call, traceparent, pusher, broadcaster)


def _to_error(response: WorkerResponse) -> SilvaEngineError:
    if response.status == 404:
        return NotFoundError(str(response.value))
    kind = RequestError if response.status < 500 else SilvaEngineError
    return kind(str(response.value), status=response.status)


def _encode(data: object) -> str:
    return data if isinstance(data, str) else to_sent_text(data)
