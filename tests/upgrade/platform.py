"""This version's services in one process, over the rows that the last one has left."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, override

from silvaengine.access.rate_limits import RateLimiter
from silvaengine.authorization.admission import Admission
from silvaengine.authorization.authorization import Authorization
from silvaengine.authorization.packages import Packages
from silvaengine.aws.lambda_invoker import Invoker
from silvaengine.aws.table_client import TableReader, TableWriter
from silvaengine.ledger.digests import Digests
from silvaengine.ledger.dispatch import Dispatcher, issue_no_token
from silvaengine.ledger.payload_store import PayloadStore
from silvaengine.ledger.store import Ledger
from silvaengine.observability.alerts import AlertPublisher
from silvaengine.observability.handler import LambdaEvent, lambda_handler
from silvaengine.protocol.json_codec import encode
from silvaengine.registry.registry import Registry
from silvaengine.settings import Settings
from silvaengine.tables import TABLES
from silvaengine.websocket.broadcast_tokens import BroadcastTokens
from silvaengine_http.executions import Executions
from silvaengine_http.gateway import Gateway
from silvaengine_http.handler import HttpHandler
from silvaengine_http.request import HttpCall
from silvaengine_tasks.app import create_sources
from silvaengine_tasks.bindings import Bindings
from silvaengine_tasks.calls import FunctionCaller
from silvaengine_tasks.claims import Claims
from silvaengine_tasks.events import create_handler as create_tasks
from silvaengine_tasks.hooks import CallHooks
from silvaengine_tasks.sources.sqs import SqsSource
from silvaengine_websocket import gateway as websocket
from silvaengine_websocket.broadcast_handler import BroadcastHandler
from silvaengine_websocket.broadcaster import Broadcaster
from silvaengine_websocket.connections import ConnectionStore
from silvaengine_websocket.event import SocketEvent
from silvaengine_websocket.handler import WebSocketHandler
from silvaengine_websocket.idempotent_calls import IdempotentCalls
from silvaengine_websocket.lifecycle import Lifecycle
from silvaengine_worker.executions import ExecutionRunner
from silvaengine_worker.loader import Loader
from silvaengine_worker.replies import CallReplies
from silvaengine_worker.serving import CallServer
from silvaengine_worker.serving import create_handler as create_worker
from silvaengine_worker.worker import Worker

from ..fakes.dynamodb import MemoryDynamoDB

RECORDED = Path(__file__).parent / "recorded"
SECRET = "secret"  # the recorded ledger's
TIMES = {"created_at", "changed_at", "due_at", "expires_at"}

type Row = dict[str, Any]


def recorded(name: str) -> Any:
    """Return a file of the recording."""
    return json.loads((RECORDED / f"{name}.json").read_text())


class Context:
    """Lambda's, with a minute left."""

    aws_request_id = function_name = "lambda"
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:silvaengine-local-Tasks:events"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


class Platform(Invoker):
    """All services; it invokes the worker in the place of Lambda, and keeps the payloads and the frames."""

    def __init__(self) -> None:
        self.payloads: list[dict[str, Any]] = []
        self.frames: list[tuple[str, Any]] = []
        self.dynamodb = MemoryDynamoDB()
        self.reader = reader = TableReader(lambda: self.dynamodb, "se-")
        self.writer = writer = TableWriter(lambda: self.dynamodb, "se-")
        digests, payloads = Digests(SECRET.encode), PayloadStore(SimpleNamespace, "")
        settings = Settings(full_event_areas=frozenset({"admin"}))
        tokens, alerts = BroadcastTokens(digests), AlertPublisher(None)
        self.ledger = Ledger(reader, writer)
        runner = ExecutionRunner(self.ledger, payloads, lambda: 0.0)
        pusher: Any = SimpleNamespace(push=self._push)
        server = CallServer(
            Worker(Loader(["silvaengine_demo"])),
            lambda: runner,
            lambda: lambda call, socket, event: CallReplies(call, socket, event, pusher, writer),
        )
        self.worker = create_worker(server, alerts)
        registry, dispatcher = Registry(reader, {}, stage="beta"), Dispatcher(self, payloads, tokens.issue)
        limiter = RateLimiter(None, "", 1_000, instances=1)
        admission = Admission(registry, lambda: limiter, lambda: Authorization(Packages(()), 1_000))
        executions = Executions(self.ledger, dispatcher, payloads, digests, 300.0)
        http = HttpHandler(
            settings,
            registry,
            Gateway(settings, admission, self, lambda: executions, issue_no_token),
            alerts,
        )
        self.http = lambda_handler("http", HttpCall, lambda: http, encode)
        connections = ConnectionStore(writer, reader)
        broadcaster = Broadcaster(reader, connections, pusher)
        once = IdempotentCalls(self.ledger, dispatcher, digests)
        sockets = WebSocketHandler(
            Lifecycle(admission, connections),
            websocket.Gateway(admission, self, pusher, lambda: once, tokens.issue),
            lambda: broadcaster,
            alerts,
        )
        self.websocket = lambda_handler("websocket", SocketEvent, lambda: sockets, encode)
        broadcast = BroadcastHandler(broadcaster, tokens)
        self.broadcaster = lambda_handler("broadcaster", LambdaEvent, lambda: broadcast)
        claims, bindings = Claims(self.ledger, digests, payloads, 300.0), Bindings(registry)
        functions = FunctionCaller(registry, self, dispatcher, claims, alerts, CallHooks(registry, self))
        queues: Any = SimpleNamespace(hide=lambda *_: None, max_receives=lambda _: None)
        sources = create_sources(functions, bindings, SqsSource(functions, bindings, queues), settings)
        self.tasks = create_tasks(lambda: sources)

    def load(self, *names: str) -> None:
        """Put the recorded rows of tables, as old as they would be had they been written just now."""
        tables = recorded("tables")
        newest = max(int(row["created_at"]["N"]) for row in tables["executions"])
        for table in TABLES:
            for row in tables[table.name] if table.name in names else ():
                self.put(table.name, shifted(row, int(time.time()) - newest))

    def put(self, table: str, row: Row) -> None:
        """Put a row as DynamoDB has it."""
        self.dynamodb.put_item(TableName=f"se-{table}", Item=row)

    def rows(self, table: str) -> list[Row]:
        """Return a table's rows."""
        return list(self.dynamodb.items(f"se-{table}"))

    @override
    def invoke(self, arn: str, payload: str, *, event: bool = False, **_: object) -> bytes:
        self.payloads.append(json.loads(payload))
        result = json.dumps(self.worker(json.loads(payload), Context())).encode()
        return b"" if event else result

    def _push(self, connection_id: str, frame: str, deadline: float) -> None:
        self.frames.append((connection_id, json.loads(frame)))


def shifted(row: Mapping[str, Any], seconds: int) -> Row:
    """Return a row with its times moved."""
    return {
        name: {"N": str(int(value["N"]) + seconds)} if name in TIMES and "N" in value else value
        for name, value in row.items()
    }
