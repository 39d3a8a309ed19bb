"""A client's message, checked against the grammar of docs/websocket.md."""

from collections.abc import Callable, Mapping
from typing import Any

from silvaengine.errors import RequestError
from silvaengine.named_tuple import NamedTuple
from silvaengine.protocol.json_codec import encode
from silvaengine.protocol.strict_json import parse_strict_json
from silvaengine.websocket.frames import ID_LIMIT, MESSAGE_LIMIT

NAME_LIMIT = 255  # bytes of a function's name


class Message(NamedTuple):
    """A call of a function.

    ``payload`` is as it was sent, ``body`` the same as JSON text, None without one. ``id`` is None where the
    client takes bare results. ``is_once``: a repetition must not run again.
    """

    funct: str
    payload: str | Mapping[str, Any] | None
    body: str | None
    id: str | None
    is_once: bool


class MessageRef(NamedTuple):
    """A message's id and function, as far as they are valid, before the message is."""

    id: str | None = None
    funct: str | None = None


def read_text(body: object, *, is_base64: bool) -> str:
    """Return a message's text.

    Raises:
        RequestError: it is binary, or larger than 128 KB (413).

    """
    if is_base64 or not isinstance(body, str):
        raise RequestError("A message must be a string")
    if len(body) > MESSAGE_LIMIT or len(body.encode(errors="replace")) > MESSAGE_LIMIT:
        raise RequestError(f"The message is larger than {MESSAGE_LIMIT} bytes", status=413)
    return body


def read_object(text: str) -> dict[str, Any]:
    """Return a message's members.

    Raises:
        RequestError: it isn't a JSON object; the message says why.

    """
    members = parse_strict_json(text, "The message")
    if not isinstance(members, dict):
        raise RequestError("The message is not a JSON object")
    return members


def read_ref(members: Mapping[str, Any]) -> MessageRef:
    """Return id and function as far as they are valid, so that a refusal can name them."""
    return MessageRef(_text(members.get("id"), ID_LIMIT, len), _text(members.get("funct"), NAME_LIMIT, _size))


def read_message(members: Mapping[str, Any], ref: MessageRef) -> Message:
    """Read a message's members; ``ref`` is ``read_ref``'s.

    Raises:
        RequestError: one is missing or not valid; the message names it.

    """
    if ref.funct is None:
        raise RequestError(f"'funct' must be a string of 1 to {NAME_LIMIT} bytes")
    if ref.id is None and members.get("id") is not None:
        raise RequestError(f"'id' must be a string of 1 to {ID_LIMIT} characters")
    once = members.get("once", False)
    if not isinstance(once, bool):
        raise RequestError("'once' must be true or false")
    if once and ref.id is None:
        raise RequestError("'once' needs an 'id'")
    payload = members.get("payload")
    return Message(ref.funct, payload, _body(payload), ref.id, once)


def _body(payload: object) -> str | None:
    match payload:
        case None | "":
            return None
        case str():
            parse_strict_json(payload, "'payload'")
            return payload
        case dict():
            return encode(payload)
        case _:
            raise RequestError("'payload' must be an object, or a JSON object as a string")


def _size(text: str) -> int:
    return len(text.encode(errors="replace"))


def _text(value: object, limit: int, size: Callable[[str], int]) -> str | None:
    return value if isinstance(value, str) and 0 < size(value) <= limit else None
