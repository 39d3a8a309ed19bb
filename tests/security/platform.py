"""A whole platform in one process: real gateway, registry, ledger and worker over tables in memory."""

import json
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, override

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
from silvaengine.lru import Budget
from silvaengine.observability.alerts import AlertPublisher
from silvaengine.observability.handler import Handler, lambda_handler
from silvaengine.protocol.json_codec import encode
from silvaengine.registry.registry import Registry
from silvaengine.settings import Settings
from silvaengine.tables import CONFIG_DATA, CONNECTIONS, ENDPOINTS, FUNCTIONS
from silvaengine_http.executions import Executions
from silvaengine_http.gateway import Gateway
from silvaengine_http.handler import HttpHandler
from silvaengine_http.request import HttpCall
from silvaengine_worker.executions import ExecutionRunner
from silvaengine_worker.loader import Loader
from silvaengine_worker.serving import CallServer
from silvaengine_worker.serving import create_handler as create_worker
from silvaengine_worker.worker import Worker

from ..fakes.dynamodb import MemoryDynamoDB

WORKER = "arn:aws:lambda:us-east-1:123456789012:function:worker"


class LambdaContext:
    """Thirty seconds are left, always."""

    aws_request_id = "lambda-request"
    invoked_function_arn = WORKER

    def get_remaining_time_in_millis(self) -> int:
        return 30_000


class Lambdas(Invoker):
    """Runs the worker in the place of Lambda, and counts."""

    def __init__(self, worker: Handler) -> None:
        self._worker = worker
        self.invoked = 0

    @override
    def invoke(self, arn: str, payload: str, *, event: bool = False, **_: object) -> bytes:
        self.invoked += 1
        result = json.dumps(self._worker(json.loads(payload), LambdaContext())).encode()
        return b"" if event else result


def _no_sockets() -> NoReturn:
    raise NotImplementedError


class Platform:
    """Tenants, their functions, and the gateway's handler.

    Args:
        functions: names and what their rows' ``config`` says.
        clock: monotonic seconds, of the rate limits.
        budget: what the gateway may keep in memory, by default as much as a Lambda's.
    """

    def __init__(
        self,
        functions: Mapping[str, Mapping[str, Any]],
        clock: Callable[[], float] = time.monotonic,
        budget: Budget | None = None,
    ) -> None:
        self.dynamodb = MemoryDynamoDB()
        self._functions = functions
        reader = TableReader(lambda: self.dynamodb, "se-")
        self.ledger = Ledger(reader, TableWriter(lambda: self.dynamodb, "se-"))
        objects = PayloadStore(lambda: None, None)
        jobs = ExecutionRunner(self.ledger, objects, lambda: 0.0)
        server = CallServer(Worker(Loader(["sample_functions"])), lambda: jobs, _no_sockets)
        self.lambdas = Lambdas(create_worker(server, AlertPublisher(None)))
        self.registry = Registry(reader, {}, stage="beta", budget=budget)
        executions = Executions(
            self.ledger, Dispatcher(self.lambdas, objects), objects, Digests(lambda: b"secret"), 300.0
        )
        limiter = RateLimiter(None, "", self.registry.budget, instances=1, clock=clock)
        settings = Settings(full_event_areas=frozenset({"raw"}), takes_gzip=True)
        authorization = Authorization(Packages(()), self.registry.budget)
        admission = Admission(self.registry, lambda: limiter, lambda: authorization)
        gateway = Gateway(settings, admission, self.lambdas, lambda: executions, issue_no_token)
        serve = HttpHandler(settings, self.registry, gateway, AlertPublisher(None))
        self.handler = lambda_handler("http", HttpCall, lambda: serve, encode)
        for name, config in functions.items():
            area = config.get("area", "core")
            self.dynamodb.put(FUNCTIONS, aws_lambda_arn=WORKER, function=name, area=area, config=dict(config))

    def add_tenant(self, endpoint_id: str, api_key: str, settings: Mapping[str, Any], **more: Any) -> None:
        """Let a key of a tenant's own call every function, with settings of its own."""
        for variable, value in settings.items():
            self.dynamodb.put(CONFIG_DATA, setting_id=f"own-{endpoint_id}", variable=variable, value=value)
        entries = [
            {"aws_lambda_arn": WORKER, "function": name, "setting": f"own-{endpoint_id}" if settings else ""}
            for name in self._functions
        ]
        self.dynamodb.put(ENDPOINTS, endpoint_id=endpoint_id, special_connection=True, **more)
        self.dynamodb.put(
            CONNECTIONS, endpoint_id=endpoint_id, api_key=api_key, functions=entries, grants=["cache:admin"]
        )

    def call(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Send an event to the gateway."""
        response: dict[str, Any] = self.handler(dict(event), LambdaContext())
        return response


def rest_event(
    method: str,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    body: str | bytes | None = None,
    **context: Any,
) -> dict[str, Any]:
    """Make the event that a REST API sends for a request."""
    is_bytes = isinstance(body, bytes)
    return {
        "resource": "/{area}/{endpoint_id}/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": {"content-type": "application/json", **(headers or {})},
        "queryStringParameters": dict(query or {}) or None,
        "multiValueQueryStringParameters": {name: [value] for name, value in (query or {}).items()} or None,
        "pathParameters": None,
        "requestContext": {"stage": "beta", "identity": {"sourceIp": "192.0.2.1"}, **context},
        "body": b64encode(body).decode() if isinstance(body, bytes) else body,
        "isBase64Encoded": is_bytes,
    }


def json_of(response: Mapping[str, Any]) -> Any:
    """Return a response's JSON body."""
    return json.loads(response["body"])
