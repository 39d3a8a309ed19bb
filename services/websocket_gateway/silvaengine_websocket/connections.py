"""The rows of ``se-wss-connections``: who is connected; docs/websocket.md lists their attributes."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from silvaengine.aws.table_client import TableWriter, open_table_writer
from silvaengine.errors import ConditionFailedError
from silvaengine.settings import Settings
from silvaengine.tables import WSS_CONNECTIONS
from silvaengine_websocket.event import SocketContext

KEEP_SECONDS = 86_400
LIFE_SECONDS = 7_200  # API Gateway's limit, on the same page as those of frames

_NEW = "attribute_not_exists(#connection_id)"


class ConnectionStore:
    """Writes and deletes rows, each by its primary key; ``clock`` returns epoch seconds."""

    def __init__(self, writer: TableWriter, clock: Callable[[], float] = time.time) -> None:
        self._writer = writer
        self._clock = clock

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
        for _ in range(2):  # the row may be written between the two
            with suppress(ConditionFailedError):
                return self._delete_active(socket)
            with suppress(ConditionFailedError):
                return self._put(socket, "inactive", {})
        return None  # it had ended before

    def delete(self, endpoint_id: str, connection_id: str) -> None:
        """Delete the row of a connection that is gone; raises what ``end`` raises."""
        self._writer.delete(WSS_CONNECTIONS, {"endpoint_id": endpoint_id, "connection_id": connection_id})

    def _delete_active(self, socket: SocketContext) -> None:
        self._writer.delete(
            WSS_CONNECTIONS,
            {"endpoint_id": socket.endpoint_id, "connection_id": socket.connection_id},
            condition="#status = :active",
            values={"active": "active"},
        )

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


def open_connection_store(settings: Settings) -> ConnectionStore:
    """Return the deployment's connections."""
    return ConnectionStore(open_table_writer(settings.region, settings.table_prefix))
