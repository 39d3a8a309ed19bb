"""The open WebSocket connections of a deployment, as an operator sees and closes them."""

import time
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import click

from silvaengine.aws.botocore import BotocoreApi
from silvaengine.aws.table_client import Row, TableReader, TableWriter
from silvaengine.tables import ENDPOINTS, WSS_CONNECTIONS
from silvaengine_cli.deployment import Deployment
from silvaengine_websocket.connections import KEEP_SECONDS, LIFE_SECONDS, ConnectionStore

ATTEMPTS = 20  # to see the row gone
PAUSE_SECONDS = 0.1


class OpenConnections:
    """The connections of a deployment, with the operator's own rights."""

    def __init__(self, deployment: Deployment) -> None:
        dynamodb = BotocoreApi(deployment.client("dynamodb"))
        self._reader = TableReader(lambda: dynamodb, deployment.table_prefix)
        self._connections = ConnectionStore(
            TableWriter(lambda: dynamodb, deployment.table_prefix), self._reader
        )
        self._deployment = deployment

    def scan(self, endpoint_id: str | None) -> Iterator[Row]:
        """Return the rows of connections that may still be open, of one endpoint or of all."""
        if endpoint_id is not None:
            endpoints = [endpoint_id]
        else:
            endpoints = [row["endpoint_id"] for row in self._deployment.tables().scan(ENDPOINTS)]
        earliest = int(time.time()) + KEEP_SECONDS - LIFE_SECONDS
        for each in endpoints:
            for page in self._reader.query_pages(
                WSS_CONNECTIONS,
                each,
                condition="#status = :status AND #expires_at > :earliest",
                values={"status": "active", "earliest": earliest},
            ):
                yield from page

    def ids(self, endpoint_id: str) -> list[str]:
        """Return the ids in all rows of an endpoint, also those of connections that have ended."""
        pages = self._reader.query_pages(WSS_CONNECTIONS, endpoint_id)
        return [row["connection_id"] for page in pages for row in page]

    def delete(self, endpoint_id: str, connection_ids: Sequence[str]) -> None:
        """Close those connections of an endpoint that are open, and delete the rows of all."""
        still_open = [row["connection_id"] for row in self.scan(endpoint_id)]
        for _ in self.close(endpoint_id, still_open):
            pass
        for each in set(connection_ids) - set(still_open):
            self._connections.delete(endpoint_id, each)

    def check(self, endpoint_id: str, connection_ids: Sequence[str]) -> None:
        """Raise ClickException unless all of these connections are the endpoint's."""
        for each in connection_ids:
            if self._reader.get(WSS_CONNECTIONS, {"endpoint_id": endpoint_id, "connection_id": each}) is None:
                raise click.ClickException(f"endpoint {endpoint_id} has no connection {each}")

    def close(self, endpoint_id: str, connection_ids: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Close connections of an endpoint and delete their rows; return what was done with each."""
        client = self._deployment.client("apigatewaymanagementapi", url=management_url(self._deployment))
        keys = [{"endpoint_id": endpoint_id, "connection_id": each} for each in connection_ids]
        for key in keys:
            try:
                client.delete_connection(ConnectionId=key["connection_id"])
            except client.exceptions.GoneException:
                yield key["connection_id"], "was gone"
            else:
                yield key["connection_id"], "closed"
        for key in keys:
            self._delete_row(key)

    def _delete_row(self, key: dict[str, str]) -> None:
        """Delete a row if ``$disconnect`` doesn't: that would leave a mark where it finds no row."""
        for _ in range(ATTEMPTS):
            if self._reader.get(WSS_CONNECTIONS, key) is None:
                return
            time.sleep(PAUSE_SECONDS)
        self._connections.delete(**key)


def management_url(deployment: Deployment) -> str:
    """Return the URL of the management API: the WebSocket API's, with HTTP's scheme."""
    parts = urlsplit(deployment.output("WebsocketUrl"))
    return urlunsplit(parts._replace(scheme={"ws": "http", "wss": "https"}[parts.scheme]))


def facts(row: Row) -> dict[str, Any]:
    """Return what may be shown of a connection's row: all but the API key."""
    names = ("endpoint_id", "connection_id", "area", "data", "created_at")
    return {name: row.get(name) for name in names}
