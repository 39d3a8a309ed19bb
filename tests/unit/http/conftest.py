"""A gateway made of real parts but for the registry, the workers and the operator's topic."""

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple, override

import pytest

from silvaengine.access.api_keys import KeyHash, key_id_of
from silvaengine.access.rate_limits import RateLimit, RateLimiter
from silvaengine.authorization.admission import Admission
from silvaengine.authorization.authorization import Authorization
from silvaengine.authorization.packages import Packages
from silvaengine.aws.lambda_invoker import Invoker
from silvaengine.aws.table_client import TableReader, TableWriter
from silvaengine.errors import NotFoundError
from silvaengine.ledger.digests import Digests
from silvaengine.ledger.dispatch import Dispatcher, issue_no_token
from silvaengine.ledger.payload_store import PayloadStore
from silvaengine.ledger.store import Ledger
from silvaengine.lru import Budget, LruCache
from silvaengine.observability.alerts import AlertPublisher
from silvaengine.observability.handler import Handler, lambda_handler
from silvaengine.protocol.json_codec import encode
from silvaengine.protocol.messages import Callee, WorkerResponse
from silvaengine.redis.commands import Command
from silvaengine.registry.model import Function, FunctionEntry, KeyAccess, Values
from silvaengine.registry.redis_rows import Reply
from silvaengine.registry.registry import Registry
from silvaengine.registry.routes import RouteTable
from silvaengine.settings import Settings
from silvaengine_http.executions import Executions
from silvaengine_http.gateway import Gateway
from silvaengine_http.handler import HttpHandler
from silvaengine_http.request import HttpCall

from ...fakes.dynamodb import MemoryDynamoDB

EVENTS = Path(__file__).parents[2] / "events"
# What every script may read or none (fetch.spec.whatwg.org, section 2.2.2), and what is for the browser.
SAFELISTED = {"cache-control", "content-language", "content-length", "content-type", "set-cookie"}
FOR_BROWSERS = {"content-security-policy", "referrer-policy", "strict-transport-security", "vary"}
FOR_BROWSERS |= {"x-content-type-options"}
ARN = "arn:aws:lambda:us-east-1:123456789012:function:worker"
NOW = 1_000_000.0


class FakeRegistry(Registry):
    """Knows the keys and functions of one tenant, acme, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.functions: dict[str, Function] = {}
        self.function_routes: dict[str, str] = {}
        self.described: dict[str, dict[str, Any]] = {}
        self.generation_number = 1
        self.area_settings: dict[str, Any] = {}
        self.scopes: frozenset[str] = frozenset()
        self.allowlist: tuple[str, ...] = ()
        self.key_hashes: tuple[KeyHash, ...] | None = None
        self.limits: tuple[RateLimit, ...] = ()
        self.budget = Budget(1_000_000, in_bytes=True)
        self.recent_limits = LruCache(60, self.budget)

    @override
    def refresh(self, command: Command | None = None) -> Reply | None:
        self.asked.append(("refresh",))
        return None

    @override
    def key_access(self, endpoint_id: str, api_key: str, area: str, stage: str | None = None) -> KeyAccess:
        self.asked.append(("connection", endpoint_id, api_key, area, stage))
        if endpoint_id != "acme":
            raise NotFoundError(f"Endpoint {endpoint_id!r} does not exist")
        if api_key not in {"acme-key", "#####"}:
            raise NotFoundError("Endpoint 'acme' does not exist, or this API key has no access to it")
        return KeyAccess(
            endpoint_id=endpoint_id,
            key_row_endpoint=endpoint_id,
            api_key=api_key,
            functions={
                name: FunctionEntry(ARN, "", self.function_routes.get(name, "")) for name in self.functions
            },
            settings=self.area_settings,
            scopes=self.scopes,
            allowlist=self.allowlist,
            key_hashes=self.key_hashes,
            limits=self.limits,
            key_id=key_id_of(api_key),
        )

    @override
    def key_access_by_row(
        self, endpoint_id: str, row_key: str, area: str, stage: str | None = None
    ) -> KeyAccess:
        return self.key_access(endpoint_id, row_key, area, stage)

    @override
    def gateway_settings(self, endpoint_id: str, area: str, stage: str | None = None) -> Values:
        self.asked.append(("gateway_settings", endpoint_id, area, stage))
        return self.area_settings if endpoint_id == "acme" else {}

    @override
    def function(self, key_access: KeyAccess, name: str) -> Function:
        self.asked.append(("function", name))
        if name not in key_access.functions:
            raise NotFoundError(f"Function {name!r} does not exist at endpoint {key_access.endpoint_id!r}")
        return self.functions[name]

    @override
    def routes(self, key_access: KeyAccess) -> RouteTable:
        self.asked.append(("routes",))
        return RouteTable((name, entry.route) for name, entry in key_access.functions.items())

    @override
    def function_rows(self, key_access: KeyAccess) -> list[dict[str, Any]]:
        self.asked.append(("function_rows",))
        return [
            {"function": name, "area": self.functions[name].area, **self.described.get(name, {})}
            for name in key_access.functions
        ]

    @property
    def generation(self) -> str | None:
        return str(self.generation_number)

    @override
    def areas(self, key_access: KeyAccess) -> frozenset[str]:
        return frozenset(self.functions[name].area for name in key_access.functions)


class Sent(NamedTuple):
    """An Invoke; ``payload`` is decoded."""

    arn: str
    payload: dict[str, Any]
    event: bool
    deadline: float | None


class FakeInvoker(Invoker):
    """Returns a test's result, and remembers the payloads."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.result: Any = WorkerResponse("text", '{"ok": true}').encode()
        self.results: list[Any] = []  # before that one

    @override
    def invoke(
        self, arn: str, payload: str, *, event: bool = False, deadline: float | None = None, **_: object
    ) -> bytes:
        self.sent.append(Sent(arn, json.loads(payload), event, deadline))
        result: Any = self.results.pop(0) if self.results else self.result
        if isinstance(result, Exception):
            raise result
        text = result if isinstance(result, bytes) else json.dumps(result).encode()
        return b"" if event else text


