"""A typed function by a route: what its signature says is described, and holds for what a gateway sends."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from silvaengine.errors import InvalidArgumentsError
from silvaengine.protocol.messages import Callee, WorkerCall
from silvaengine_worker.loader import Loader
from silvaengine_worker.typed.schemas import describe_signature
from silvaengine_worker.worker import Worker


class Color(Enum):
    RED = "red"


@dataclass
class Line:
    sku: str
    color: Color = Color.RED
    parent: "Line | None" = None


def add(order_id: int, line: Line, note: str = "", times: int = 1) -> list[Line]:
    """Add a line to an order.

    Args:
        order_id: The order's number.
        line: What is added.
        note: Why.
        times: How often.

    Raises:
        FunctionError: 404, there is no such order.
    """
    return [line] * times if order_id == 17 else []


def find(order_id: int, since: UUID | None = None, tags: list[str] | None = None) -> list[Line]:
    """Find an order's lines."""
    return []


@pytest.fixture
def call(
    world: Any, rest_path: Callable[[str], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Send a POST by the route of ``add``; return what a worker makes of the gateway's payload."""
    module = ModuleType("typed_shop")
    monkeypatch.setattr(add, "__module__", "typed_shop")
    monkeypatch.setattr(module, "add", add, raising=False)
    monkeypatch.setitem(sys.modules, "typed_shop", module)
    callee = Callee("typed_shop", "", "add", "{}", typed=True)
    world.add("add", route="POST /orders/{order_id}/lines", methods=("POST",), callee=callee)
    worker = Worker(Loader(["typed_shop"]))

    def send(order_id: str, body: Any, query: dict[str, list[str]]) -> Any:
        event = rest_path(f"/core/acme/orders/{order_id}/lines") | {"httpMethod": "POST"}
        several = {"queryStringParameters": None, "multiValueQueryStringParameters": query}
        world.call(event | several | {"body": json.dumps(body)})
        payload = world.invoker.sent[-1].payload
        payload["invocation"]["deadline"] = None  # the world's clock is not the worker's
        return worker.run(WorkerCall.decode(payload)).value

    return send


def test_values_come_from_path_query_and_body(call: Callable[..., Any]) -> None:
    """Text of path and query is converted; neither of the others replaces the path's."""
    lines = call("17", {"line": {"sku": "a"}, "order_id": 18}, {"times": ["2"], "order_id": ["19"]})
    assert [line["sku"] for line in lines] == ["a", "a"]


def test_faults_say_where_they_are(call: Callable[..., Any]) -> None:
    """In the path, too."""
    with pytest.raises(InvalidArgumentsError) as refused:
        call("abc", {"line": {"sku": 5}}, {"times": ["x"]})
    assert {(fault["in"], fault["path"]) for fault in refused.value.details} == {
        ("path", "/order_id"), ("body", "/line/sku"), ("query", "/times")
    }  # fmt: skip


def test_what_signatures_say_is_a_valid_document(world: Any, rest_path: Callable[..., Any]) -> None:
    """Classes that two functions use are there once."""
    for function, route in ((add, "POST /orders/{order_id}/lines"), (find, "GET /orders/{order_id}/lines")):
        name, config = function.__name__, {"typed": True, "route": route, "methods": [route.split()[0]]}
        world.add(name, route=route)
        world.registry.described[name] = {"config": config, "description": describe_signature(function)}
    response = world.call(rest_path("/core/acme/openapi.json") | {"httpMethod": "GET", "body": None})
    document = json.loads(response["body"])
    OpenAPIV31SpecValidator(document).validate()
    assert {"Line", "Color"} < document["components"]["schemas"].keys()
    item = document["paths"]["/orders/{order_id}/lines"]
    assert item["post"]["summary"] == "Add a line to an order."
    assert item["post"]["responses"]["404"]["description"] == "there is no such order."
    assert [each["name"] for each in item["get"]["parameters"][:3]] == ["order_id", "since", "tags"]
