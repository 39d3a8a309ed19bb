"""The rows of ``se-wss-connections``: who is connected; docs/websocket.md lists their attributes."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from silvaengine.aws.backoff import Backoff
from silvaengine.aws.table_client import Row, TableReader, TableWriter, open_table_reader, open_table_writer
from silvaengine.errors import ConditionFailedError, RequestError
from silvaengine.settings import Settings
from silvaengine.tables import WSS_CONNECTIONS, WSS_CONNECTIONS_INDEX
from silvaengine_websocket.event import PINNED, SocketContext

KEEP_SECONDS = 86_400
LIFE_SECONDS = 7_200  # API Gateway's limit, on the same page as those of frames

INDEX_LAG = Backoff(0.05, attempts=4)

_NEW = "attribute_not_exists(#connection_id)"


class ConnectionStore:
    """Writes and deletes rows, each by its primary key.

    Args:
        writer: writes them.
        reader: reads them.
        clock: returns epoch seconds.
        backoff: of look-ups of rows that the index may not have yet.
    """

    def __init__(
        self,
        writer: TableWriter,
        reader: TableReader,
        clock: Callable[[], float] = time.time,
        backoff: Backoff = INDEX_LAG,
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._clock = clock
        self._backoff = backoff

    def find_context(self, connection_id: str, deadline: float, *, is_ending: bool) -> dict[str, object]:
        """Return what the authorizer said of a connection, from its row.

        Args:
            connection_id: API Gateway's.
            deadline: epoch seconds.
            is_ending: whether the row is only to be deleted, so that it may be of one that can't be open.

        Raises:
            RequestError: 403, no connection was admitted under this id, or it has ended.
            UnavailableError: the row can't be read.

        """

        def find() -> Row:
            row = self._reader.find(WSS_CONNECTIONS, WSS_CONNECTIONS_INDEX, "connection_id", connection_id)
            if row is None or not (is_ending or is_live(row, self._clock())):
                raise RequestError("The connection was not authorized", status=403)
            return row

        row = self._backoff.run(find, RequestError, deadline)
        return {**(row.get("data") or {}), **{name: row.get(name) for name in PINNED}}

    def begin(self, socket: SocketContext) -> None:
        """Write a connection's row.

        Raises:
            ConditionFailedError: the connection has ended already.
            UnavailableError: the row may have been written.

        """
        self._put(socket, "active", socket.claims)

    def end(self, socket: SocketContext) -> None:
        """Delete a connection's row, or write one that keeps it from being written later.

        Raises:
            UnavailableError: the row may still be there.

        """
        key = {"endpoint_id": socket.endpoint_id, "connection_id": socket.connection_id}
        active = {"active": "active"}
        for _ in range(2):  # the row may be written between the two
            with suppress(ConditionFailedError):
                return self._writer.delete(WSS_CONNECTIONS, key, condition="#status = :active", values=active)
            with suppress(ConditionFailedError):
                return self._put(socket, "inactive", {})
        return None  # it had ended before

    def delete(self, endpoint_id: str, connection_id: str) -> None:
        """Delete the row of a connection that is gone; raises what ``end`` raises."""
        self._writer.delete(WSS_CONNECTIONS, {"endpoint_id": endpoint_id, "connection_id": connection_id})

    def _put(self, socket: SocketContext, status: str, data: Mapping[str, str]) -> None:
        now = self._clock()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1e6):06}+0000"
        row = {
            "endpoint_id": socket.endpoint_id,
            "connection_id": socket.connection_id,
            "api_key": socket.api_key,
            "area": socket.area,
            "data": data,
            "status": status,
            "created_at": stamp,
            "updated_at": stamp,
            "expires_at": int(now) + KEEP_SECONDS,
        }
        self._writer.put(WSS_CONNECTIONS, row, condition=_NEW)


def is_live(row: Row, now: float) -> bool:
    """Return whether a row's connection can still be open; the predecessor's rows don't say when it began."""
    earliest = int(now) + KEEP_SECONDS - LIFE_SECONDS
    return row.get("status") == "active" and int(row.get("expires_at") or 0) > earliest


def open_connection_store(settings: Settings) -> ConnectionStore:
    """Return the deployment's connections."""
    return ConnectionStore(open_table_writer(settings), open_table_reader(settings))
