"""Sockets without an identity, of others, and stale ones: T8, T9, T10."""

from collections import Counter
from typing import Any

import pytest

from silvaengine.errors import (
    ConditionFailedError,
    ConfigurationError,
    NotFoundError,
    RequestError,
    UnavailableError,
)
from silvaengine.observability.alerts import AlertPublisher
from silvaengine.tables import WSS_CONNECTIONS
from silvaengine.websocket.broadcasts import Broadcast
from silvaengine_websocket.app import WebSocketHandler
from silvaengine_websocket.broadcaster import Broadcaster
from silvaengine_websocket.connections import KEEP_SECONDS, LIFE_SECONDS

NOW = 1_800_000_000
CONNECT = {
    "requestContext": {
        "routeKey": "$connect",
        "eventType": "CONNECT",
        "connectionId": "c1",
        "stage": "beta",
        "authorizer": {"endpoint_id": "acme", "area": "core", "api_key": "k", "key_id": "k"},
    }
}
FAULTS = (
    RequestError("no", status=403),
    NotFoundError("no"),
    ConfigurationError("no"),
    UnavailableError("no"),
    ConditionFailedError("no"),
    RuntimeError("no"),
    KeyError("no"),
    TypeError("no"),
    ValueError("no"),
    OSError("no"),
    RecursionError("no"),
    MemoryError("no"),
    AssertionError("no"),
)


class Failing:
    """Fails at whatever it is asked for."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        def fail(*_: object, **__: object) -> None:
            raise self._error

        return fail


@pytest.mark.parametrize("error", FAULTS, ids=lambda error: type(error).__name__)
def test_t8_no_failure_opens_a_socket(error: Exception) -> None:
    """Whatever goes wrong at a handshake refuses it: no status below 400, and no policy that allows."""
    lifecycle: Any = Failing(error)
    door = WebSocketHandler(lifecycle, lifecycle, lambda: lifecycle, AlertPublisher(None))
    assert door(CONNECT, None)["statusCode"] >= 400
    arn = "arn:aws:execute-api:us-east-1:123456789012:api/beta/$connect"
    asked = {"type": "REQUEST", "methodArn": arn, "requestContext": {"stage": "beta"}, "headers": {}}
    query = {"endpointId": "acme", "area": "core"}
    answer = door({**asked, "queryStringParameters": query}, None)
    assert "Allow" not in [each["Effect"] for each in answer["policyDocument"]["Statement"]]


def test_t8_a_socket_without_an_authorizers_words_is_none() -> None:
    """An event whose context no authorizer has filled doesn't connect, whatever it says of itself."""
    lifecycle: Any = Failing(AssertionError("asked"))
    door = WebSocketHandler(lifecycle, lifecycle, lambda: lifecycle, AlertPublisher(None))
    context = {name: value for name, value in CONNECT["requestContext"].items() if name != "authorizer"}
    query = {"endpointId": "acme", "area": "core", "x-api-key": "k"}
    for event in ({"requestContext": context}, {"requestContext": context, "queryStringParameters": query}):
        assert door(event, None)["statusCode"] >= 400


class Rows:
    """Connections of two tenants."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._rows = rows

    def get(self, table: object, key: dict[str, str]) -> dict[str, Any] | None:
        assert table is WSS_CONNECTIONS
        return next((row for row in self._rows if all(row[name] == key[name] for name in key)), None)

    def query_pages(self, table: object, endpoint_id: str, **_: object) -> Any:
        yield [row for row in self._rows if row["endpoint_id"] == endpoint_id]


class Sockets:
    """Clients, of which some are gone; remembers who was reached and whose rows were deleted."""

    def __init__(self, gone: set[str]) -> None:
        self.gone = gone
        self.reached: Counter[str] = Counter()
        self.deleted: set[str] = set()

    def push(self, connection_id: str, frame: str, deadline: float) -> None:
        if connection_id in self.gone:
            raise NotFoundError("gone")
        self.reached[connection_id] += 1

    def delete(self, endpoint_id: str, connection_id: str) -> None:
        self.deleted.add(connection_id)


def row(endpoint_id: str, connection_id: str, age: float = 60) -> dict[str, Any]:
    """Make the row of a connection that began so many seconds ago."""
    return {
        "endpoint_id": endpoint_id,
        "connection_id": connection_id,
        "status": "active",
        "area": "core",
        "data": {},
        "expires_at": int(NOW - age) + KEEP_SECONDS,
    }


def broadcaster(rows: list[dict[str, Any]], sockets: Sockets) -> Broadcaster:
    """Return what pushes to these."""
    parts: Any = (Rows(rows), sockets, sockets, lambda: NOW)
    return Broadcaster(*parts)


@pytest.mark.parametrize("connection_id", ["b-live", "b-stale", "random"])
def test_t9_nobody_posts_to_anothers_connection(connection_id: str) -> None:
    """Live, stale or made up: another tenant's id is one that doesn't exist, and nothing is sent."""
    sockets = Sockets({"b-stale"})
    rows = [row("acme", "a"), row("globex", "b-live"), row("globex", "b-stale", LIFE_SECONDS + 1)]
    with pytest.raises(NotFoundError):
        broadcaster(rows, sockets).broadcast(
            Broadcast("acme", "hello", connection_id=connection_id), deadline=NOW + 20
        )
    assert not sockets.reached
    assert not sockets.deleted


def test_t10_ten_thousand_stale_connections_get_nothing_and_go() -> None:
    """Gone clients lose their rows, those past their two hours aren't tried, the live hear it once."""
    live = [f"live-{number}" for number in range(500)]
    gone = [f"gone-{number}" for number in range(10_000)]
    past = [f"past-{number}" for number in range(500)]
    sockets = Sockets(set(gone))
    rows = [row("acme", name) for name in live + gone]
    rows += [row("acme", name, LIFE_SECONDS + 1) for name in past] + [row("globex", "other")]
    counts = broadcaster(rows, sockets).broadcast(Broadcast("acme", "hello"), deadline=NOW + 20)
    assert sockets.reached == Counter(live)
    assert sockets.deleted == set(gone)
    assert (counts.sent, counts.gone, counts.failed) == (500, 10_000, 0)
