"""A WebSocket gateway of real parts but for registry, workers, clients and the operator's topic."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from silvaengine.access.rate_limits import RateLimiter
from silvaengine.authorization.admission import Admission
from silvaengine.authorization.authorization import Authorization
from silvaengine.authorization.packages import Packages
from silvaengine.aws.attribute_values import decode
from silvaengine.aws.backoff import Backoff
from silvaengine.aws.table_client import TableReader, TableWriter
from silvaengine.errors import NotFoundError
from silvaengine.ledger.digests import Digests
from silvaengine.ledger.dispatch import Dispatcher
from silvaengine.ledger.payload_store import PayloadStore
from silvaengine.ledger.store import Ledger
from silvaengine.observability.handler import LambdaEvent, lambda_handler
from silvaengine.protocol.json_codec import encode
from silvaengine.registry.model import FunctionEntry, function_config, read_function
from silvaengine.websocket.broadcast_tokens import BroadcastTokens
from silvaengine.websocket.pushing import ATTEMPTS, FIRST_PAUSE, Pusher
from silvaengine_websocket.broadcast_handler import BroadcastHandler
from silvaengine_websocket.broadcaster import Broadcaster
from silvaengine_websocket.connections import ConnectionStore
from silvaengine_websocket.event import SocketEvent
from silvaengine_websocket.gateway import Gateway
from silvaengine_websocket.handler import WebSocketHandler
from silvaengine_websocket.idempotent_calls import IdempotentCalls
from silvaengine_websocket.lifecycle import Lifecycle

from ...fakes.dynamodb import MemoryDynamoDB
from ..http.conftest import ARN, FakeAlerts, FakeInvoker, FakeRegistry

NOW = 1_764_000_000.25
METHOD_ARN = "arn:aws:execute-api:us-east-1:123456789012:api/beta/$connect"


class FakeApi:
    """Takes posts, and refuses those to connections that a test says are gone, or fails as it says."""

    def __init__(self) -> None:
        self.posts: list[tuple[str, str]] = []
        self.gone: set[str] = set()
        self.failures: list[Exception] = []

    def post(self, connection_id: str, data: bytes) -> None:
        if self.failures:
            raise self.failures.pop(0)
        if connection_id in self.gone:
            raise NotFoundError("The client has disconnected", status=410)
        self.posts.append((connection_id, data.decode()))


class World:
    """A gateway and everything around it."""

    def __init__(self) -> None:
        self.now = NOW
        self.registry = FakeRegistry()
        self.invoker = FakeInvoker()
        self.alerts = FakeAlerts()
        self.api = FakeApi()
        self.shipped: set[str] = set()
        self.dynamodb = MemoryDynamoDB(lambda: self.now)
        self.tables = TableReader(lambda: self.dynamodb, "se-")
        self.writer = TableWriter(lambda: self.dynamodb, "se-")
        self.ledger = Ledger(self.tables, self.writer, clock=lambda: self.now)
        backoff = Backoff(FIRST_PAUSE, ATTEMPTS, clock=lambda: self.now, sleep=self.sleep, chance=lambda: 1.0)
        self.connections = ConnectionStore(self.writer, self.tables, lambda: self.now, backoff)
        self.pusher = Pusher(lambda: self.api, backoff)
        self.tokens = BroadcastTokens(Digests(lambda: b"secret"), clock=lambda: self.now)
        self.broadcaster = Broadcaster(self.tables, self.connections, self.pusher, lambda: self.now)
        once = IdempotentCalls(self.ledger, self.dispatcher(), Digests(lambda: b"secret"))
        authorization = Authorization(Packages(self.shipped), 1_000, lambda: self.now)
        limiter = RateLimiter(None, "", 1_000, instances=1, clock=lambda: self.now)
        admission = Admission(self.registry, lambda: limiter, lambda: authorization)
        gateway = Gateway(admission, self.invoker, self.pusher, lambda: once, self.issue_token)
        lifecycle = Lifecycle(admission, self.connections)
        serve = WebSocketHandler(lifecycle, gateway, lambda: self.broadcaster, self.alerts, lambda: self.now)
        self.handler = lambda_handler("websocket", SocketEvent, lambda: serve, encode)
        broadcast = BroadcastHandler(self.broadcaster, self.tokens, lambda: self.now)
        self.broadcast = lambda_handler("broadcaster", LambdaEvent, lambda: broadcast)
        self.add("greet")

    def dispatcher(self) -> Dispatcher:
        """Return what hands executions to the workers."""
        return Dispatcher(self.invoker, PayloadStore(lambda: None, None), self.issue_token)

    def issue_token(self, endpoint_id: str) -> str:
        """Return a tenant's token."""
        return self.tokens.issue(endpoint_id)

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    def add(self, name: str, *, config: dict[str, Any] | None = None, **changes: Any) -> None:
        """Add a function to the registry."""
        row = {"area": "core", "config": {"module_name": "demo", "class_name": "Demo", **(config or {})}}
        entry = FunctionEntry(ARN, "")
        function = read_function(name, row, entry, function_config(name, row, entry), {})
        self.registry.functions[name] = function._replace(**changes)

    def admit(self, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask for a policy; it always has the one form."""
        response: dict[str, Any] = self.handler(event or handshake(), None)
        (statement,) = response["policyDocument"]["Statement"]
        assert statement["Resource"] == [METHOD_ARN]
        assert statement["Effect"] in {"Allow", "Deny"}
        return response

    def enter(self, **changes: Any) -> dict[str, Any]:
        """Connect as API Gateway does; return what comes with each later event."""
        policy = self.admit(handshake(**changes))
        assert policy["policyDocument"]["Statement"][0]["Effect"] == "Allow"
        context: dict[str, Any] = {**policy["context"], "principalId": policy["principalId"]}
        return context

    def say(self, message: object, *, said: dict[str, Any] | None = None, **changes: Any) -> list[Any]:
        """Send a message; return the frames that came back, each decoded if it is JSON."""
        before = len(self.api.posts)
        text = message if isinstance(message, str) else json.dumps(message)
        response = self.handler(event("$default", said or self.enter(), body=text, **changes), None)
        assert response == {"statusCode": response["statusCode"]}, "nothing is sent by the response"
        frames = [frame for _, frame in self.api.posts[before:]]
        return [json.loads(frame) if frame.startswith("{") else frame for frame in frames]

    def rows(self, table: str = "se-wss-connections") -> list[dict[str, Any]]:
        """Return a table's rows as plain values."""
        return [{name: decode(value) for name, value in row.items()} for row in self.dynamodb.items(table)]

    @property
    def payload(self) -> dict[str, Any]:
        """What the worker was sent last, with its JSON texts read."""
        sent: dict[str, Any] = dict(self.invoker.sent[-1].payload)
        return sent | {name: json.loads(sent[name]) for name in ("params", "context")}


def event(route: str, said: dict[str, Any], *, connection_id: str = "c1", **members: Any) -> dict[str, Any]:
    """Return an event of a connection, with what the authorizer said."""
    kinds = {"$connect": "CONNECT", "$disconnect": "DISCONNECT"}
    context = {
        "routeKey": route,
        "eventType": kinds.get(route, "MESSAGE"),
        "connectionId": connection_id,
        "stage": "beta",
        "authorizer": said,
    }
    return {"requestContext": context, "isBase64Encoded": False, **members}


def handshake(
    *,
    query: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
    connection_id: str = "c1",
) -> dict[str, Any]:
    """Return an authorizer call of API Gateway."""
    asked = {"endpointId": "acme", "area": "core", "x-api-key": "acme-key"} if query is None else query
    context = {
        "routeKey": "$connect",
        "connectionId": connection_id,
        "stage": "beta",
        "identity": {"sourceIp": "192.0.2.1"},
    }
    return {
        "type": "REQUEST",
        "methodArn": METHOD_ARN,
        "headers": headers or {},
        "queryStringParameters": asked,
        "requestContext": context,
    }


@pytest.fixture
def world() -> World:
    """Return a gateway of one's own."""
    return World()


@pytest.fixture(scope="session")
def make_world() -> Callable[[], World]:
    """Make gateways, for tests that need a fresh one for each example."""
    return World


@pytest.fixture
def context() -> Any:
    """Lambda's context, with 20 seconds left."""
    return SimpleNamespace(get_remaining_time_in_millis=lambda: 20_000)
