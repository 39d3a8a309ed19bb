"""What a call that came by a WebSocket sends back: its result, a stream of items, or why there is none."""

import json
import time
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from functools import cache, partial
from typing import Any

from silvaengine.aws.table_client import open_table_writer
from silvaengine.errors import NotFoundError, RequestError, SilvaEngineError
from silvaengine.protocol.messages import ReplyTo, WorkerAnswer, WorkerCall
from silvaengine.settings import Settings
from silvaengine.tables import WSS_CONNECTIONS
from silvaengine.websocket import frames
from silvaengine.websocket.pushing import Pusher, check_size, open_pusher
from silvaengine_worker.deadline import awaited, complete, iterated
from silvaengine_worker.results import plain
from silvaengine_worker.stream import Stream

LAST_SECONDS = 1.0  # how long the last frame of a call may wait for a busy client


class Replies:
    """The answers of one call.

    Args:
        socket: where to.
        function: the function's name.
        request_id: our own id of the call.
        pusher: reaches the client.
        note_gone: hears that the client is gone.
        limit: epoch seconds after which no further item is tried.

    """

    def __init__(
        self,
        socket: ReplyTo,
        function: str,
        request_id: str,
        pusher: Pusher,
        note_gone: Callable[[], None],
        limit: float,
    ) -> None:
        self._socket = socket
        self._function = function
        self._request_id = request_id
        self._pusher = pusher
        self._note_gone = note_gone
        self._limit = limit
        self._stream: Stream | None = None
        self.is_gone = False

    def finish(self, result: Any) -> Any:  # noqa: ANN401 - a function answers anything
        """Push the items of a stream as they come and give None; complete any other result."""
        result = awaited(result)
        items = iterated(result) if self._socket.message_id is not None else None
        if items is None:
            return complete(result)
        self._push_all(items)
        return None

    def answer(self, answer: WorkerAnswer) -> None:
        """Push what became of the call, unless the client is gone.

        Raises:
            UnavailableError: the client could not be told, or nobody knows whether it was.

        """
        sent = None if self._stream is None else self._stream.end()
        frame = self._frame(answer, sent)
        if frame is None or self.is_gone:
            return
        try:
            check_size(len(frame.encode()))
        except RequestError as error:
            frame = self._error(error.message, error.status, sent)
        self._push(frame, time.time() + LAST_SECONDS)

    def _frame(self, answer: WorkerAnswer, sent: int | None) -> str | None:
        message_id = self._socket.message_id
        if answer.kind == "error":
            return self._error(answer.value, answer.status, sent)
        if message_id is None:
            return frames.bare_text(answer) if self._socket.wants_result else None
        if sent is not None:
            return frames.done(message_id, sent)
        return frames.result(message_id, self._function, frames.data_text(answer))

    def _error(self, message: str, status: int, sent: int | None) -> str:
        return frames.error(
            self._socket.message_id,
            self._function,
            status=status,
            message=message,
            request_id=self._request_id,
            seq=sent,
        )

    def _push_all(self, items: Generator[Any]) -> None:
        assert self._socket.message_id is not None  # noqa: S101 - only such a call has a stream
        with closing(items), Stream(self._socket.message_id, self._push_item) as self._stream:
            for item in items:
                self._stream.put(json.dumps(plain(item), ensure_ascii=False))

    def _push_item(self, frame: str) -> None:
        if not self._push(frame, self._limit):
            raise NotFoundError("The client is gone", status=410)

    def _push(self, frame: str, deadline: float) -> bool:
        try:
            self._pusher.push(self._socket.connection_id, frame, deadline)
        except NotFoundError:
            self.is_gone = True
            self._note_gone()
        return not self.is_gone


@cache
def shared_pusher(settings: Settings) -> Pusher:
    """Return the process's one way to the clients."""
    return open_pusher(settings)


def open_replies(settings: Settings) -> "Callable[[WorkerCall, ReplyTo, str, float], Replies]":
    """Return what makes the answers of a call, for its socket, our id of it and its limit."""
    pusher, writer = shared_pusher(settings), open_table_writer(settings.region, settings.table_prefix)

    def end(endpoint_id: str, connection_id: str) -> None:
        """Delete the row of a client that is gone; what fails here ends by itself in two hours."""
        key = {"endpoint_id": endpoint_id, "connection_id": connection_id}
        with suppress(SilvaEngineError):
            writer.delete(WSS_CONNECTIONS, key)

    def replies(call: WorkerCall, socket: ReplyTo, request_id: str, limit: float) -> Replies:
        endpoint_id = call.invocation.endpoint_id if call.invocation else ""
        gone = partial(end, endpoint_id, socket.connection_id)
        return Replies(socket, call.callee.function, request_id, pusher, gone, limit)

    return replies