class FakeAlerts(AlertPublisher):
    """Remembers alerts."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, Mapping[str, object]]] = []

    @override
    def publish(self, subject: str, dedup_key: str, message: Mapping[str, object]) -> None:
        self.sent.append((subject, dedup_key, message))


class FakeS3:
    """Keeps objects."""

    def __init__(self) -> None:
        self.payloads: dict[str, bytes] = {}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes) -> None:  # noqa: N803 - botocore's names
        self.payloads[Key] = Body

    def get_object(self, *, Bucket: str, Key: str) -> Any:  # noqa: N803
        return {"Body": BytesIO(self.payloads[Key])}

    def generate_presigned_url(self, operation: str, *, Params: Any, ExpiresIn: int) -> str:  # noqa: N803
        return f"https://bucket/{Params['Key']}?expires={ExpiresIn}"


class Documents:
    """The documents at the issuers' URLs."""

    def __init__(self) -> None:
        self.source: Callable[[str], bytes] | None = None

    def fetch(self, url: str) -> bytes:
        assert self.source, url
        return self.source(url)


def hidden_headers(response: Any) -> set[str]:
    """Return the names of a response's headers that a page's script would want and can't read."""
    headers = {name.lower(): value for name, value in response["headers"].items()}
    names = {*headers, *map(str.lower, response.get("multiValueHeaders", {}))}
    exposed = {name.strip().lower() for name in headers["access-control-expose-headers"].split(",")}
    return {name for name in names - exposed - SAFELISTED - FOR_BROWSERS if not name.startswith("access-")}


