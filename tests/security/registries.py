"""A real registry over rows in memory, for a gateway with several tenants."""

import json
from pathlib import Path
from typing import Any, override

from tests.fakes.lambdas import as_result

from silvaengine.access.api_keys import ApiKeyVerifier, key_digest
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
from silvaengine.observability.handler import lambda_handler
from silvaengine.protocol.json_codec import encode
from silvaengine.protocol.messages import WorkerResponse
from silvaengine.registry.registry import Registry
from silvaengine.settings import Settings
from silvaengine.tables import CONFIG_DATA, CONNECTIONS, ENDPOINTS, FUNCTIONS
from silvaengine_http.executions import Executions
from silvaengine_http.gateway import Gateway
from silvaengine_http.handler import HttpHandler
from silvaengine_http.request import HttpCall

from ..fakes.dynamodb import MemoryDynamoDB

ARN = "arn:aws:lambda:us-east-1:123456789012:function:worker"
PEPPER = b"pepper"
EVENT = json.loads((Path(__file__).parents[1] / "events/http_rest_v1.json").read_text())

type Row = dict[str, Any]


class World(Invoker):
    """A gateway with tenants that have connections of their own; ``sent`` is what reached the worker."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.tables = MemoryDynamoDB()
        self.reader = TableReader(lambda: self.tables, "se-")
        self.peppers = 0
        self.sent: list[Any] = []
        registry = Registry(
            self.reader,
            {},
            stage="beta",
            api_keys=ApiKeyVerifier(self._pepper, self.clock),
            clock=self.clock,
        )
        authorization = Authorization(Packages(()), 1_000, self.clock, self.fetch)
        limiter = RateLimiter(None, "", 1_000, instances=1, clock=self.clock)
        admission = Admission(registry, lambda: limiter, lambda: authorization)
        self.ledger = Ledger(self.reader, TableWriter(lambda: self.tables, "se-"))
        payloads, digests = PayloadStore(lambda: None, None), Digests(lambda: PEPPER)
        executions = Executions(self.ledger, Dispatcher(self, payloads), payloads, digests, 300.0)
        gateway = Gateway(Settings(), admission, self, lambda: executions, issue_no_token)
        serve = HttpHandler(Settings(), registry, gateway, AlertPublisher(None), self.clock)
        self.handler = lambda_handler("http", HttpCall, lambda: serve, encode)
        self.issuer: Any = None

    def clock(self) -> float:
        return self.now

    def _pepper(self) -> bytes:
        self.peppers += 1
        return PEPPER

    def fetch(self, url: str) -> bytes:
        assert self.issuer, url
        content: bytes = self.issuer.fetch(url)
        return content

    @override
    def invoke(self, arn: str, payload: str, *, event: bool = False, **_: object) -> bytes:
        self.sent.append(json.loads(payload))
        return as_result(WorkerResponse("text", "{}"))

    def add_function(self, name: str, **config: Any) -> None:
        """Register a function."""
        given = {"module_name": "demo", "methods": ["GET", "POST"], **config}
        self.tables.put(FUNCTIONS, aws_lambda_arn=ARN, function=name, area="core", config=given)

    def add_tenant(self, name: str, *functions: str, **row: Any) -> tuple[str, str]:
        """Register an endpoint with a key of each kind; give both."""
        self.tables.put(ENDPOINTS, endpoint_id=name, special_connection=True)
        entries = [{"aws_lambda_arn": ARN, "function": each, "setting": ""} for each in functions]
        raw, key_id, secret = f"{name}-key", f"sek_{name}", f"{name}secret"
        hashes = [{"hash": key_digest(PEPPER, key_id, secret)}]
        common = {"endpoint_id": name, "functions": entries, **row}
        self.tables.put(CONNECTIONS, api_key=raw, grants=["cache:admin"], **common)
        self.tables.put(CONNECTIONS, api_key=key_id, key_hashes=hashes, grants=["admin"], **common)
        return raw, f"{key_id}.{secret}"

    def set(self, setting_id: str, variable: str, value: Any) -> None:
        """Set a variable."""
        self.tables.put(CONFIG_DATA, setting_id=setting_id, variable=variable, value=value)

    def announce(self, generation: int) -> None:
        """Tell of a changed registry."""
        self.set("silvaengine", "generation", generation)

    def call(self, path: str, method: str = "GET", **changes: Any) -> Any:
        """Send a request and give the response."""
        return self.handler(http_event(path, method, **changes), None)


def http_event(path: str, method: str = "GET", **changes: Any) -> Row:
    """Return a REST API's event without a key."""
    area, endpoint_id, proxy = path.removeprefix("/").split("/", 2)
    event = {
        **EVENT,
        "path": path,
        "httpMethod": method,
        "headers": {},
        "multiValueHeaders": {},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": {"area": area, "endpoint_id": endpoint_id, "proxy": proxy},
        "requestContext": {"stage": "beta", "identity": {"sourceIp": "192.0.2.1"}},
        "body": None,
    }
    return event | changes


def with_key(place: str, key: str) -> Row:
    """Return the members of an event that carries a key in one of its places."""
    match place:
        case "header":
            return {"headers": {"X-Api-Key": key}}
        case "query":
            return {"multiValueQueryStringParameters": {"x-api-key": [key]}}
        case _:
            return {"requestContext": {"stage": "beta", "identity": {"apiKey": key}}}
