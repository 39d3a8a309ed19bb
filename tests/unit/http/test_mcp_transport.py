"""What MCP demands of a server: a table for each page of the specification, a line for each rule.

Pages are below modelcontextprotocol.io/specification/2026-07-28; rules that begin with "legacy" are of the
page of that name, or the one named beside it, below 2025-11-25 and 2025-06-18.
Authorization is in test_mcp_authorization, tasks in test_mcp_tasks, content and limits in test_mcp.
Not binding, since the server has none of it: streams of events (subscriptions, progress, cancelled requests),
sessions, requests to its client (MRTR), parameters that are headers too, schemas at other hosts, prompts,
resources, completion, logging, icons. Nor is what clients, intermediaries and servers by stdio have to do.
"""

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from jsonschema import Draft202012Validator

from .mcp_client import DESCRIBED, LEGACY, META, MODERN, SAID, Answer, McpClient, add_tool

type EventOf = Callable[..., dict[str, Any]]
type Members = dict[str, Any]

ORIGIN = "https://app.example.com"
VERSION, METHOD, NAME = "mcp-protocol-version", "mcp-method", "mcp-name"
SESSION = "mcp-session-id"
SAYS_VERSION, SAYS_CAPABILITIES = f"{META}protocolVersion", f"{META}clientCapabilities"
# What the server may say of an error: JSON-RPC's codes, and MCP's by basic, "Error Codes".
CODES = {-32700, -32600, -32601, -32602, -32603, -32020, -32021, -32022}
# basic, "_meta": a key's prefix, and its name.
META_KEY = re.compile(
    r"([A-Za-z]([A-Za-z0-9-]*[A-Za-z0-9])?\.)*[A-Za-z]([A-Za-z0-9-]*[A-Za-z0-9])?/\w[\w.-]*"
)


NOTHING: Members = {}


class Rule(NamedTuple):
    """What differs from ``tools/list`` as it should be, and what is the answer.

    ``answer`` is the HTTP status, and the code of an error. In the others what is None is left out.
    """

    answer: tuple[int, int | None]
    message: Members = NOTHING
    headers: Members = NOTHING
    meta: Members = NOTHING
    is_legacy: bool = False


def legacy(answer: tuple[int, int | None], message: Members, headers: Members = NOTHING) -> Rule:
    """Return a rule for legacy clients."""
    return Rule(answer, message, headers, is_legacy=True)


def call_of(**params: Any) -> Members:
    """Return a call with other parameters."""
    return {"method": "tools/call", "params": {"name": "comment", "arguments": {}, **params}}


ANSWERED, ACCEPTED = (200, None), (202, None)
INVALID, WRONG_PARAMS = (400, -32600), (400, -32602)
MISMATCH, NOT_SERVED = (400, -32020), (400, -32022)

CALL = call_of()
NOTE: Members = {"id": None, "method": "notifications/cancelled", "params": {"requestId": 1}}
REPLY: Members = {"method": None, "result": {}, "params": None}
ABSENT: Members = {"method": "resources/list"}
ENCODED = "=?base64?Y29tbWVudA==?="
OTHER = "2099-01-01"
PING = '{"jsonrpc": "2.0", "id": 7, "method": "ping"}'

