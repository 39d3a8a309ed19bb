"""Bodies that no client of MCP should send: each is answered, without a failure or a word of the inside."""

import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from .mcp_client import DESCRIBED, LEGACY, MODERN, SAID, McpClient, add_tool

type EventOf = Callable[..., dict[str, Any]]

# Texts that stand where a value of JSON is expected: each is at the end of what parsers take, or beyond.
ODD = {
    "not a number": "NaN",
    "infinity": "-Infinity",
    "a large exponent": "1e999",
    "a large integer": "9" * 400,
    "a larger integer": "9" * 5000,
    "half of a pair": r'"\ud800"',
    "a null character": r'"\u0000"',
    "a member twice": '{"jsonrpc": "2.0", "id": 1, "id": 2}',
    "a hundred levels": "[" * 100 + "]" * 100,
    "many levels": '{"a":' * 20_000 + "1" + "}" * 20_000,
    "a comment": "/* 1 */ 1",
    "nothing": "",
}
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from([*ODD]),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=8), each, max_size=3),
    max_leaves=8,
)


def mostly(usual: st.SearchStrategy[Any], other: st.SearchStrategy[Any] = VALUES) -> st.SearchStrategy[Any]:
    """Make what is usual, and sometimes anything else."""
    return st.integers(0, 9).flatmap(lambda number: other if number == 7 else usual)


METHODS = st.sampled_from(
    ["initialize", "ping", "server/discover", "tools/list", "tools/call"]
    + [f"tasks/{each}" for each in ("get", "result", "cancel", "update")]
)
PARAMS = st.fixed_dictionaries(
    {"_meta": mostly(st.just(SAID))},
    optional={
        "name": mostly(st.just("comment")),
        "arguments": VALUES,
        "cursor": VALUES,
        "taskId": VALUES,
        "task": VALUES,
        "protocolVersion": VALUES,
    },
)
MESSAGES = st.fixed_dictionaries(
    {"jsonrpc": mostly(st.just("2.0")), "method": mostly(METHODS), "id": mostly(st.integers())},
    optional={"params": mostly(PARAMS), "result": VALUES},
)
BODIES = mostly(MESSAGES, VALUES | st.lists(MESSAGES, max_size=3))
VERSIONS = st.sampled_from([MODERN, LEGACY, None, "x"])
CONTENT_TYPES = mostly(
    st.just("application/json"),
    st.sampled_from(
        (
            "",
            "text/plain",
            "text/xml",
            "image/png",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "application/json; charset=utf-16",
            "application/vnd.a+json",
            ";",
            "ä",
        )
    ),
)
TAILS = mostly(st.just(b""), st.binary(max_size=3))  # bytes after the text
INSIDE = ("Traceback", "Error:", "silvaengine", "msgspec", "site-packages", "arn:", ".py")


@given(body=BODIES, version=VERSIONS, content_type=CONTENT_TYPES, tail=TAILS)
@example({"jsonrpc": "2.0", "id": 1, "method": "ping"}, LEGACY, "application/json", b"\xff")
@example({"jsonrpc": "2.0", "id": "half of a pair", "method": "ping"}, LEGACY, "application/json", b"")
@example({"jsonrpc": "2.0", "id": "many levels", "method": "ping"}, LEGACY, "application/json", b"")
@example({"jsonrpc": "2.0", "id": {"id": [1]}, "method": "ping"}, LEGACY, "application/json", b"")
@example([{"jsonrpc": "2.0", "id": 1, "method": "ping"}] * 2, LEGACY, "application/json", b"")
def test_no_body_breaks_it(
    make_world: Callable[[], Any],
    event_of: EventOf,
    body: Any,
    version: str | None,
    content_type: str,
    tail: bytes,
) -> None:
    """An answer is JSON that any client can read, and has the id of the message, if that has one."""
    world = make_world()
    add_tool(world, "comment", DESCRIBED)
    text = json.dumps(body)
    for name, odd in ODD.items():
        text = text.replace(json.dumps(name), odd)
    client = McpClient(world, event_of)
    headers: dict[str, Any] = {"mcp-protocol-version": version, "content-type": content_type}
    message = body if isinstance(body, dict) else {}
    method = message.get("method")
    if isinstance(method, str) and method.isascii() and method.isprintable():
        headers |= {"mcp-method": method, "mcp-name": "comment" if method == "tools/call" else None}
    sent = b64encode(text.encode() + tail).decode() if tail else text
    client.is_base64 = bool(tail)
    answer = client.send(sent, **headers)
    assert answer.status < 500, answer
    assert world.alerts.sent == []
    if answer.body is None:
        assert answer.status == 202
        return
    written = json.dumps(answer.body, allow_nan=False, ensure_ascii=False)
    written.encode()
    if "error" in answer.body:
        assert not [word for word in INSIDE if word in written]
    if "jsonrpc" in answer.body and answer.body.get("id") is not None:
        assert answer.body["id"] == json.loads(text)["id"]
