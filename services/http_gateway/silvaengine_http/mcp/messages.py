"""JSON-RPC 2.0 as MCP restricts it: one request or notification a body, no batches, no null ids.

modelcontextprotocol.io/specification/2026-07-28/basic, "Messages" and "Error Codes".
"""

from collections.abc import Mapping
from typing import Any

from silvaengine.named_tuple import NamedTuple
from silvaengine.protocol.json_codec import decode, encode
from silvaengine_http.headers import JSON
from silvaengine_http.response import Response

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
HEADER_MISMATCH = -32020
MISSING_CAPABILITY = -32021
UNSUPPORTED_VERSION = -32022

type Members = Mapping[str, Any]
type MessageId = str | int | None

_REPLY = frozenset({"result", "error"})


class RpcError(Exception):
    """A request that gets an error; ``status`` is that of HTTP."""

    def __init__(self, code: int, message: str, data: object = None, *, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data
        self.status = status


class Message(NamedTuple):
    """A request, or a notification, which has no id and gets no response; so has a client's own response.

    ``meta`` is what is said of a request beside its parameters.
    """

    method: str
    params: Members
    id: MessageId = None

    @property
    def meta(self) -> Members:
        """The parameters' ``_meta``, empty without one."""
        meta = self.params.get("_meta")
        return meta if isinstance(meta, dict) else {}

    def text(self, name: str) -> str:
        """Return a parameter that must be text; raises RpcError."""
        value = self.params.get(name)
        if not isinstance(value, str):
            raise RpcError(INVALID_PARAMS, f"params.{name} must be a string")
        return value


def read_envelope(body: str | None) -> Members:
    """Return the object of a body of JSON text; raises RpcError for anything else, such as a batch."""
    try:
        value = decode(body or "")
    except ValueError:
        raise RpcError(PARSE_ERROR, "The body is not JSON") from None
    if not isinstance(value, dict):
        raise RpcError(INVALID_REQUEST, "The body must be one JSON-RPC 2.0 message")
    return value


def read_id(envelope: Members) -> MessageId:
    """Return a message's id, of a malformed one too; None where it is none that a request may have."""
    message_id = envelope.get("id")
    return message_id if type(message_id) in (str, int) else None


def read_message(envelope: Members) -> Message:
    """Read a message; raises RpcError where it is none."""
    if envelope.get("jsonrpc") != "2.0":
        raise RpcError(INVALID_REQUEST, "The body must be one JSON-RPC 2.0 message")
    if "method" not in envelope and "id" in envelope and envelope.keys() & _REPLY:
        return Message("", {})
    method, params, message_id = envelope.get("method"), envelope.get("params", {}), read_id(envelope)
    if not isinstance(method, str) or not isinstance(params, dict):
        raise RpcError(INVALID_REQUEST, "method must be a string, and params an object")
    if "id" in envelope and message_id is None:
        raise RpcError(INVALID_REQUEST, "id must be a string or an integer")
    return Message(method, params, message_id)


def result_response(message_id: MessageId, result: str) -> Response:
    """Return the response to a request, whose result is JSON text."""
    return Response(200, f'{{"jsonrpc":"2.0","id":{encode(message_id)},"result":{result}}}', JSON)


def failure_response(message_id: MessageId, error: RpcError) -> Response:
    """Return the response to a request that gets an error.

    One whose id couldn't be read has none, where plain JSON-RPC has null: MCP's schema takes no null.
    """
    members: dict[str, object] = {"code": error.code, "message": error.message}
    if error.data is not None:
        members["data"] = error.data
    about = {} if message_id is None else {"id": message_id}
    return Response(error.status, encode({"jsonrpc": "2.0", **about, "error": members}), JSON)