TRANSPORT = {  # basic/transports/streamable-http; legacy: basic/transports
    "a request is answered by one JSON object": Rule(ANSWERED),
    "a notification is accepted by 202 and no body": Rule(ACCEPTED, NOTE, {METHOD: None}),
    "a notification that isn't accepted gets an HTTP error": Rule(NOT_SERVED, NOTE, {VERSION: OTHER}),
    "a response isn't accepted": Rule(INVALID, REPLY),
    "the version header is needed": Rule(MISMATCH, {}, {VERSION: None}),
    "the version header matches the body": Rule(MISMATCH, {}, {VERSION: LEGACY}),
    "a version header on two lines is malformed": Rule(MISMATCH, {}, {VERSION: f"{MODERN}, {MODERN}"}),
    "an unknown version is refused": Rule(NOT_SERVED, {}, {VERSION: OTHER}, {SAYS_VERSION: OTHER}),
    "an unknown method is 404": Rule((404, -32601), ABSENT),
    "a method of legacy revisions is unknown": Rule((404, -32601), {"method": "ping"}),
    "the method header is needed": Rule(MISMATCH, {}, {METHOD: None}),
    "the method header matches the body": Rule(MISMATCH, {}, {METHOD: "tools/call"}),
    "values of headers are case-sensitive": Rule(MISMATCH, {}, {METHOD: "TOOLS/LIST"}),
    "names of headers are not": Rule(ANSWERED, CALL, {NAME: None, "MCP-NAME": "comment"}),
    "the name header is needed": Rule(MISMATCH, CALL, {NAME: None}),
    "the name header matches the body": Rule(MISMATCH, CALL, {NAME: "Comment"}),
    "an encoded name is decoded": Rule(ANSWERED, CALL, {NAME: ENCODED}),
    "marks of an encoded name are case-sensitive": Rule(MISMATCH, CALL, {NAME: ENCODED.upper()}),
    "an encoded name that isn't base64 is malformed": Rule(MISMATCH, CALL, {NAME: "=?base64?!?="}),
    "an encoded name that isn't UTF-8 is malformed": Rule(MISMATCH, CALL, {NAME: "=?base64?/w==?="}),
    "a name header of other characters is malformed": Rule(MISMATCH, call_of(name="ä"), {NAME: "ä"}),
    "sessions and streams of old are ignored": Rule(ANSWERED, {}, {SESSION: "a", "last-event-id": "b"}),
    "legacy: a response is accepted by 202 and no body": legacy(ACCEPTED, REPLY),
    "legacy: a notification is accepted by 202 and no body": legacy(ACCEPTED, NOTE),
    "legacy: an unknown version is refused": legacy(NOT_SERVED, {}, {VERSION: OTHER}),
    "legacy: a version that isn't served is refused": legacy(NOT_SERVED, {}, {VERSION: "2025-03-26"}),
    # 2026-07-28, "Protocol Version Header", of servers that don't serve 2025-03-26
    "legacy: the version header is needed": legacy(MISMATCH, {}, {VERSION: None}),
    "legacy: but not to begin": legacy(ANSWERED, {"method": "initialize"}, {VERSION: None}),
}
MESSAGES = {  # basic; legacy: basic
    "an id is a string": Rule(ANSWERED, {"id": "a"}),
    "an id may be empty": Rule(ANSWERED, {"id": ""}),
    "an id may be zero": Rule(ANSWERED, {"id": 0}),
    "an id is an integer of any size": Rule(ANSWERED, {"id": -(10**40)}),
    "a malformed request's error has its id": Rule(INVALID, {"id": "a", "params": []}),
    "a request has a method": Rule(INVALID, {"method": None}),
    "a request is of JSON-RPC 2.0": Rule(INVALID, {"jsonrpc": "1.0"}),
    "a request says its version": Rule(WRONG_PARAMS, meta={SAYS_VERSION: None}),
    "a request says its client's capabilities": Rule(WRONG_PARAMS, meta={SAYS_CAPABILITIES: None}),
    "capabilities are an object": Rule(WRONG_PARAMS, meta={SAYS_CAPABILITIES: []}),
    "of other members of _meta nothing is assumed": Rule(
        ANSWERED, meta={f"{META}clientInfo": 1, "progressToken": [], "traceparent": 1}
    ),
    "an unknown method is refused": Rule((404, -32601), ABSENT),
    "legacy: an unknown method is refused": legacy((200, -32601), ABSENT),
    "legacy: a method of 2026-07-28 is unknown": legacy((200, -32601), {"method": "server/discover"}),
    "legacy: a ping is answered (basic/utilities/ping)": legacy(ANSWERED, {"method": "ping"}),
}
TOOLS = {  # server/tools; server/utilities/pagination; legacy: server/tools
    "an unknown tool is a protocol error": Rule(WRONG_PARAMS, call_of(name="none")),
    "a call without a name is malformed": Rule(WRONG_PARAMS, call_of(name=None)),
    "arguments that are no object are malformed": Rule(WRONG_PARAMS, call_of(arguments=[])),
    "an unknown cursor is a protocol error": Rule(WRONG_PARAMS, {"params": {"cursor": "none"}}),
    "a cursor is a string": Rule(WRONG_PARAMS, {"params": {"cursor": 1}}),
    "legacy: an unknown tool is a protocol error": legacy((200, -32602), call_of(name="none")),
}


@pytest.fixture
def client(world: Any, event_of: EventOf) -> McpClient:
    """Return a client of an endpoint with a tool, of which nothing was asked yet."""
    add_tool(world, "comment", DESCRIBED)
    world.responses("json", {"title": "Hot"})
    return McpClient(world, event_of)


