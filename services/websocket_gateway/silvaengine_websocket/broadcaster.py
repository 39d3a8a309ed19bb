"""Fan-out: one frame to all live connections of a tenant, page by page of their rows."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from silvaengine.aws.table_client import Row, TableReader, open_table_reader
from silvaengine.errors import NotFoundError, SilvaEngineError
from silvaengine.settings import Settings
from silvaengine.tables import WSS_CONNECTIONS
from silvaengine.websocket.broadcasts import Broadcast, BroadcastCounts
from silvaengine.websocket.pushing import Pusher, check_size, open_pusher
from silvaengine_websocket.connections import (
    KEEP_SECONDS,
    LIFE_SECONDS,
    ConnectionStore,
    is_live,
    open_connection_store,
)

THREADS = 32


class Broadcaster:
    """Pushes a frame to many connections, one page of rows in memory at a time: at most 1 MB of DynamoDB's.

    It deletes the rows of clients that are gone. ``clock`` returns epoch seconds.
    """

    def __init__(
        self,
        tables: TableReader,
        connections: ConnectionStore,
        pusher: Pusher,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._tables = tables
        self._connections = connections
        self._pusher = pusher
        self._clock = clock

    def broadcast(self, broadcast: Broadcast, deadline: float) -> BroadcastCounts:
        """Push a frame to every live connection that it is for.

        Connections that aren't reached by the deadline, in epoch seconds, count as failed.

        Raises:
            NotFoundError: the one connection that it is for isn't the tenant's, or not live.
            RequestError: 413, the frame is too large.
            UnavailableError: the rows can't be read.

        """
        check_size(len(broadcast.frame.encode()))
        counts: Counter[str] = Counter()

        def push(row: Row) -> str:
            return self._push(broadcast, str(row["connection_id"]), deadline)

        with ThreadPoolExecutor(THREADS) as pool:
            for page in self._live(broadcast):
                counts.update(pool.map(push, page))
        if broadcast.connection_id is not None and not counts["sent"] + counts["failed"]:
            raise NotFoundError("Connection not found")
        return BroadcastCounts(counts["sent"], counts["gone"], counts["failed"])

    def _push(self, broadcast: Broadcast, connection_id: str, deadline: float) -> str:
        if self._clock() >= deadline:
            return "failed"
        try:
            self._pusher.push(connection_id, broadcast.frame, deadline)
        except NotFoundError:
            with suppress(SilvaEngineError):  # after two hours it isn't live in any case
                self._connections.delete(broadcast.endpoint_id, connection_id)
            return "gone"
        except SilvaEngineError:
            return "failed"
        return "sent"

    def _live(self, broadcast: Broadcast) -> Iterator[list[Row]]:
        """Return pages of the rows that the frame is for and that can still be open."""
        now = self._clock()
        if broadcast.connection_id is not None:
            key = {"endpoint_id": broadcast.endpoint_id, "connection_id": broadcast.connection_id}
            row = self._tables.get(WSS_CONNECTIONS, key)
            pages: Iterator[list[Row]] = iter([[row]] if row else [])
        else:
            pages = self._tables.query_pages(
                WSS_CONNECTIONS,
                broadcast.endpoint_id,
                condition="#status = :status AND #expires_at > :expired",
                values={"status": "active", "expired": int(now) + KEEP_SECONDS - LIFE_SECONDS},
            )
        return ([row for row in page if is_live(row, now) and _is_for(broadcast, row)] for page in pages)


def _is_for(broadcast: Broadcast, row: Row) -> bool:
    if broadcast.area is not None and row.get("area") != broadcast.area:
        return False
    data = row.get("data") or {}
    return all(str(data.get(name)) == value for name, value in broadcast.where.items())


def open_broadcaster(settings: Settings) -> Broadcaster:
    """Return the deployment's broadcaster."""
    return Broadcaster(open_table_reader(settings), open_connection_store(settings), open_pusher(settings))


def broadcast_payload(
    payload: Mapping[str, object], broadcaster: Broadcaster, deadline: float
) -> dict[str, int]:
    """Broadcast a payload's frame; raises what ``Broadcast.decode`` and ``Broadcaster.broadcast`` raise."""
    return broadcaster.broadcast(Broadcast.decode(payload), deadline)._asdict()
