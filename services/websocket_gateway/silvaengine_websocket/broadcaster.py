"""Fan-out: one frame to all live connections of a tenant, page by page of their rows."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, NamedTuple

from silvaengine.aws.table_client import Row, TableReader, open_table_reader
from silvaengine.errors import NotFoundError, RequestError, SilvaEngineError
from silvaengine.settings import Settings
from silvaengine.tables import WSS_CONNECTIONS
from silvaengine.websocket.broadcasts import Broadcast, BroadcastCounts
from silvaengine.websocket.pushing import Pusher, check_size, open_pusher
from silvaengine_websocket.connections import (
    KEEP_SECONDS,
    LIFE_SECONDS,
    ConnectionStore,
    open_connection_store,
)

THREADS = 32


class Broadcaster(NamedTuple):
    """Pushes to many.

    Memory holds one page of rows at a time, 1 MB of DynamoDB's at the most.

    Args:
        tables: reads rows consistently.
        connections: ends the rows of clients that are gone.
        pusher: reaches the clients.
        clock: epoch seconds.

    """

    tables: TableReader
    connections: ConnectionStore
    pusher: Pusher
    clock: Callable[[], float] = time.time

    def broadcast(self, asked: Broadcast, deadline: float) -> BroadcastCounts:
        """Push a frame to every live connection that is meant.

        Args:
            asked: the frame, and whom it is for.
            deadline: epoch seconds; whoever's turn comes later counts as failed.

        Raises:
            NotFoundError: the one connection that is meant isn't the tenant's, or not live.
            RequestError: 413, the frame is too large.
            UnavailableError: the rows can't be read.

        """
        check_size(len(asked.frame.encode()))
        found: Counter[str] = Counter()

        def push(row: Row) -> str:
            return self._push(asked, str(row["connection_id"]), deadline)

        with ThreadPoolExecutor(THREADS) as pool:
            for page in self._live(asked):
                found.update(pool.map(push, page))
        if asked.connection_id is not None and not found["sent"] + found["failed"]:
            raise NotFoundError("There is no such connection")
        return BroadcastCounts(found["sent"], found["gone"], found["failed"])

    def _push(self, asked: Broadcast, connection_id: str, deadline: float) -> str:
        if self.clock() >= deadline:
            return "failed"
        try:
            self.pusher.push(connection_id, asked.frame, deadline)
        except NotFoundError:
            return self._end(asked.endpoint_id, connection_id)
        except SilvaEngineError:
            return "failed"
        return "sent"

    def _end(self, endpoint_id: str, connection_id: str) -> str:
        with suppress(SilvaEngineError):  # it isn't live any more after two hours in any case
            self.connections.delete(endpoint_id, connection_id)
        return "gone"

    def _live(self, asked: Broadcast) -> Iterator[list[Row]]:
        """Return the rows of connections that are meant and can still be open."""
        born = int(self.clock()) + KEEP_SECONDS - LIFE_SECONDS
        if asked.connection_id is not None:
            key = {"endpoint_id": asked.endpoint_id, "connection_id": asked.connection_id}
            row = self.tables.get(WSS_CONNECTIONS, key)
            pages: Iterator[list[Row]] = iter([[row]] if row else [])
        else:
            pages = self.tables.query_pages(
                WSS_CONNECTIONS,
                asked.endpoint_id,
                condition="#status = :status AND #expires_at > :born",
                values={"status": "active", "born": born},
            )
        return ([row for row in page if _is_meant(row, asked, born)] for page in pages)


def _is_meant(row: Row, asked: Broadcast, born: int) -> bool:
    if row.get("status") != "active" or int(row.get("expires_at") or 0) <= born:
        return False
    if asked.area is not None and row.get("area") != asked.area:
        return False
    data: Any = row.get("data") or {}
    return all(str(data.get(name)) == value for name, value in asked.where.items())


def open_broadcaster(settings: Settings) -> Broadcaster:
    """Return the deployment's broadcaster."""
    tables = open_table_reader(settings.region, settings.table_prefix)
    return Broadcaster(tables, open_connection_store(settings), open_pusher(settings))


def answer_of(asked: dict[str, Any], broadcaster: Broadcaster, deadline: float) -> dict[str, int]:
    """Broadcast what a payload asks for; raises what ``Broadcaster.broadcast`` raises, and RequestError."""
    if not isinstance(asked, dict):
        raise RequestError("The payload is not an object")
    return broadcaster.broadcast(Broadcast.decode(asked), deadline)._asdict()
