"""The tools of a key: the functions that it opens to agents, as the registry describes them.

modelcontextprotocol.io/specification/2026-07-28/server/tools
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from silvaengine.named_tuple import NamedTuple
from silvaengine.protocol.json_codec import encode
from silvaengine_http.mcp.messages import INVALID_PARAMS, Members, RpcError
from silvaengine_http.openapi_operations import Described, may_send_text

SETTING = "mcp"  # of a function, a package, or an endpoint's gateway settings
PAGE = 50  # tools

# Names that models' own interfaces take, too.
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_ANYTHING: Members = {"type": "object"}


class Tool(NamedTuple):
    """A function as a tool.

    ``text`` is its definition as JSON, ``legacy_text`` that for clients of earlier revisions. ``method`` is
    that of the calls. ``takes_body`` is whether one argument is the whole body.
    """

    text: str
    legacy_text: str
    method: str
    takes_body: bool
    needs_authorizer: bool


def read_tools(rows: Iterable[Members], area: str, *, are_all: bool) -> Mapping[str, Tool]:
    """Return a key's tools by name, in the order of the names.

    Args:
        rows: all functions that the key opens, as ``Registry.function_rows`` returns them.
        area: the area of the functions.
        are_all: whether each function is a tool that doesn't say otherwise.
    """
    tools: dict[str, Tool] = {}
    for row in rows:
        function = Described(row["function"], row.get("config") or {}, row.get("description") or {})
        if row.get("area") == area and _is_tool(function, are_all=are_all):
            tools.setdefault(function.name, _tool(function))
    return dict(sorted(tools.items()))


def page_of(tools: Mapping[str, Tool], cursor: object, *, is_modern: bool) -> str:
    """Return the members of a page, as JSON text; a cursor is the last name of the page before.

    Raises:
        RpcError: the cursor is none of this list.
    """
    names = [*tools]
    if cursor is None:
        begin = 0
    elif isinstance(cursor, str) and cursor in tools:
        begin = names.index(cursor) + 1
    else:
        raise RpcError(INVALID_PARAMS, "The cursor is of another list")
    shown = names[begin : begin + PAGE]
    texts = ",".join(tools[name].text if is_modern else tools[name].legacy_text for name in shown)
    is_last = begin + PAGE >= len(names)
    return f'"tools":[{texts}]' + ("" if is_last else f',"nextCursor":{encode(shown[-1])}')


def _is_tool(function: Described, *, are_all: bool) -> bool:
    """Return whether agents may call a function; one with a required header of its own they couldn't."""
    headers = function.description.get("headers") or {}
    return (
        bool(function.config.get(SETTING, are_all))
        and function.config.get("internal") is not True
        and _NAME.fullmatch(function.name) is not None
        and not headers.get("required")
        and bool(function.methods)
    )


def _tool(function: Described) -> Tool:
    text, methods = function.description, function.methods
    schema: Members = text["parameters"] if function.is_typed else _ANYTHING
    members: dict[str, Any] = {"name": function.name}
    if summary := text.get("summary"):
        members["title"] = summary
    if description := "\n\n".join(filter(None, [summary, text.get("description"), _errors(text)])):
        members["description"] = description
    members["inputSchema"] = schema
    if annotations := dict(_annotations(function)):
        members["annotations"] = annotations
    legacy = {**members, "execution": {"taskSupport": "optional"}}
    result = text.get("result")
    if function.is_typed and result and not (function.is_job or may_send_text(function) or _is_open(result)):
        members["outputSchema"] = result
        if _is_object(result):  # in earlier revisions nothing else may be structured, nor said by a reference
            legacy["outputSchema"] = {**result, "type": "object"}
    return Tool(
        encode(members),
        encode(legacy),
        "POST" if "POST" in methods else methods[0],
        "body" in schema.get("properties", {}),
        bool(function.config.get("auth_required")),
    )


def _is_open(schema: Members) -> bool:
    """Return whether a result may be any object, among them a whole HTTP response, which may be text."""
    return any(
        {"additionalProperties": True, **each} == {"additionalProperties": True, **_ANYTHING}
        for each in schema.get("anyOf", [schema])
    )


def _is_object(schema: Members) -> bool:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    kind: object = schema.get("$defs", {}).get(name, schema).get("type")
    return kind == "object"


def _errors(text: Members) -> str:
    return "\n".join(f"Error {status}: {meaning}" for status, meaning in (text.get("errors") or {}).items())


def _annotations(function: Described) -> Iterator[tuple[str, bool]]:
    """Yield what is known of a tool: RFC 9110, section 9.2, says what methods mean."""
    methods = set(function.methods)
    if methods == {"GET"}:
        yield "readOnlyHint", True
    elif methods <= {"GET", "PUT", "DELETE"}:
        yield "idempotentHint", True
    if methods == {"DELETE"}:
        yield "destructiveHint", True
