"""Every way into the registry: one warm instance of each Lambda, over tables in memory.

The worker has none: it gets settings in its payload. Nor has the broadcaster, which reads connections alone.
"""

import json
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any, NoReturn, override

from tests.fakes.lambdas import as_result

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
from silvaengine.observability.handler import Handler, lambda_handler
from silvaengine.protocol.json_codec import encode
from silvaengine.protocol.messages import WorkerResponse
from silvaengine.registry.redis_rows import RedisRows
from silvaengine.registry.registry import Registry
from silvaengine.settings import Settings
from silvaengine.tables import (
    CONFIG_DATA,
    CONNECTIONS,
    DEFAULT_API_KEY,
    ENDPOINTS,
    FUNCTIONS,
    GENERATION_KEY,
    HOOKS,
)
from silvaengine_base import LambdaBase
from silvaengine_cli.events import sample
from silvaengine_http.gateway import Gateway
from silvaengine_http.handler import HttpHandler
from silvaengine_http.request import HttpCall
from silvaengine_tasks.app import create_sources
from silvaengine_tasks.bindings import Bindings
from silvaengine_tasks.calls import FunctionCaller
from silvaengine_tasks.claims import Claims
from silvaengine_tasks.events import create_handler
from silvaengine_tasks.hooks import CallHooks
from silvaengine_tasks.sources.sqs import SqsQueues, SqsSource
from silvaengine_tasks.sweeper import Sweeper
from silvaengine_websocket.connections import ConnectionStore
from silvaengine_websocket.event import SocketEvent
from silvaengine_websocket.gateway import Gateway as SocketGateway
from silvaengine_websocket.handler import WebSocketHandler
from silvaengine_websocket.lifecycle import Lifecycle

from ...fakes.dynamodb import MemoryDynamoDB
from ...fakes.executions import accepted_execution
from ..websocket.conftest import event, handshake
from .test_redis_rows import FakeRedis

WORKER = "arn:aws:lambda:us-east-1:123456789012:function:worker"
REFRESH = 5.0
COLORS = ("red", "green", "black")
NAMES = ("heard", "stream_handle", "order_lex_dispatch")
SOURCES = ("sqs", "s3", "sns", "rule", "schedule", "dynamodb", "lex", "direct")

type Look = Callable[[], str]


class Deployment(Invoker):
    """Tables, perhaps a Redis, and one warm instance of each Lambda; ``sent`` is what reached workers."""

    def __init__(self, redis: FakeRedis | None) -> None:
        self.now, self.generation = 1_000_000.0, 0
        self.tables = MemoryDynamoDB(lambda: self.now)
        self.reader = TableReader(lambda: self.tables, "se-")
        self.writer = TableWriter(lambda: self.tables, "se-")
        self.ledger = Ledger(self.reader, self.writer, clock=lambda: self.now)
        self.sent: list[Any] = []
        self._redis = redis
        entries = [{"aws_lambda_arn": WORKER, "function": name} for name in NAMES]
        self.tables.put(ENDPOINTS, endpoint_id="demo")
        self.tables.put(CONNECTIONS, endpoint_id="1", api_key=DEFAULT_API_KEY, functions=entries)
        for kind in ("rule", "schedule"):
            bound = [{"endpoint_id": "demo", "funct": "heard"}]
            self.set("silvaengine_events", f"{kind}:stack", bound)
        for name in NAMES:
            config = {"module_name": "shop", "setting": "shop"}
            self.tables.put(FUNCTIONS, aws_lambda_arn=WORKER, function=name, area="core", config=config)
        self.set("general", "us-east-1_sample", "pool")
        self.write("red")

    def registry(self, **options: Any) -> Registry:
        """Return the registry of a new instance."""
        redis: Any = self._redis
        rows = RedisRows(redis, "se-", refresh=REFRESH, keeps_rows=True) if redis else None
        return Registry(
            self.reader, {}, stage="beta", refresh=REFRESH, redis_rows=rows, clock=lambda: self.now, **options
        )

    def set(self, setting_id: str, variable: str, value: Any) -> None:
        """Set a variable."""
        self.tables.put(CONFIG_DATA, setting_id=setting_id, variable=variable, value=value)

    def write(self, color: str) -> None:
        """Write every kind of row, and the generation last, as ``silvaengine apply`` does."""
        self.set("shop", "color", color)
        self.set("pool", "cognito_hooks_function_name", color)
        self.set("beta_core_demo", "cors", {"origins": [f"https://{color}.example"]})
        self.set("beta_core_demo", "on_connect", f"colors:{color}")
        self.tables.put(HOOKS, api_id="demo", module_name="shop", function_name=color, status=True)
        self.generation += 1
        self.tables.put(CONFIG_DATA, **GENERATION_KEY, value=self.generation)

    def change(self, color: str) -> None:
        """Change the rows, and let pass what may pass until all instances see it."""
        self.write(color)
        self.announce()

    def announce(self) -> None:
        """Let pass what may pass until all instances see what was written."""
        if self._redis is None:
            self.now += REFRESH
        else:
            self.registry().announce()

    def dispatcher(self) -> Dispatcher:
        """Return what sends executions."""
        return Dispatcher(self, PayloadStore(lambda: None, None))

    def admission(self, shipped: frozenset[str] = frozenset()) -> Admission:
        """Return the admission of a gateway."""
        authorization = Authorization(Packages(shipped), 1_000, lambda: self.now)
        limiter = RateLimiter(None, "", 1_000, instances=1, clock=lambda: self.now)
        return Admission(self.registry(), lambda: limiter, lambda: authorization)

    @override
    def invoke(self, arn: str, payload: str, *, event: bool = False, **_: Any) -> bytes:
        self.sent.append(json.loads(payload))
        return as_result(WorkerResponse("json", {}))

    def sent_color(self) -> str:
        """Return the setting that the last call has."""
        return str(json.loads(self.sent[-1]["setting"])["color"])


