"""A request's body as the JSON text that a worker takes.

JSON goes on as it was sent, character for character: it is parsed once, to refuse early what no function
could read. The worker leaves out members that are not the client's to set.
"""

import json
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any, NoReturn

from silvaengine.errors import RequestError
from silvaengine.messages import SYNC_LIMIT

MAX_DEPTH = 64

_FORM = "application/x-www-form-urlencoded"  # also what `curl -d` says of JSON
_JSON = frozenset({"", "application/json", "text/plain", _FORM})
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_TOKENS = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]|NaN|-?Infinity', re.DOTALL)


def read_body(body: str, headers: Mapping[str, str], *, is_base64: bool) -> str | None:
    """Give a body's JSON text; None when there is no content.

    Args:
        body: as it stands in the event.
        headers: by lower-case name.
        is_base64: whether the event carries the body as base64.

    Raises:
        RequestError: 413 over 6 MB, 415 for a content type or encoding that isn't read, 400 for a body that
            isn't what it claims to be, with the reason and the position.

    """
    if len(body) > SYNC_LIMIT:
        raise RequestError(f"The body is larger than {SYNC_LIMIT} bytes", status=413)
    if not body:
        return None
    media_type = _media_type(headers)
    text = _utf8(body, is_base64=is_base64)
    start = text.lstrip()[:1]
    if not start:
        return None
    if media_type == _FORM and start not in {"{", "["}:
        return _form_as_json(text)
    return _checked_json(text)


def _media_type(headers: Mapping[str, str]) -> str:
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"", "identity"}:
        raise RequestError(f"Content-Encoding {encoding!r} is not supported", status=415)
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _JSON and not media_type.endswith("+json"):
        message = f"Content-Type {media_type!r} is not supported; send application/json or {_FORM}"
        raise RequestError(message, status=415)
    return media_type


def _utf8(body: str, *, is_base64: bool) -> str:
    try:
        if is_base64:
            return b64decode(body, validate=True).decode()
        body.encode()
    except UnicodeError as error:
        message = f"The body is not valid UTF-8 at position {getattr(error, 'start', 0)}"
        raise RequestError(message) from None
    except ValueError:
        raise RequestError("The body is marked as base64 and is not") from None
    return body


def _form_as_json(text: str) -> str:
    from urllib.parse import parse_qsl  # noqa: PLC0415 - most bodies are JSON

    try:
        pairs = parse_qsl(text.strip(), keep_blank_values=True, errors="strict")
    except ValueError:
        raise RequestError("The form is not valid UTF-8") from None
    return json.dumps(dict(pairs))


def _checked_json(text: str) -> str:
    try:
        value = json.loads(text, parse_constant=lambda name: _refuse_constant(text, name))
    except json.JSONDecodeError as error:
        message = f"The body is not valid JSON: {error.msg} at {_position(text, error.pos)}"
        raise RequestError(message) from None
    except RecursionError:
        raise _too_deep(text) from None
    except ValueError:
        raise RequestError("The body is not valid JSON: a number has too many digits") from None
    if text.count("{") + text.count("[") > MAX_DEPTH and _is_too_deep(value):
        raise _too_deep(text)
    if _SURROGATE.search(text):
        _refuse_half_pairs(value)
    return text


def _refuse_half_pairs(value: object) -> None:
    """Refuse an escaped surrogate without its other half: no function could store it or send it back."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise RequestError("The body holds half of a surrogate pair") from None


def _is_too_deep(value: object) -> bool:
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [node for node in level if isinstance(node, dict | list)]
        if not level:
            return False
        level = [child for node in level for child in (node.values() if isinstance(node, dict) else node)]
    return True


def _too_deep(text: str) -> RequestError:
    steps = {"{": 1, "[": 1, "}": -1, "]": -1}
    depths = accumulate(steps.get(token, 0) for token, _ in _tokens(text))
    at = next(at for (_, at), depth in zip(_tokens(text), depths, strict=True) if depth > MAX_DEPTH)
    return RequestError(f"The body is nested deeper than {MAX_DEPTH} levels at {_position(text, at)}")


def _refuse_constant(text: str, name: str) -> NoReturn:
    at = next(at for token, at in _tokens(text) if token == name)
    raise RequestError(f"The body is not valid JSON: {name} at {_position(text, at)}")


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    """Find brackets and constants outside of strings; linear, whatever the text."""
    return ((found[0], found.start()) for found in _TOKENS.finditer(text))


def _position(text: str, at: int) -> str:
    return f"line {text.count('\n', 0, at) + 1} column {at - text.rfind('\n', 0, at)}"
