"""An endpoint as an MCP server: what the specification demands, and whose tools there are."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from silvaengine.access.rate_limits import RateLimit
from silvaengine.errors import UnavailableError
from silvaengine.protocol.messages import ExecutionRef
from silvaengine_worker.results import to_json_value
from silvaengine_worker.typed.schemas import describe_signature

from .mcp_client import DESCRIBED, LEGACY, MODERN, SAID, McpClient, Members, add_tool

type EventOf = Callable[..., dict[str, Any]]


@pytest.fixture
def client(world: Any, event_of: EventOf) -> McpClient:
    """Return a client of the newest revision; the endpoint has a tool."""
    add_tool(world, "comment", DESCRIBED)
    return McpClient(world, event_of)


@pytest.fixture
def legacy(client: McpClient) -> McpClient:
    """Return a client of the revision before."""
    client.revision = LEGACY
    return client


def names(answer: Any) -> list[str]:
    """Return the names of listed tools."""
    return [tool["name"] for tool in answer.result["tools"]]


def test_a_described_tool(client: McpClient) -> None:
    """It has the schemas of the function's signature."""
    (tool,) = client.request("tools/list").result["tools"]
    assert tool == {
        "name": "comment",
        "title": "Comment on a ticket.",
        "description": "Comment on a ticket.\n\nAs long as it is open.\n\nError 410: It is closed.",
        "inputSchema": DESCRIBED["parameters"],
        "outputSchema": DESCRIBED["result"],
    }


def test_a_tool_for_earlier_clients(legacy: McpClient) -> None:
    """Its output is said to be an object, which that revision demands; a list has no hints."""
    result = legacy.request("tools/list").result
    assert result.keys() == {"tools"}
    (tool,) = result["tools"]
    assert tool["outputSchema"]["type"] == "object"
    assert tool["execution"] == {"taskSupport": "optional"}


@pytest.mark.parametrize(
    ("methods", "annotations"),
    [
        (["GET"], {"readOnlyHint": True}),
        (["PUT"], {"idempotentHint": True}),
        (["DELETE"], {"idempotentHint": True, "destructiveHint": True}),
        (["POST"], None),
        (["GET", "POST"], None),
    ],
)
def test_annotations_are_what_methods_mean(
    methods: list[str], annotations: Any, world: Any, client: McpClient
) -> None:
    """Of others nothing is said."""
    add_tool(world, "act", methods=methods)
    tools = {tool["name"]: tool for tool in client.request("tools/list").result["tools"]}
    assert tools["act"].get("annotations") == annotations
    assert tools["act"]["inputSchema"] == {"type": "object"}


def test_only_what_is_open_to_agents(world: Any, client: McpClient) -> None:
    """Off by default; never internal functions, those of other areas, or such as nobody can call."""
    add_tool(world, "closed", mcp=False)
    add_tool(world, "hidden", internal=True)
    add_tool(world, "odd name")
    needs = {**DESCRIBED, "headers": {"type": "object", "properties": {"x-a": {}}, "required": ["x-a"]}}
    add_tool(world, "needs_header", needs)
    world.add("elsewhere", area="admin")
    world.registry.described["elsewhere"] = {"config": {"mcp": True}}
    assert names(client.request("tools/list")) == ["comment"]
    for name in ("closed", "hidden", "odd name", "greet", "elsewhere", "nothing"):
        assert client.call(name).error == (400, -32602)
    assert world.invoker.sent == []


def test_an_endpoint_opens_its_functions(world: Any, client: McpClient) -> None:
    """All that don't say otherwise."""
    add_tool(world, "closed", mcp=False)
    world.registry.area_settings = {"mcp": True}
    assert names(client.request("tools/list")) == ["comment", "greet"]


def test_a_warm_list_reads_nothing(world: Any, client: McpClient) -> None:
    """It is the same, byte for byte, until the registry changes."""
    for number in range(80):
        add_tool(world, f"tool_{number:02}", DESCRIBED)
    cold = client.request("tools/list")
    world.registry.asked.clear()
    assert client.request("tools/list").body == cold.body
    assert "function_rows" not in [asked[0] for asked in world.registry.asked]
    add_tool(world, "a_new_one")
    world.registry.generation_number += 1
    assert names(client.request("tools/list"))[0] == "a_new_one"


