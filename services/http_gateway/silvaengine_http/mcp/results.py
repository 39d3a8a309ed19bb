"""What a worker answers as a tool's result: content for models, and structured content for programs.

modelcontextprotocol.io/specification/2026-07-28/server/tools, "Tool Result" and "Error Handling".
"""

import json
from collections.abc import Mapping
from typing import Any

from silvaengine.errors import FunctionError, SilvaEngineError
from silvaengine.protocol.json_codec import encode_readable
from silvaengine.protocol.messages import WorkerResponse, error_of
from silvaengine.protocol.proxy_responses import (
    is_base64_text,
    is_proxy_response,
    malformed,
    read_proxy_response,
)
from silvaengine_http.function_headers import read_function_headers
from silvaengine_http.headers import CONTENT_TYPE
from silvaengine_http.response import Response, check_size

type Members = dict[str, Any]

_BYTES = "application/octet-stream"
_SHOWN = ("image", "audio")  # kinds of bytes with a content of their own


def tool_response(result: WorkerResponse, *, is_modern: bool) -> Response:
    """Return a tool's result as JSON text, with the status that the function gave it.

    Args:
        result: the worker's.
        is_modern: whether structured content may be anything, else it is an object.

    Raises:
        SilvaEngineError: the worker failed, or its result is malformed or too large.
    """
    members = _members(result, is_modern=is_modern)
    status = members.pop("status", 200)
    try:
        response = Response(status, encode_readable(members))
    except ValueError:
        raise malformed("it contains NaN or Infinity") from None
    check_size(response)
    return response


def refusal(error: SilvaEngineError) -> Members:
    """Return a tool's refusal in words that a model can act on, and what it is told beside them."""
    lines = [error.message]
    if isinstance(error.details, Mapping):
        lines += [encode_readable(error.details)] if error.details else []
    else:
        lines += [f"- {fault['in']} {fault['path']}: {fault['message']}" for fault in error.details]
    if error.code:
        lines.insert(1, f"code: {error.code}")
    return {"content": [_text("\n".join(lines))], "isError": True}


def _members(result: WorkerResponse, *, is_modern: bool) -> Members:
    match result.kind:
        case "error":
            error = error_of(result)
            if error.status >= 500 and result.error_type != FunctionError.__name__:
                raise error
            return {**refusal(error), "status": error.status}
        case "base64":
            return {"content": [_bytes(result.value, _BYTES)]}
    value = _parsed(result.value) if result.kind == "text" else result.value
    if is_proxy_response(value):
        return _proxy_members(value, is_modern=is_modern)
    if result.kind == "text":
        return _text_members(result.value, is_modern=is_modern)
    return {"content": [_text(encode_readable(value))], **_structured(value, is_modern=is_modern)}


def _text_members(text: str, *, is_modern: bool) -> Members:
    """Return a text as it is; what is JSON is structured, too, but for a scalar, which says no more."""
    value = _parsed(text)
    structured = _structured(value, is_modern=is_modern) if isinstance(value, dict | list) else {}
    return {"content": [_text(text)], **structured}


def _parsed(text: str) -> object:
    """Return the value of JSON text; None for any other, and for numbers that JSON doesn't have."""
    try:
        value: object = json.loads(text)
        encode_readable(value).encode()
    except (ValueError, RecursionError):
        return None
    return value


def _proxy_members(value: Mapping[str, Any], *, is_modern: bool) -> Members:
    status, body, is_base64 = read_proxy_response(value)
    types = {name.lower(): values for name, values in read_function_headers(value).items()}
    media_type = types.get(CONTENT_TYPE.lower(), ("",))[0]
    if is_base64:
        members: Members = {"content": [_bytes(body, media_type or _BYTES)]}
    else:
        members = _text_members(body, is_modern=is_modern)
    if status >= 400:
        members.pop("structuredContent", None)
        members["isError"] = True
    return {**members, "status": status}


def _structured(value: object, *, is_modern: bool) -> Members:
    return {"structuredContent": value} if is_modern or isinstance(value, dict) else {}


def _text(text: str) -> Members:
    return {"type": "text", "text": text}


def _bytes(value: object, media_type: str) -> Members:
    if not is_base64_text(value):
        raise malformed("the bytes are not valid base64")
    media_type = media_type.partition(";")[0].strip().lower()
    kind = media_type.partition("/")[0]
    if kind in _SHOWN:
        return {"type": kind, "data": value, "mimeType": media_type}
    resource = {"uri": "urn:silvaengine:result", "mimeType": media_type, "blob": value}
    return {"type": "resource", "resource": resource}
