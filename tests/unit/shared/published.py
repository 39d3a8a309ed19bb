"""A deployment with published packages: warm Lambdas over tables in memory, and what reaches the versions."""

import json
from collections.abc import Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple, override

from tests.fakes.lambdas import as_result

from silvaengine.ledger.digests import Digests
from silvaengine.ledger.dispatch import Dispatcher, issue_no_token
from silvaengine.ledger.payload_store import PayloadStore
from silvaengine.observability.alerts import AlertPublisher
from silvaengine.observability.handler import lambda_handler
from silvaengine.protocol.json_codec import encode
from silvaengine.protocol.messages import WorkerResponse
from silvaengine.registry.outcomes import Outcomes
from silvaengine.registry.packages import PROTOCOL, release_digest, release_item
from silvaengine.registry.registry import Registry
from silvaengine.settings import Settings
from silvaengine.tables import (
    CONFIG_DATA,
    CONNECTIONS,
    DEFAULT_API_KEY,
    ENDPOINTS,
    GENERATION_KEY,
    HOOKS,
    PACKAGES,
)
from silvaengine_http.executions import Executions
from silvaengine_http.gateway import Gateway
from silvaengine_http.handler import HttpHandler
from silvaengine_http.request import HttpCall
from silvaengine_tasks.bindings import Bindings
from silvaengine_tasks.calls import FunctionCaller
from silvaengine_tasks.claims import Claims
from silvaengine_tasks.hooks import CallHooks
from silvaengine_tasks.sources.sqs import SqsQueues, SqsSource
from silvaengine_tasks.sweeper import Sweeper
from silvaengine_websocket.connections import ConnectionStore
from silvaengine_websocket.event import SocketEvent
from silvaengine_websocket.gateway import Gateway as SocketGateway
from silvaengine_websocket.handler import WebSocketHandler
from silvaengine_websocket.idempotent_calls import IdempotentCalls
from silvaengine_websocket.lifecycle import Lifecycle

from .test_redis_rows import FakeRedis
from .ways import Deployment, http_request

LAMBDAS = "arn:aws:lambda:us-east-1:123456789012:function"
WORKER = f"{LAMBDAS}:se-Worker"
PREFIX = f"{LAMBDAS}:se-pkg-"
SHOP = f"{PREFIX}shop"
PAYLOADS = PayloadStore(lambda: None, None)


class Sent(NamedTuple):
    """What reached a Lambda."""

    arn: str
    payload: dict[str, Any]
    is_isolated: bool

    @property
    def release(self) -> str:
        """The version's number."""
        return self.arn.rpartition(":")[2]


class Published(Deployment):
    """Tenants ``demo`` and ``acme`` share a common key row, which lists the package ``shop``.

    ``failure`` is what becomes of the next Invoke, if set; ``reads`` are the tables' operations.
    """

    def __init__(self, redis: FakeRedis | None = None) -> None:
        super().__init__(redis)
        self.calls: list[Sent] = []
        self.failure: Exception | WorkerResponse | None = None
        self.reads: list[str] = []
        self.alerts: list[tuple[str, Any]] = []
        self.letters: list[Any] = []
        call = self.tables.call

        def counted(operation: str, *arguments: Any, **options: Any) -> Any:
            self.reads.append(operation)
            return call(operation, *arguments, **options)

        self.tables.call = counted  # type: ignore[method-assign]
        self.tables.put(ENDPOINTS, endpoint_id="acme")
        self.tables.put(HOOKS, api_id="demo", module_name="shop", function_name="before", status=False)
        self.open()

    def open(self, *functions: Mapping[str, Any], packages: Any = ({"package": "shop"},)) -> None:
        """Write the common key row."""
        row = {"functions": list(functions), "packages": list(packages)}
        self.tables.put(CONNECTIONS, endpoint_id="1", api_key=DEFAULT_API_KEY, **row)

    @override
    def registry(self, **_: Any) -> Registry:
        return super().registry(
            package_prefix=PREFIX,
            open_outcomes=lambda: Outcomes(partial(self.writer.put, CONFIG_DATA), lambda: self.now),
        )

    @override
    def invoke(
        self, arn: str, payload: str, *, event: bool = False, is_isolated: bool = False, **_: object
    ) -> bytes:
        self.calls.append(Sent(arn, json.loads(payload), is_isolated))
        if self.failure:
            failure, self.failure = self.failure, None
            if isinstance(failure, WorkerResponse):
                return as_result(failure)
            raise failure
        return b"" if event else as_result(WorkerResponse("json", {}))

    def publish(
        self, number: int, *, package: str = "shop", isolated: bool = False, **functions: Mapping[str, Any]
    ) -> None:
        """Write a release, by default with one function ``heard``, and let the pointer lead to it."""
        self.write_release(number, package=package, isolated=isolated, **functions)
        self.turn(number, package=package)

    def write_release(
        self,
        number: int,
        *,
        package: str = "shop",
        isolated: bool = False,
        altered: Mapping[str, Any] | None = None,
        **functions: Mapping[str, Any],
    ) -> None:
        """Write a release, with attributes that differ from what was published if any are given."""
        rows = {
            name: {"area": "core", "config": {"module_name": package, "class_name": "Shop", **config}}
            for name, config in (functions or {"heard": {"function_name": "hear"}}).items()
        }
        text, code = json.dumps(rows), f"code of {number}"
        digest = release_digest(package, code, text, is_isolated=isolated)
        row = {
            "package": package, "release": number, "protocol": PROTOCOL, "code": code, "functions": text,
            "isolated": isolated, "digest": digest, **(altered or {}),
        }  # fmt: skip
        self.tables.put(PACKAGES, function_arn=PREFIX + package, item=release_item(number), **row)

    def turn(
        self, number: int, *, package: str = "shop", pins: Mapping[str, int] | None = None, **more: Any
    ) -> None:
        """Let the pointer lead to a release, and announce it, as a publisher's transaction does."""
        row = {"package": package, "release": number, "pins": dict(pins or {}), **more}
        self.tables.put(PACKAGES, function_arn=PREFIX + package, item="pointer", **row)
        self.announce()

    @override
    def announce(self) -> None:
        self.generation += 1
        self.tables.put(CONFIG_DATA, **GENERATION_KEY, value=self.generation)
        super().announce()

    def forget(self, number: int) -> None:
        """Delete a release, as pruning does."""
        key = {"function_arn": {"S": SHOP}, "item": {"S": release_item(number)}}
        self.tables.delete_item(TableName="se-packages", Key=key)

    def alert_publisher(self) -> AlertPublisher:
        """Return a publisher that keeps what it sends."""
        return AlertPublisher(
            lambda subject, text: self.alerts.append((subject, json.loads(text))), clock=lambda: self.now
        )