@pytest.mark.parametrize("name", [*TRANSPORT, *MESSAGES, *TOOLS])
def test_a_message_gets_its_answer(name: str, client: McpClient) -> None:
    """As the table says, in the form that each answer has: basic, "Responses"."""
    rule = (TRANSPORT | MESSAGES | TOOLS)[name]
    message: Members = {"jsonrpc": "2.0", "id": 7, "method": "tools/list", "params": {}, **rule.message}
    sent: Members = {VERSION: LEGACY}
    if not rule.is_legacy:
        sent = {VERSION: MODERN, METHOD: message["method"]}
        if isinstance(params := message["params"], dict):
            sent[NAME] = params.get("name")
            message["params"] = known({"_meta": known(SAID | rule.meta)} | params)
    message = known(message)
    answer = client.send(message, **sent | rule.headers)
    assert (answer.status, code_of(answer)) == rule.answer
    if answer.body is None:
        assert answer.status == 202
        return
    assert answer.headers["Content-Type"] == "application/json"
    assert SESSION not in map(str.lower, answer.headers)
    kind = "error" if rule.answer[1] else "result"
    assert answer.body == {"jsonrpc": "2.0", kind: answer.body[kind]} | known({"id": message.get("id")})
    if kind == "result" and not rule.is_legacy:
        assert answer.body["result"]["resultType"] == "complete"
        assert all(META_KEY.fullmatch(key) for key in answer.body["result"]["_meta"])


def known(members: Members) -> Members:
    """Return the members that are not None."""
    return {name: value for name, value in members.items() if value is not None}


def code_of(answer: Answer) -> int | None:
    """Return the code of an error, which is one of those that there are."""
    error = (answer.body or {}).get("error")
    if error is None:
        return None
    assert error["code"] in CODES
    assert isinstance(error["message"], str)
    return int(error["code"])


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "HEAD"])
@pytest.mark.parametrize("revision", [MODERN, LEGACY])
def test_the_endpoint_takes_post_alone(revision: str, method: str, client: McpClient) -> None:
    """basic/transports/streamable-http, "Earlier Streamable HTTP Revisions"; legacy: basic/transports."""
    headers = {VERSION: revision, "accept": "text/event-stream"}
    answer = client.send(None, method=method, **headers)
    assert (answer.status, answer.headers["Allow"]) == (405, "POST, OPTIONS")


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (ORIGIN, 200),
        ("https://evil.example.com", 403),
        (f"{ORIGIN}.evil.example", 403),
        ("http://localhost:6274", 200),
        ("http://127.0.0.1:1", 200),
        ("http://[::1]:1", 200),
        ("http://localhost.evil.example", 403),
        ("http://[", 403),
        ("null", 403),
        ("", 403),
    ],
)
def test_an_origin_is_checked_on_each_connection(
    origin: str, status: int, world: Any, client: McpClient
) -> None:
    """basic/transports/streamable-http, "Security & Endpoint": a page that isn't listed gets 403."""
    world.registry.area_settings = {"cors": {"origins": [ORIGIN]}}
    for revision, method in ((MODERN, "tools/list"), (LEGACY, "initialize"), (LEGACY, "ping")):
        client.revision = revision
        assert client.request(method, origin=origin).status == status
    if status == 403:
        for method in ("GET", "DELETE", "PUT"):
            assert client.send(None, method=method, origin=origin).status == 403


@pytest.mark.parametrize(
    "body",
    ["{", None, "", "[]", f"[{PING}, {PING}]", "1", '"a"', "null"]
    + [PING.replace("7", each) for each in ("null", "true", "1.5", "[7]", '{"id": 7}')],
)
@pytest.mark.parametrize("version", [MODERN, LEGACY])
def test_what_is_no_message_has_no_id_and_no_effect(version: str, body: Any, client: McpClient) -> None:
    """Basic, "Requests" and "Error Responses": an id is text or an integer; there are no batches."""
    answer = client.send(body, **{VERSION: version, METHOD: "ping"})
    assert answer.status == 400
    assert "id" not in answer.body
    if body != "{":  # which the gateway has refused by HTTP alone
        assert code_of(answer) == (-32600 if body else -32700)