def no_executions() -> NoReturn:
    """No call here is for the ledger."""
    raise AssertionError


def http_handler(deployment: Deployment) -> Handler:
    """Return an HTTP gateway."""
    admission = deployment.admission()
    gateway = Gateway(Settings(), admission, deployment, no_executions, issue_no_token)
    serve = HttpHandler(Settings(), admission.registry, gateway, AlertPublisher(None), lambda: deployment.now)
    return lambda_handler("http", HttpCall, lambda: serve, encode)


def http_request(method: str = "GET", path: str = "/core/demo/heard", **changes: Any) -> dict[str, Any]:
    """Return an HTTP API's event."""
    context = {"http": {"method": method, "sourceIp": "192.0.2.1"}, "stage": "beta"}
    return {"version": "2.0", "rawPath": path, "headers": {}, "requestContext": context, **changes}


def function_over_http(deployment: Deployment) -> Look:
    """Look at the settings of a request's function."""
    handler = http_handler(deployment)

    def look() -> str:
        assert handler(http_request(), None)["statusCode"] == 200
        return deployment.sent_color()

    return look


def allowed_origin(handler: Handler, request: Callable[[str], dict[str, Any]]) -> str:
    """Return the color whose page may read the response."""
    (color,) = [
        color
        for color in COLORS
        if handler(request(f"https://{color}.example"), None)["headers"].get("Access-Control-Allow-Origin")
    ]
    return color


def preflight(deployment: Deployment) -> Look:
    """Look at whom a preflight allows."""
    handler = http_handler(deployment)
    return lambda: allowed_origin(handler, lambda origin: http_request("OPTIONS", headers={"origin": origin}))


def refused_request(deployment: Deployment) -> Look:
    """Look at who may read a refusal that comes before any key is accepted."""
    handler = http_handler(deployment)
    headers = {"x-api-key": "wrong"}
    return lambda: allowed_origin(handler, lambda origin: http_request(headers={**headers, "origin": origin}))


def socket_handler(deployment: Deployment) -> Handler:
    """Return a WebSocket gateway with the hooks ``red`` and ``green``."""
    admission = deployment.admission(frozenset({"colors"}))
    pusher, nothing = SimpleNamespace(push=lambda *_: None), lambda: None
    gateway = SocketGateway(admission, deployment, pusher, nothing, issue_no_token)  # type: ignore[arg-type]
    lifecycle = Lifecycle(
        admission, ConnectionStore(deployment.writer, deployment.reader, lambda: deployment.now)
    )
    serve = WebSocketHandler(lifecycle, gateway, nothing, AlertPublisher(None), lambda: deployment.now)  # type: ignore[arg-type]
    return lambda_handler("websocket", SocketEvent, lambda: serve, encode)


def connected(handler: Handler, origin: str = "", connection_id: str = "c1") -> dict[str, Any] | None:
    """Ask for a handshake's policy; return what later events have, None where it is denied."""
    headers = {"Origin": origin} if origin else {}
    query = {"endpointId": "demo", "area": "core"}
    policy = handler(handshake(query=query, headers=headers, connection_id=connection_id), None)
    allowed = policy["policyDocument"]["Statement"][0]["Effect"] == "Allow"
    return {**policy["context"], "principalId": policy["principalId"]} if allowed else None


