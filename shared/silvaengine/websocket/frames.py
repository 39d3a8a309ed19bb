"""The frames that go to a client; docs/websocket.md has their grammar.

Each function gives a frame's text. A value that stands in a frame is given as JSON text, so that what a
function answered goes out as it wrote it.
"""

import json
from collections.abc import Sequence
from typing import NoReturn

from silvaengine.protocol.json_codec import encode
from silvaengine.protocol.messages import WorkerAnswer

# AWS: API Gateway developer guide, apigateway-execution-service-websocket-limits-table.html
MESSAGE_LIMIT = 131_072  # bytes of a message, both ways
ITEM_LIMIT = 32_768  # bytes of a frame on the wire, and so of a stream's item
ID_LIMIT = 128  # characters of a call's id

PING = "ping"
PONG = "pong"


def result(message_id: str, function: str, data: str) -> str:
    """Return the answer to a call; ``data`` is JSON text."""
    return f'{{"id":{encode(message_id)},"funct":{encode(function)},"data":{data}}}'


def error(
    message_id: str | None,
    function: str | None,
    *,
    status: int,
    message: str,
    request_id: str,
    seq: int | None = None,
) -> str:
    """Return the frame that says why there is no answer; ``seq`` is how many items a stream had before."""
    problem = {"status": status, "message": message, "request_id": request_id}
    frame = {"id": message_id, "seq": seq, "funct": function, "error": problem}
    return encode({name: value for name, value in frame.items() if value is not None})


def items(message_id: str, seq: int, texts: Sequence[str]) -> str:
    """Return one or more items of a stream, the first of which is number ``seq``; each is JSON text."""
    head = f'{{"id":{encode(message_id)},"seq":{seq},'
    if len(texts) == 1:
        return f'{head}"data":{texts[0]}}}'
    return f'{head}"items":[{",".join(texts)}]}}'


def done(message_id: str, seq: int) -> str:
    """Return the end of a stream of ``seq`` items."""
    return f'{{"id":{encode(message_id)},"seq":{seq},"done":true}}'


def data_of(answer: WorkerAnswer) -> str:
    """Return an answer as JSON text: text that is JSON as it is, any other as a JSON string."""
    if answer.kind == "text" and _is_json(answer.value):
        return str(answer.value)
    return encode(answer.value)


def bare_of(answer: WorkerAnswer) -> str | None:
    """Return an answer for a client who sent no id; None where there is nothing to say."""
    if answer.value is None:
        return None
    return str(answer.value) if answer.kind in {"text", "base64"} else encode(answer.value)


def _is_json(text: str) -> bool:
    try:
        json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)