def test_an_unsupported_version_s_error_names_those_that_are(client: McpClient) -> None:
    """basic/versioning: each of them is served."""
    params = {"_meta": SAID | {SAYS_VERSION: OTHER}}
    answer = client.request("tools/list", params, mcp_protocol_version=OTHER)
    supported = answer.body["error"]["data"].pop("supported")
    assert answer.body["error"]["data"] == {"requested": OTHER}
    assert client.request("server/discover").result["supportedVersions"] == supported
    assert supported[0] == MODERN
    for client.revision in supported:
        assert [tool["name"] for tool in client.request("tools/list").result["tools"]] == ["comment"]


def test_discovery(client: McpClient) -> None:
    """server/discover, with server/utilities/caching and the capability of server/tools."""
    result = client.request("server/discover").result
    assert result == {
        "resultType": "complete",
        "_meta": {f"{META}serverInfo": {"name": "acme", "title": "core of acme", "version": "1"}},
        "supportedVersions": ["2026-07-28", "2025-11-25", "2025-06-18"],
        "capabilities": {"tools": {}, "extensions": {f"{META}tasks": {}}},
        "ttlMs": 5000,
        "cacheScope": "private",
    }
    assert all(META_KEY.fullmatch(key) for key in result["capabilities"]["extensions"])


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        (LEGACY, LEGACY),
        ("2025-06-18", "2025-06-18"),
        ("1999-01-01", LEGACY),
        (MODERN, LEGACY),
        (None, LEGACY),
    ],
)
def test_legacy_initialization(asked: str | None, got: str, client: McpClient) -> None:
    """Legacy: basic/lifecycle: the version that was asked for, else another; capabilities of that version."""
    client.revision = LEGACY
    result = client.request("initialize", {"protocolVersion": asked}, mcp_protocol_version=None).result
    tasks: Members = {"tasks": {"cancel": {}, "requests": {"tools": {"call": {}}}}}
    assert result == {
        "protocolVersion": got,
        "capabilities": {"tools": {}, **(tasks if got == LEGACY else {})},
        "serverInfo": {"name": "acme", "title": "core of acme", "version": "1"},
    }


@pytest.mark.parametrize(
    ("revision", "method"),
    [(MODERN, "tools/call"), (LEGACY, "tools/call"), ("2025-06-18", "tools/call"), (LEGACY, "ping")],
)
def test_nothing_is_remembered_of_earlier_requests(revision: str, method: str, client: McpClient) -> None:
    """Basic, "Statelessness": a client's first request may be any, at any instance."""
    client.revision = revision
    assert client.request(method, {"name": "comment"} if method == "tools/call" else None).status == 200


def test_schemas_are_valid_and_within_the_list(world: Any, client: McpClient) -> None:
    """Basic, "JSON Schema Usage", and server/tools: by 2020-12, of objects, with references to themselves."""
    add_tool(world, "of_anything")
    tools = client.request("tools/list").result["tools"]
    assert len(tools) == 2
    for tool in tools:
        assert tool["inputSchema"]["type"] == "object"
        for schema in (tool["inputSchema"], tool.get("outputSchema", {})):
            Draft202012Validator.check_schema(schema)
            references = re.findall(r'"\$ref": "(.*?)"', json.dumps(schema))
            assert all(reference.startswith("#/") for reference in references)


def test_a_list_s_pages_have_all_tools_once_and_the_same_hints(world: Any, client: McpClient) -> None:
    """server/utilities/pagination and server/utilities/caching; server/tools: the order stays the same."""
    names = ["comment", *(f"tool_{number:03}" for number in range(119))]
    for name in reversed(names[1:]):
        add_tool(world, name)
    pages = [client.request("tools/list").result]
    while cursor := pages[-1].get("nextCursor"):
        pages.append(client.request("tools/list", {"cursor": cursor}).result)
    assert [tool["name"] for page in pages for tool in page["tools"]] == names
    assert {(page["ttlMs"], page["cacheScope"]) for page in pages} == {(5000, "private")}


def test_a_function_s_headers_are_not_the_response_s(world: Any, client: McpClient) -> None:
    """server/tools, "Security Considerations": what a tool returns is sanitized."""
    headers = {"Set-Cookie": "a=b", "WWW-Authenticate": "Basic", "X-Own": "c", "Content-Type": "text/html"}
    world.responses("json", {"statusCode": 401, "headers": headers, "body": "<script>"})
    answer = client.call("comment")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.result["content"] == [{"type": "text", "text": "<script>"}]
    assert not {"Set-Cookie", "WWW-Authenticate", "X-Own"} & answer.headers.keys()