def socket_authorizer(deployment: Deployment) -> Look:
    """Look at which pages may connect."""
    handler = socket_handler(deployment)

    def look() -> str:
        (color,) = [color for color in COLORS if connected(handler, f"https://{color}.example")]
        return color

    return look


def socket_hook(deployment: Deployment) -> Look:
    """Look at the hook of a connection that another instance of the gateway has permitted."""
    handler, other, connection_ids = socket_handler(deployment), socket_handler(deployment), iter("abcdef")

    def look() -> str:
        connection_id = next(connection_ids)
        said = connected(other, connection_id=connection_id) or {}
        assert handler(event("$connect", said, connection_id=connection_id), None) == {"statusCode": 200}
        return str(deployment.sent[-1])

    return look


def socket_message(deployment: Deployment) -> Look:
    """Look at the settings of a message's function."""
    handler = socket_handler(deployment)
    said = connected(handler)
    assert said

    def look() -> str:
        handler(event("$default", said, body='{"funct": "heard"}'), None)
        return deployment.sent_color()

    return look


def tasks_handler(deployment: Deployment) -> Callable[[Any], object]:
    """Return what serves an event of any source."""
    registry = deployment.registry()
    claims = Claims(deployment.ledger, Digests(lambda: b"secret"), PayloadStore(lambda: None, None), 300.0)
    functions = FunctionCaller(
        registry, deployment, deployment.dispatcher(), claims, AlertPublisher(None),
        CallHooks(registry, deployment),
    )  # fmt: skip
    bindings = Bindings(registry)
    settings = Settings(stream_endpoint_id="demo", worker_arn=WORKER, events_by_name=True)
    queues = SqsSource(functions, bindings, SqsQueues(settings.region))
    handler = create_handler(lambda: create_sources(functions, bindings, queues, settings))
    context = SimpleNamespace(
        aws_request_id="r", function_name="tasks", get_remaining_time_in_millis=lambda: 60_000
    )
    return lambda event: handler(event, context)


def source(name: str, deployment: Deployment) -> Look:
    """Look at the settings with which a source's function is called."""
    serve = tasks_handler(deployment)

    def look() -> str:
        serve(sample(name))
        return deployment.sent_color()

    return look


def user_pool(deployment: Deployment) -> Look:
    """Look at the function of a user pool's trigger."""
    serve = tasks_handler(deployment)

    def look() -> str:
        serve(sample("cognito"))
        return str(deployment.sent[-1]["funct"])

    return look


def call_hook(deployment: Deployment) -> Look:
    """Look at the hook that is told of a call."""
    serve = tasks_handler(deployment)

    def look() -> str:
        serve(sample("direct"))
        return str(deployment.sent[-2]["funct"])

    return look


def sweep(deployment: Deployment) -> Look:
    """Look at the settings with which an execution is sent again."""
    sweeper, job_ids = open_sweeper(deployment), iter("abcdef")

    def look() -> str:
        accept(deployment, next(job_ids))
        assert sweeper.run(lambda: True).counts["dispatched"] == 1
        return deployment.sent_color()

    return look


def open_sweeper(deployment: Deployment) -> Sweeper:
    """Return a warm instance of the sweeper."""
    registry = deployment.registry()
    return Sweeper(deployment.ledger, registry, deployment.dispatcher(), lambda _: None, AlertPublisher(None))


def accept(deployment: Deployment, job_id: str) -> None:
    """Accept an execution that is due."""
    now = int(deployment.now)
    values = {"job_id": job_id, "function": "heard", "aws_lambda_arn": WORKER, "content": '{"params": "{}"}'}
    deployment.ledger.accept(accepted_execution(now, due_at=now, **values))


def get_setting(_: Deployment) -> Look:
    """Look at a setting as an authorizer package does."""
    return lambda: str(LambdaBase.get_setting("shop")["color"])


def get_function(_: Deployment) -> Look:
    """Look at a function as an authorizer package does."""
    return lambda: str(LambdaBase.get_function("demo", "heard")[0]["color"])


WAYS = {
    way.__name__: way
    for way in (
        function_over_http, preflight, refused_request, socket_authorizer, socket_hook, socket_message,
        user_pool, call_hook, sweep, get_setting, get_function,
    )
} | {name: partial(source, name) for name in SOURCES}  # fmt: skip
