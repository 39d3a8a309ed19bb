"""Tenants' MCP servers on tables: what a list costs, and whose tools and tasks there are."""

import json
from pathlib import Path
from typing import Any, override

import pytest
from boto3.dynamodb.types import TypeSerializer

from silvaengine.access.rate_limits import RateLimiter
from silvaengine.authorization.admission import Admission
from silvaengine.authorization.authorization import Authorization
from silvaengine.authorization.packages import Packages
from silvaengine.aws.botocore import BotocoreApi
from silvaengine.aws.lambda_invoker import Invoker
from silvaengine.aws.table_client import TableReader, TableWriter
from silvaengine.ledger.digests import Digests
from silvaengine.ledger.dispatch import Dispatcher, issue_no_token
from silvaengine.ledger.payload_store import PayloadStore
from silvaengine.ledger.store import Ledger
from silvaengine.observability.alerts import AlertPublisher
from silvaengine.observability.handler import lambda_handler
from silvaengine.protocol.json_codec import encode
from silvaengine.registry.generation import raise_generation
from silvaengine.registry.registry import Registry
from silvaengine.settings import Settings
from silvaengine.tables import CONNECTIONS, ENDPOINTS, FUNCTIONS, Table
from silvaengine_http.executions import Executions
from silvaengine_http.gateway import Gateway
from silvaengine_http.handler import HttpHandler
from silvaengine_http.request import HttpCall

from ..unit.http.mcp_client import DESCRIBED, LEGACY, MODERN, TASKS, McpClient

ARN = "arn:aws:lambda:us-east-1:000000000000:function:worker"
TASK_METHODS = (
    *((MODERN, f"tasks/{name}") for name in ("get", "cancel", "update", "list")),
    *((LEGACY, f"tasks/{name}") for name in ("get", "cancel", "result", "list")),
)
EVENT = (Path(__file__).parents[1] / "events/http_rest_v1.json").read_text()


class CountingApi(BotocoreApi):
    """Remembers the calls."""

    def __init__(self, client: Any) -> None:
        super().__init__(client)
        self.calls: list[str] = []

    @override
    def call(self, operation: str, request: dict[str, Any], *_: object, **__: object) -> dict[str, Any]:
        self.calls.append(operation)
        return super().call(operation, request)


class NoInvoker(Invoker):
    """Takes events, which no worker gets."""

    def __init__(self) -> None:
        pass

    @override
    def invoke(self, arn: str, payload: str, **_: object) -> bytes:
        return b""


class World:
    """A gateway on tables."""

    def __init__(self, dynamodb: Any) -> None:
        self.now = 100.0
        self.api = CountingApi(dynamodb)
        reader = TableReader(lambda: self.api, "se-")
        registry = Registry(reader, {}, stage="beta", clock=lambda: self.now)
        self.writer = TableWriter(lambda: self.api, "se-")
        ledger = Ledger(reader, self.writer)
        payloads = PayloadStore(lambda: None, None)
        executions = Executions(
            ledger, Dispatcher(NoInvoker(), payloads), payloads, Digests(lambda: b"secret"), 300.0
        )
        authorization = Authorization(Packages(set()), 1_000)
        limiter = RateLimiter(None, "", 1_000, instances=1)
        admission = Admission(registry, lambda: limiter, lambda: authorization)
        gateway = Gateway(Settings(), admission, NoInvoker(), lambda: executions, issue_no_token)
        alerts = AlertPublisher(lambda _subject, _text: None)
        handler = HttpHandler(Settings(), registry, gateway, alerts)
        self.handler = lambda_handler("http", HttpCall, lambda: handler, encode)


@pytest.fixture
def world(dynamodb: Any) -> World:
    """Return a gateway of tenants: acme has eighty tools, all jobs, of which a narrow key opens two."""
    serialize = TypeSerializer().serialize

    def put(table: Table, **row: Any) -> None:
        item = {name: serialize(value) for name, value in row.items()}
        dynamodb.put_item(TableName=f"se-{table.name}", Item=item)

    names = [f"tool_{number:02}" for number in range(80)]
    description = json.dumps(DESCRIBED)
    for name in names:
        config = {"module_name": "shop", "typed": True, "mcp": True, "funct_type": "Event"}
        put(FUNCTIONS, aws_lambda_arn=ARN, function=name, area="core", config=config, description=description)
    for endpoint_id, key, opened in (
        ("acme", "acme-key", names),
        ("acme", "narrow-key", names[:2]),
        ("globex", "globex-key", names),
    ):
        entries = [{"aws_lambda_arn": ARN, "function": name, "setting": ""} for name in opened]
        put(ENDPOINTS, endpoint_id=endpoint_id, special_connection=True)
        put(CONNECTIONS, endpoint_id=endpoint_id, api_key=key, functions=entries)
    return World(dynamodb)


def client_of(world: World, endpoint_id: str, key: str) -> McpClient:
    """Return a client that takes tasks."""
    client = McpClient(world, lambda: json.loads(EVENT))
    client.endpoint, client.api_key, client.capabilities = endpoint_id, key, TASKS
    return client


def test_a_warm_list_makes_no_call(world: World) -> None:
    """Eighty tools in two pages, and the same bytes again, for as long as the list says it may be kept."""
    client = client_of(world, "acme", "acme-key")
    cold = client.request("tools/list").body
    world.api.calls.clear()
    assert client.request("tools/list").body == cold
    rest = client.request("tools/list", {"cursor": cold["result"]["nextCursor"]}).result
    assert len(cold["result"]["tools"]) + len(rest["tools"]) == 80
    assert world.api.calls == []


def test_a_list_is_true_for_its_ttl(world: World) -> None:
    """While the registry stays as it is so does the list; a change is in it once the ttl is over."""
    client = client_of(world, "acme", "narrow-key")
    world.now += 5  # the registry's first look at its generation
    first = client.request("tools/list").body
    ttl = first["result"]["ttlMs"] / 1000
    world.now += ttl
    assert client.request("tools/list").body == first
    world.writer.delete(FUNCTIONS, {"aws_lambda_arn": ARN, "function": "tool_01"})
    raise_generation(world.writer)
    world.now += ttl
    assert [tool["name"] for tool in client.request("tools/list").result["tools"]] == ["tool_00"]


def test_tools_and_tasks_are_the_keys_own(world: World) -> None:
    """No other tenant, and no other key of the tenant, sees or calls them."""
    acme, narrow, globex = (
        client_of(world, *each)
        for each in (("acme", "acme-key"), ("acme", "narrow-key"), ("globex", "globex-key"))
    )
    assert [len(each.request("tools/list").result["tools"]) for each in (acme, narrow, globex)] == [50, 2, 50]
    assert narrow.call("tool_02").error == (400, -32602)
    assert client_of(world, "globex", "acme-key").request("tools/list").status == 404
    task_id = acme.call("tool_00").result["taskId"]
    for other in (narrow, globex):
        for revision, method in TASK_METHODS:
            other.revision = revision
            about_it, about_none = (other.request(method, {"taskId": asked}) for asked in (task_id, "0" * 32))
            assert (about_it.status, about_it.body) == (about_none.status, about_none.body)
            assert "error" in about_it.body
    assert acme.request("tasks/get", {"taskId": task_id}).result["status"] == "working"