class World:
    """A gateway and everything around it."""

    def __init__(self) -> None:
        self.registry = FakeRegistry()
        self.invoker = FakeInvoker()
        self.alerts = FakeAlerts()
        self.limiter = RateLimiter(None, "", 1_000, instances=1)
        self.settings = Settings(full_event_areas=frozenset({"raw"}))
        self.now = NOW
        self.dynamodb = MemoryDynamoDB()
        self.s3 = FakeS3()
        self.ledger = Ledger(
            TableReader(lambda: self.dynamodb, "se-"),
            TableWriter(lambda: self.dynamodb, "se-"),
            clock=lambda: self.now,
        )
        self.payloads = PayloadStore(lambda: self.s3, "bucket")
        dispatcher = Dispatcher(self.invoker, self.payloads)
        executions = Executions(self.ledger, dispatcher, self.payloads, Digests(lambda: b"secret"), 300.0)
        self.shipped: set[str] = set()
        self.documents = Documents()
        authorization = Authorization(Packages(self.shipped), 1_000, lambda: self.now, self.documents.fetch)
        self.admission = Admission(self.registry, self.open_limiter, lambda: authorization)
        self.handler = self.handler_of(self.settings, self.invoker, executions)
        self.add("greet")

    def handler_of(self, settings: Settings, invoker: Invoker, executions: Executions) -> Handler:
        """Return a gateway's handler."""
        gateway = Gateway(settings, self.admission, invoker, lambda: executions, issue_no_token)
        serve = HttpHandler(settings, self.registry, gateway, self.alerts, lambda: NOW)
        return lambda_handler("http", HttpCall, lambda: serve, encode)

    def open_limiter(self) -> RateLimiter:
        """Return a limiter that counts for this gateway alone."""
        return self.limiter

    def add(
        self, name: str, *, route: str = "", setting: str = '{"greeting": "hello"}', **changes: Any
    ) -> None:
        """Add a function to the registry."""
        self.registry.function_routes[name] = route
        values: dict[str, Any] = {
            "name": name,
            "area": "core",
            "aws_lambda_arn": ARN,
            "callee": Callee("demo", "Demo", name, setting),
            "funct_type": "RequestResponse",
            "methods": ("GET", "POST"),
            "auth_required": False,
            "graphql": False,
            "settings": {"greeting": "hello"},
            "configuration": {"aws_lambda_arn": ARN, "function": name, "area": "core", "config": {}},
        }
        self.registry.functions[name] = Function(**(values | changes))

    def responses(self, kind: Any, value: Any, **members: Any) -> None:
        """Let the worker answer this."""
        self.invoker.result = WorkerResponse(kind, value, **members).encode()

    def call(self, event: Any, context: Any = None) -> Any:
        """Send an event, and check what holds for any response: its proxy form, an id and CORS."""
        response = self.handler(event, context)
        json.dumps(response)
        assert 100 <= response["statusCode"] <= 599
        assert isinstance(response["body"], str)
        assert isinstance(response["isBase64Encoded"], bool)
        assert all(isinstance(value, str) for value in response["headers"].values())
        assert "x-request-id" in response["headers"]
        assert "Access-Control-Allow-Origin" in response["headers"]
        assert hidden_headers(response) == set()
        return response

    @property
    def payload(self) -> dict[str, Any]:
        """What the worker was sent last, with its JSON texts read."""
        sent: dict[str, Any] = dict(self.invoker.sent[-1].payload)
        for name in sent.keys() & {"params", "context", "aws_event", "aws_context"}:
            sent[name] = json.loads(sent[name])
        return sent


@pytest.fixture
def world() -> World:
    """Return a gateway for one test."""
    return World()


@pytest.fixture(scope="session")
def make_world() -> Callable[[], World]:
    """Make gateways, for tests that need a fresh one for each example."""
    return World


@pytest.fixture(scope="session")
def event_of() -> Callable[..., dict[str, Any]]:
    """Return a recorded event by name (rest_v1, api_v2, function_url), with members replaced."""
    events = {path.stem: json.loads(path.read_text()) for path in EVENTS.glob("http_*.json")}

    def build(name: str = "rest_v1", **changes: Any) -> dict[str, Any]:
        event: dict[str, Any] = deepcopy(events[f"http_{name}"])
        if "headers" in changes:
            event["multiValueHeaders"] = None  # unless it is replaced, too: it names the same headers
        return event | changes

    return build


@pytest.fixture(scope="session")
def rest_path(event_of: Callable[..., dict[str, Any]]) -> Callable[[str], dict[str, Any]]:
    """Return a REST event for a raw path of at least three segments, split as API Gateway does."""

    def build(path: str) -> dict[str, Any]:
        area, endpoint_id, proxy = path.removeprefix("/").split("/", 2)
        parameters = {"area": area, "endpoint_id": endpoint_id, "proxy": proxy.removesuffix("/")}
        return event_of(path=path, pathParameters=parameters)

    return build


@pytest.fixture
def log_line(capsys: pytest.CaptureFixture[str]) -> Callable[[], dict[str, Any]]:
    """Read the invocation's line, which is the only one with a service."""

    def read() -> dict[str, Any]:
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
        (line,) = [line for line in lines if "service" in line]
        return dict(line)

    return read