def test_a_call(world: Any, client: McpClient, log_line: Callable[[], Any]) -> None:
    """It is the function's call; the line is about the function."""
    world.responses("json", {"title": "Hot"})
    result = client.call("comment", {"ticket_id": 1, "text": "ä"}).result
    assert result["structuredContent"] == {"title": "Hot"}
    assert [json.loads(content["text"]) for content in result["content"]] == [{"title": "Hot"}]
    assert "isError" not in result
    assert json.loads(world.payload["body"]) == {"ticket_id": 1, "text": "ä"}
    assert world.payload["invocation"]["function"] == "comment"
    line = log_line()
    assert (line["function"], line["status"], line["endpoint_id"]) == ("comment", 200, "acme")


def proxy(body: str, media_type: str = "", **more: Any) -> tuple[str, Any]:
    """Return a worker's response that is a whole HTTP response."""
    return "json", {"statusCode": 200, "headers": {"Content-Type": media_type}, "body": body, **more}


def text(value: str) -> Members:
    """Return text as content."""
    return {"type": "text", "text": value}


def embedded(media_type: str) -> Members:
    """Return the bytes `hi` as an embedded resource."""
    return {
        "type": "resource",
        "resource": {"uri": "urn:silvaengine:result", "mimeType": media_type, "blob": "aGk="},
    }


NONE = object()  # no structured content


@pytest.mark.parametrize(
    ("returned", "content", "structured"),
    [
        (("text", "plain: text: here"), text("plain: text: here"), NONE),
        (("text", '{"a": 1}'), text('{"a": 1}'), {"a": 1}),
        (("text", "[1]"), text("[1]"), [1]),
        (("text", "12"), text("12"), NONE),  # it says no more than the text
        (("json", {"a": 1}), text('{"a": 1}'), {"a": 1}),
        (("json", [1, "ä"]), text('[1, "ä"]'), [1, "ä"]),
        (("json", []), text("[]"), []),
        (("json", 1.5), text("1.5"), 1.5),
        (("json", True), text("true"), True),
        (("json", None), text("null"), None),
        (("base64", "aGk="), embedded("application/octet-stream"), NONE),
        (proxy("hello", "text/plain"), text("hello"), NONE),
        (proxy('{"a": 1}', "application/json"), text('{"a": 1}'), {"a": 1}),
        (
            proxy("aGk=", "Image/PNG; q=1", isBase64Encoded=True),
            {"type": "image", "data": "aGk=", "mimeType": "image/png"},
            NONE,
        ),
        (
            proxy("aGk=", "audio/wav", isBase64Encoded=True),
            {"type": "audio", "data": "aGk=", "mimeType": "audio/wav"},
            NONE,
        ),
        (proxy("aGk=", "application/pdf", isBase64Encoded=True), embedded("application/pdf"), NONE),
        (proxy("aGk=", isBase64Encoded=True), embedded("application/octet-stream"), NONE),
    ],
)
def test_what_functions_return(
    returned: tuple[Any, Any], content: Members, structured: object, world: Any, client: McpClient
) -> None:
    """Each is content of its own kind; JSON is structured, too, to earlier clients only if an object.

    specification/2026-07-28/server/tools, "Tool Result"; a task's result is the same.
    """
    for client.revision, has_structure in (
        (MODERN, structured is not NONE),
        (LEGACY, isinstance(structured, dict)),
    ):
        world.responses(*returned)
        result = client.call("comment").result
        assert result["content"] == [content]
        assert ("structuredContent" in result, "isError" in result) == (has_structure, False)
        assert not has_structure or result["structuredContent"] == structured


