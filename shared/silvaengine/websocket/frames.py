"""The frames that go to a client, as text; docs/websocket.md has their grammar.

A frame's value is passed in as JSON text, so that a function's response goes out as the function wrote it.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from silvaengine.errors import ErrorDetails, SilvaEngineError
from silvaengine.protocol.json_codec import encode
from silvaengine.protocol.messages import WorkerResponse
from silvaengine.protocol.proxy_responses import is_proxy_response, read_proxy_response

# AWS: API Gateway developer guide, apigateway-execution-service-websocket-limits-table.html
MESSAGE_LIMIT = 131_072  # bytes of a message, both ways
FRAGMENT_LIMIT = 32_768  # bytes of a fragment of a message
ITEM_LIMIT = FRAGMENT_LIMIT  # bytes of a stream's item
ID_LIMIT = 128  # characters of a call's id

PING = "ping"
PONG = "pong"


def result(message_id: str, function: str, data: str) -> str:
    """Return the frame of a call's response; ``data`` is JSON text."""
    return f'{{"id":{encode(message_id)},"funct":{encode(function)},"data":{data}}}'


def error(
    message_id: str | None,
    function: str | None,
    *,
    status: int,
    message: str,
    request_id: str,
    seq: int | None = None,
    details: ErrorDetails = (),
    code: str = "",
) -> str:
    """Return the frame of an error; ``seq`` is the number of a stream's items before it."""
    problem: dict[str, object] = {"status": status, "message": message, "request_id": request_id}
    if code:
        problem["code"] = code
    if details:
        problem["details"] = details
    frame = {"id": message_id, "seq": seq, "funct": function, "error": problem}
    return encode({name: value for name, value in frame.items() if value is not None})


def items(message_id: str, seq: int, texts: Sequence[str]) -> str:
    """Return the frame of a stream's items, numbered from ``seq``; each is JSON text."""
    head = f'{{"id":{encode(message_id)},"seq":{seq},'
    if len(texts) == 1:
        return f'{head}"data":{texts[0]}}}'
    return f'{head}"items":[{",".join(texts)}]}}'


def done(message_id: str, seq: int) -> str:
    """Return the frame that ends a stream of ``seq`` items."""
    return f'{{"id":{encode(message_id)},"seq":{seq},"done":true}}'


def unpack(response: WorkerResponse) -> WorkerResponse:
    """Return what a function's proxy response says, from status 400 on as an error; any other unchanged.

    A redirect stays as it is: a client follows none over a WebSocket.
    """
    value = response.value
    if response.kind == "text" and "statusCode" in value:
        value = _json_of(response)
    if response.kind == "error" or not is_proxy_response(value):
        return response
    try:
        status, body, is_base64 = read_proxy_response(value)
    except SilvaEngineError as error:
        return WorkerResponse("error", error.message, error.status)
    if 300 <= status <= 399:
        return response
    said = WorkerResponse("base64" if is_base64 else "text", body) if body else WorkerResponse("json", None)
    return said if status < 400 else _refusal(status, said)


def _refusal(status: int, said: WorkerResponse) -> WorkerResponse:
    """Return a body as an error: its ``error`` or ``message``, where it is an object, and all of it."""
    members = _json_of(said)
    if isinstance(members, dict):
        message, details = members.get("error") or members.get("message"), members
    else:
        message, details = (said.value if said.kind == "text" else None), {}
    if not isinstance(message, str):
        message = f"The function responded with status {status}"
    return WorkerResponse("error", message, status, details=details)


def _json_of(response: WorkerResponse) -> object:
    """Return the value of a text that is JSON, else None."""
    try:
        return json.loads(response.value, parse_constant=_refuse) if response.kind == "text" else None
    except (ValueError, RecursionError):
        return None


def data_text(response: WorkerResponse) -> str:
    """Return a response as JSON text: text that is JSON unchanged, other text as a JSON string."""
    if response.kind == "text":
        with suppress(ValueError, RecursionError):
            json.loads(response.value, parse_constant=_refuse)
            return str(response.value)
    return encode(response.value)


def bare_text(response: WorkerResponse) -> str | None:
    """Return a response as text for a client that sent no id; None for an empty response."""
    if response.value is None:
        return None
    return str(response.value) if response.kind in {"text", "base64"} else encode(response.value)


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)
