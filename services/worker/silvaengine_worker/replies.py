"""What a call over a WebSocket sends back: its result, a stream of items, or an error."""

import time
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from functools import cache, partial

from silvaengine.aws.table_client import TableWriter, open_table_writer
from silvaengine.errors import ErrorDetails, NotFoundError, RequestError, SilvaEngineError
from silvaengine.protocol.messages import ReplyTo, WorkerCall, WorkerResponse
from silvaengine.settings import Settings
from silvaengine.tables import WSS_CONNECTIONS
from silvaengine.websocket import frames
from silvaengine.websocket.pushing import Pusher, check_size, open_pusher
from silvaengine_worker.arguments import public_name
from silvaengine_worker.event import WorkerEvent
from silvaengine_worker.results import as_generator, await_result, complete, to_sent_text
from silvaengine_worker.stream import ItemStream

type OpenReplies = Callable[[WorkerCall, ReplyTo, WorkerEvent], CallReplies]

LAST_SECONDS = 1.0  # how long the last frame of a call may wait for a busy client


class CallReplies:
    """The replies to one message; after the event's ``settle_at`` no further item is sent.

    ``connections`` deletes the row of a client that is gone.
    """

    def __init__(
        self, call: WorkerCall, socket: ReplyTo, event: WorkerEvent, pusher: Pusher, connections: TableWriter
    ) -> None:
        self._call = call
        self._socket = socket
        self._event = event
        self._pusher = pusher
        self._connections = connections
        self._stream: ItemStream | None = None
        self.is_gone = False

    def stream_or_complete(self, result: object) -> object:
        """Push a generator's items as they come and return None; complete any other result."""
        result = await_result(result)
        message_id = self._socket.message_id
        items = None if message_id is None else as_generator(result)
        if message_id is None or items is None:
            return complete(result)
        self._push_items(message_id, items)
        return None

    def send(self, response: WorkerResponse) -> None:
        """Push the call's outcome, unless the client is gone.

        Raises:
            UnavailableError: the client could not be reached, or may not have been.

        """
        sent = None if self._stream is None else self._stream.wait()
        frame = self._frame(response, sent)
        if frame is None or self.is_gone:
            return
        try:
            check_size(len(frame.encode()))
        except RequestError as error:
            frame = self._error(error.message, error.status, sent)
        self._push(frame, time.time() + LAST_SECONDS)

    def _frame(self, response: WorkerResponse, sent: int | None) -> str | None:
        message_id = self._socket.message_id
        # an untyped function's bare result is as it was
        if message_id is not None or self._call.callee.typed:
            response = frames.unpack(response)
        if response.kind == "error":
            return self._error(response.value, response.status, sent, response.details, response.code)
        if message_id is None:
            return frames.bare_text(response) if self._socket.wants_result else None
        if sent is not None:
            return frames.done(message_id, sent)
        return frames.result(message_id, public_name(self._call), frames.data_text(response))

    def _error(
        self, message: str, status: int, sent: int | None, details: ErrorDetails = (), code: str = ""
    ) -> str:
        return frames.error(
            self._socket.message_id,
            public_name(self._call),
            status=status,
            message=message,
            request_id=self._event.request_id,
            seq=sent,
            details=details,
            code=code,
        )

    def _push_items(self, message_id: str, items: Generator[object]) -> None:
        with closing(items), ItemStream(message_id, self._push_item) as self._stream:
            for item in items:
                self._stream.write(to_sent_text(item))

    def _push_item(self, frame: str) -> None:
        if not self._push(frame, self._event.settle_at):
            raise NotFoundError("The client is gone", status=410)

    def _push(self, frame: str, deadline: float) -> bool:
        try:
            self._pusher.push(self._socket.connection_id, frame, deadline)
        except NotFoundError:
            self.is_gone = True
            self._delete_connection()
        return not self.is_gone

    def _delete_connection(self) -> None:
        """Delete the client's row; it expires in two hours where that fails."""
        endpoint_id = self._call.invocation.endpoint_id if self._call.invocation else ""
        key = {"endpoint_id": endpoint_id, "connection_id": self._socket.connection_id}
        with suppress(SilvaEngineError):
            self._connections.delete(WSS_CONNECTIONS, key)


shared_pusher = cache(open_pusher)
"""Returns the process's pusher to clients."""


def open_replies(settings: Settings) -> OpenReplies:
    """Return a factory of replies, for a call, its socket and its event."""
    return partial(CallReplies, pusher=shared_pusher(settings), connections=open_table_writer(settings))