@pytest.mark.parametrize(
    ("returned", "status"),
    [
        (("base64", "no base64"), 502),
        (proxy("no base64", "image/png", isBase64Encoded=True), 502),
        (("json", {"statusCode": 200, "body": 1}), 502),
        (("json", {"statusCode": "soon"}), 502),
        (("text", "x" * 6_291_456), 502),
    ],
)
def test_what_cannot_be_sent_is_an_error(
    returned: tuple[Any, Any], status: int, world: Any, client: McpClient
) -> None:
    """JSON-RPC's, and nothing is sent of what was well."""
    world.responses(*returned)
    answer = client.call("comment")
    assert answer.error == (status, -32603)
    assert answer.body.keys() == {"jsonrpc", "id", "error"}


@dataclass
class Line:
    """A line of an order."""

    title: str
    due: date | None = None


def order() -> Line:
    """Return an object, which has one schema for both revisions."""
    return Line("Ink", date(2026, 1, 31))


def orders() -> list[Line]:
    """Return a list."""
    return [Line("Ink")]


def amounts() -> dict[str, int]:
    """Return an object of anybody's names."""
    return {"Ink": 3}


def amount() -> int | None:
    """Return a scalar."""
    return None


@pytest.mark.parametrize("function", [order, orders, amounts, amount])
@pytest.mark.parametrize("revision", [MODERN, LEGACY])
def test_a_result_is_as_its_output_schema_says(
    revision: str, function: Callable[[], object], world: Any, client: McpClient
) -> None:
    """'Servers MUST provide structured results that conform to this schema': specification/…/server/tools."""
    add_tool(world, "made", describe_signature(function))
    client.revision = revision
    (tool,) = (each for each in client.request("tools/list").result["tools"] if each["name"] == "made")
    world.responses("json", to_json_value(function()))
    result = client.call("made").result
    assert ("outputSchema" in tool) == ("structuredContent" in result)
    if "outputSchema" in tool:
        assert revision == MODERN or tool["outputSchema"]["type"] == "object"
        Draft202012Validator(tool["outputSchema"]).validate(result["structuredContent"])


def whole() -> dict[str, Any]:
    """Return what may be a whole HTTP response."""
    return {"statusCode": 200, "body": "hello"}


def test_a_result_that_may_be_a_whole_response_has_no_schema(world: Any, client: McpClient) -> None:
    """It may be text; clients refuse a result without structured content where there is a schema."""
    add_tool(world, "whole", describe_signature(whole))
    (tool,) = (each for each in client.request("tools/list").result["tools"] if each["name"] == "whole")
    assert "outputSchema" not in tool


def test_refusals_can_be_acted_on(world: Any, client: McpClient) -> None:
    """Of the arguments, with where they are wrong; of the function, with its own words."""
    fault = {"in": "body", "path": "/ticket_id", "message": "Expected `int`", "value_type": "string"}
    world.responses("error", "It can't take them", status=422, details=[fault])
    result = client.call("comment").result
    assert result["isError"] is True
    assert result["content"][0]["text"] == "It can't take them\n- body /ticket_id: Expected `int`"
    world.responses(
        "error", "Sold out", status=503, error_type="FunctionError", code="none_left", details={"more": 3}
    )
    result = client.call("comment").result
    assert (result["isError"], result["content"][0]["text"]) == (
        True,
        'Sold out\ncode: none_left\n{"more": 3}',
    )
    world.responses("json", {"statusCode": 404, "body": "No such ticket"})
    result = client.call("comment").result
    assert (result["isError"], result["content"][0]["text"]) == (True, "No such ticket")


def test_failures_say_nothing_of_the_inside(world: Any, client: McpClient) -> None:
    """They are JSON-RPC errors, and as loud to the operator as any."""
    world.responses("error", "Internal server error", status=500, error_type="KeyError")
    answer = client.call("comment")
    assert answer.error == (500, -32603)
    assert answer.body["id"] == 7
    assert "KeyError" not in json.dumps(answer.body)
    world.invoker.result = UnavailableError("Too busy", detail="arn:secret")
    answer = client.call("comment")
    assert answer.error == (503, -32603)
    assert answer.headers["Retry-After"] == "1"
    assert "secret" not in json.dumps(answer.body)
    assert len(world.alerts.sent) == 2


