"""What agents see of other callers' tools and tasks: T28, over one gateway that serves all of them."""

import json
from itertools import permutations
from typing import Any

import pytest

from silvaengine.tables import CONNECTIONS

from ..unit.http.mcp_client import LEGACY
from .registries import ARN, World, with_key

CALLERS = {  # by key: the endpoint, and the tools
    "acme-key": ("acme", ["greet", "order"]),
    "acme-reader": ("acme", ["greet"]),
    "globex-key": ("globex", ["greet", "stock"]),
}


@pytest.fixture
def world() -> World:
    """Two tenants, of which one has a second key; all keys open one tool together."""
    world = World()
    for name in ("greet", "order", "stock"):
        world.add_function(name, mcp=True)
    for key in ("acme-key", "globex-key"):
        world.add_tenant(CALLERS[key][0], *CALLERS[key][1])
    functions = [{"aws_lambda_arn": ARN, "function": "greet", "setting": ""}]
    world.tables.put(CONNECTIONS, api_key="acme-reader", endpoint_id="acme", functions=functions)
    return world


def ask(world: World, key: str, method: str, endpoint: str = "", **params: Any) -> Any:
    """Send a request of a client; give the result, or the error's code."""
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    headers = {"mcp-protocol-version": LEGACY, "content-type": "application/json", "idempotency-key": "k"}
    event = with_key("header", key)
    event["headers"] |= headers
    path = f"/core/{endpoint or CALLERS[key][0]}/mcp"
    answer = json.loads(world.call(path, "POST", **event, body=json.dumps(message))["body"])
    return answer["result"] if "result" in answer else answer["error"]["code"]


def begin(world: World, key: str) -> str:
    """Begin a task of the tool that all have, under one idempotency key; give its id."""
    return str(ask(world, key, "tools/call", name="greet", arguments={}, task={})["task"]["taskId"])


def test_t28_a_list_is_of_its_key_alone(world: World) -> None:
    """Also once the lists of others are kept; a tool that isn't in it can't be called."""
    for _ in range(2):
        for key, (_, tools) in CALLERS.items():
            assert [tool["name"] for tool in ask(world, key, "tools/list")["tools"]] == tools
            for other in {"order", "stock"} - {*tools}:
                assert ask(world, key, "tools/call", name=other, arguments={}) == -32602
                assert ask(world, key, "tools/list", cursor=other) == -32602
    assert world.sent == []


def test_t28_a_task_is_of_its_caller_alone(world: World) -> None:
    """Whoever else knows its id, by an endpoint of theirs or by its own."""
    tasks = {key: begin(world, key) for key in CALLERS}
    assert len({*tasks.values()}) == len(CALLERS)
    for key, other in permutations(CALLERS, 2):
        for method in ("tasks/get", "tasks/result", "tasks/cancel"):
            assert ask(world, key, method, taskId=tasks[other]) == -32602
            assert ask(world, key, method, CALLERS[other][0], taskId=tasks[other]) in (-32602, 404)
        assert ask(world, key, "tasks/get", taskId=tasks[key])["status"] == "working"
