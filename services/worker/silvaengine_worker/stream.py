"""A stream of items to a client: one thread pushes while the function goes on.

Items that the function yields during a push go out together afterwards, so that a client that is slower than
the function costs fewer posts; their order is kept. What waits is bounded: beyond it the function waits.
"""

import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

from silvaengine.errors import RequestError, UnavailableError
from silvaengine.websocket import frames
from silvaengine.websocket.frames import ITEM_LIMIT

WAITING_LIMIT = 262_144  # bytes of items that were yielded but not pushed
END_SECONDS = 5.0  # within which a push ends


class ItemStream:
    """Numbers items and pushes them in order.

    The ``with`` block lasts until the last item was pushed, or a push failed. ``waiting_bytes`` is the size
    of the items that were written and are in no push yet. ``push`` is called in the stream's own thread.
    """

    def __init__(self, message_id: str, push: Callable[[str], None]) -> None:
        self._message_id = message_id
        self._push = push
        self._changed = threading.Condition()
        self._waiting: deque[str] = deque()
        self.waiting_bytes = 0
        self._is_ended = False
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="silvaengine-stream", daemon=True)
        self._sent = 0

    def write(self, item: str) -> None:
        """Queue an item's JSON text for the next push; wait while too much is queued.

        Raises:
            RequestError: 413, the item is larger than 32 KB.
            NotFoundError: the client is gone.
            UnavailableError: a push failed.
        """
        size = len(item.encode())
        if size > ITEM_LIMIT:
            message = f"A stream item has {size} bytes, more than the limit of {ITEM_LIMIT}"
            raise RequestError(message, status=413)
        with self._changed:
            while self.waiting_bytes > WAITING_LIMIT and self._failure is None:
                self._changed.wait()
            if self._failure is not None:
                raise self._failure
            self._waiting.append(item)
            self.waiting_bytes += size
            self._changed.notify_all()

    def __enter__(self) -> Self:
        """Start the thread."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait until everything was pushed; raise the failure of a push.

        After an error it doesn't wait, and after an alarm the queued items are dropped.
        """
        with self._changed:
            self._is_ended = True
            if error is not None and not isinstance(error, Exception):
                self._waiting.clear()
            self._changed.notify_all()
        if error is None:
            self._thread.join()
            if self._failure is not None:
                raise self._failure

    def wait(self) -> int:
        """Wait for the last push; return how many items were pushed.

        Raises:
            UnavailableError: the push takes too long.
        """
        self._thread.join(END_SECONDS)
        if self._thread.is_alive():
            raise UnavailableError("The client is not reading its data")
        return self._sent

    def _run(self) -> None:
        while batch := self._next_batch():
            try:
                self._push(frames.items(self._message_id, self._sent, batch))
            except Exception as error:  # noqa: BLE001 - boundary of the thread: the function's own raises it
                with self._changed:
                    self._failure = error
                    self._changed.notify_all()
                return
            self._sent += len(batch)

    def _next_batch(self) -> list[str]:
        """Return the queued items that fit into one frame, an empty list at the end."""
        with self._changed:
            while not self._waiting and not self._is_ended:
                self._changed.wait()
            batch: list[str] = []
            room = ITEM_LIMIT
            while self._waiting and (not batch or len(self._waiting[0].encode()) < room):
                text = self._waiting.popleft()
                size = len(text.encode())
                room -= size + 1
                self.waiting_bytes -= size
                batch.append(text)
            self._changed.notify_all()
            return batch