def test_a_key_without_the_scope_has_no_tools(world: Any, client: McpClient) -> None:
    """As for any request; the client's user reads why."""
    world.registry.key_hashes, world.registry.scopes = (), frozenset({"jobs"})
    answer = client.request("tools/list")
    assert answer.error == (403, 403)
    assert answer.body["error"]["message"] == "This API key is not allowed to call 'mcp'"


def test_an_unknown_key_has_no_tools(client: McpClient) -> None:
    """Nor has a revoked one; what is no message is refused as anywhere."""
    client.api_key = "another"
    answer = client.request("tools/list")
    assert (answer.error, answer.body["id"]) == ((404, 404), 7)
    assert "has no access to it" in answer.body["error"]["message"]
    assert client.send("{}").body.keys() == {"error", "request_id"}


def test_a_key_over_its_limit_comes_again_later(world: Any, client: McpClient) -> None:
    """429 with the seconds to wait, for programs by the header and for agents in words."""
    world.registry.limits = (RateLimit("key", "acme-key", 0.5, 1),)
    assert client.call("comment").status == 200
    answer = client.call("comment")
    assert answer.error == (429, 429)
    assert answer.headers["Retry-After"] == "2"
    assert answer.body["error"]["message"] == "Too many requests; try again in 2 s"


def test_an_idempotency_key(world: Any, client: McpClient) -> None:
    """A repeated call gets the first one's result, and another one under the key is refused."""
    world.responses("json", {"title": "Hot"})
    first = client.call("comment", {"ticket_id": 1}, idempotency_key="k")
    job, text = ExecutionRef(**world.payload["job"]), json.dumps(world.invoker.result)
    world.ledger.settle(job, job.owner, "succeeded", {"result": text})
    again = client.call("comment", {"ticket_id": 1}, idempotency_key="k")
    assert again.result == first.result
    assert len(world.invoker.sent) == 1
    other = client.call("comment", {"ticket_id": 2}, idempotency_key="k").result
    assert other["isError"] is True


@pytest.mark.parametrize("body", [{}, {"body": {"text": "a"}}])
def test_an_idempotency_key_of_a_function_with_a_body(body: Members, world: Any, client: McpClient) -> None:
    """Its other arguments tell calls apart, too; the message's id doesn't."""
    parameters = {"type": "object", "properties": {"ticket_id": {"type": "integer"}, "body": {}}}
    add_tool(world, "change", {**DESCRIBED, "parameters": parameters})
    world.responses("json", {"title": "Hot"})

    def call(message_id: int, ticket_id: int) -> Any:
        params = {"name": "change", "arguments": {"ticket_id": ticket_id, **body}, "_meta": SAID}
        message = {"jsonrpc": "2.0", "id": message_id, "method": "tools/call", "params": params}
        headers = {"mcp-protocol-version": MODERN, "mcp-method": "tools/call", "mcp-name": "change"}
        return client.send(message, **headers, **{"idempotency-key": "k"}).result

    first = call(1, 1)
    job, text = ExecutionRef(**world.payload["job"]), json.dumps(world.invoker.result)
    world.ledger.settle(job, job.owner, "succeeded", {"result": text})
    assert call(2, 1) == first
    assert call(3, 2)["isError"] is True


def test_a_function_of_that_name_goes_before(world: Any, client: McpClient) -> None:
    """An endpoint that has its own server keeps it."""
    world.add("mcp", methods=("GET", "POST"))
    assert client.request("tools/list").body == {"ok": True}
    assert client.send(None, method="GET").body == {"ok": True}


def test_a_route_goes_before(world: Any, client: McpClient) -> None:
    """So does a function whose route begins so."""
    world.add("of_route", route="GET /mcp/{thing}", methods=("GET",))
    assert client.send(None, method="GET", path="/chair").body == {"ok": True}
    assert client.request("tools/list").status == 200
    assert client.send(None, path="/chair").status == 405
    assert client.send(None, path="/chair/leg").status == 404


def test_areas_of_whole_events_have_none(client: McpClient) -> None:
    """Their functions take no arguments."""
    assert client.send(None, area="raw").status == 404