class Lambdas:
    """A warm instance of each Lambda of a deployment."""

    def __init__(self, world: Published) -> None:
        self.world = world
        self.frames: list[Any] = []
        digests = Digests(lambda: b"secret")
        find_function = world.registry().function_for_entry
        dispatcher = Dispatcher(world, PAYLOADS, find_function=find_function)
        admission, alerts = world.admission(), world.alert_publisher()
        executions = Executions(world.ledger, dispatcher, PAYLOADS, digests, 300.0)
        self.registry = admission.registry
        settings = Settings(worker_arn=WORKER)
        gateway = Gateway(settings, admission, world, lambda: executions, issue_no_token)
        serve = HttpHandler(settings, admission.registry, gateway, alerts, lambda: world.now)
        self._http = lambda_handler("http", HttpCall, lambda: serve, encode)
        pusher = SimpleNamespace(push=lambda _, frame, __: self.frames.append(json.loads(frame)))
        idempotent = IdempotentCalls(world.ledger, dispatcher, digests)
        sockets = SocketGateway(world.admission(), world, pusher, lambda: idempotent, issue_no_token)  # type: ignore[arg-type]
        connections = ConnectionStore(world.writer, world.reader, lambda: world.now)
        lifecycle = Lifecycle(world.admission(), connections)
        serve_socket = WebSocketHandler(lifecycle, sockets, lambda: None, alerts, lambda: world.now)  # type: ignore[arg-type,return-value]
        self.socket = lambda_handler("websocket", SocketEvent, lambda: serve_socket, encode)
        self.sweeper = Sweeper(
            world.ledger, world.registry(), dispatcher, world.letters.append, alerts, lambda: 0.0
        )
        claims = Claims(world.ledger, digests, PAYLOADS, 300.0)
        registry = world.registry()
        self.functions = FunctionCaller(
            registry, world, dispatcher, claims, alerts, CallHooks(registry, world)
        )
        self.queue = SqsSource(self.functions, Bindings(registry), SqsQueues(settings.region))

    def http(
        self, endpoint_id: str = "demo", function: str = "heard", job_id: str = "", **headers: str
    ) -> Any:
        """Send a request; return the response."""
        method = "POST" if headers else "GET"
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        path, query = f"/core/{endpoint_id}/{function}", {"job_id": job_id}
        return self._http(http_request(method, path, headers=headers, queryStringParameters=query), None)

    def release_of(self, endpoint_id: str = "demo", function: str = "heard") -> str:
        """Return the release that serves a request."""
        response = self.http(endpoint_id, function)
        assert response["statusCode"] == 200, response
        return self.world.calls[-1].release
