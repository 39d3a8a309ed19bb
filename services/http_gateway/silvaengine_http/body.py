"""A request's body as the JSON text that a worker takes.

JSON goes on as it was sent, character for character: it is parsed once, to refuse early what no function
could read, or what two programs could read differently (RFC 8259, sections 4 and 8.2). What parsing could
cost is bounded before it begins. The worker leaves out members that are not the client's to set.
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
MAX_VALUES = 100_000  # of a body, whatever its size; to count and to parse them takes 0.1 s at the most

_FORM = "application/x-www-form-urlencoded"  # also what `curl -d` says of JSON
_JSON = frozenset({"", "application/json", "text/plain", _FORM})
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_TOKENS = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]|NaN|-?Infinity', re.DOTALL)
_SEPARATORS = r'"(?:[^"\\]++|\\.)*+"?|[\[{,]'  # compiled for the few bodies that may have too many values
_TOKENS_OF_A_VALUE = 4  # its comma, its bracket, its name and itself, at the most


class _Refused(Exception):  # noqa: N818 - no error of the program
    """Python's JSON takes what JSON has not, or what means two things."""


def read_body(
    body: str, headers: Mapping[str, str], *, is_base64: bool, takes_gzip: bool = False
) -> str | None:
    """Give a body's JSON text; None when there is no content.

    Args:
        body: as it stands in the event.
        headers: by lower-case name.
        is_base64: whether the event carries the body as base64.
        takes_gzip: whether a body with ``Content-Encoding: gzip`` is unpacked, to 6 MB at the most.

    Raises:
        RequestError: 413 over 6 MB, 415 for a content type or encoding that isn't read, 400 for a body that
            isn't what it claims to be, with the reason and the position.

    """
    if len(body) > SYNC_LIMIT:
        raise _too_large()
    if not body:
        return None
    is_packed = _is_packed(headers, takes_gzip=takes_gzip)
    media_type = _media_type(headers)
    text = _unpacked(body, is_base64=is_base64) if is_packed else _utf8(body, is_base64=is_base64)
    start = text.lstrip()[:1]
    if not start:
        return None
    if media_type == _FORM and start not in {"{", "["}:
        return _form_as_json(text)
    return _checked_json(text)


def _too_large() -> RequestError:
    return RequestError(f"The body is larger than {SYNC_LIMIT} bytes", status=413)


def _is_packed(headers: Mapping[str, str], *, takes_gzip: bool) -> bool:
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"", "identity"} and not (takes_gzip and encoding == "gzip"):
        raise RequestError(f"Content-Encoding {encoding!r} is not supported", status=415)
    return encoding == "gzip"


def _media_type(headers: Mapping[str, str]) -> str:
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


def _unpacked(body: str, *, is_base64: bool) -> str:
    from silvaengine_http.gzip_body import unpacked  # noqa: PLC0415 - few deployments take packed bodies

    if not is_base64:
        raise RequestError("A body with Content-Encoding gzip must come as bytes")
    try:
        data = unpacked(b64decode(body, validate=True))
        if len(data) > SYNC_LIMIT:
            raise _too_large()
        return data.decode()
    except UnicodeError:
        raise RequestError("The unpacked body is not valid UTF-8") from None
    except ValueError:
        raise RequestError("The body is marked as base64 and is not") from None


def _form_as_json(text: str) -> str:
    from urllib.parse import parse_qsl  # noqa: PLC0415 - most bodies are JSON

    if text.count("&") >= MAX_VALUES:
        raise _too_many()
    try:
        pairs = parse_qsl(text.strip(), keep_blank_values=True, errors="strict")
    except ValueError:
        raise RequestError("The form is not valid UTF-8") from None
    return json.dumps(dict(pairs))


def _checked_json(text: str) -> str:
    openings = text.count("{") + text.count("[")
    if openings + text.count(",") >= MAX_VALUES and _has_too_many_values(text):
        raise _too_many()
    value = _parsed(text)
    if openings > MAX_DEPTH and _is_too_deep(value):
        raise _too_deep(text)
    if _SURROGATE.search(text):
        _refuse_half_pairs(value)
    return text


def _parsed(text: str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return _decode(text)
    except json.JSONDecodeError as error:
        reason = "Unexpected UTF-8 BOM" if text.startswith("\ufeff") else error.msg
        message = f"The body is not valid JSON: {reason} at {_position(text, error.pos)}"
        raise RequestError(message) from None
    except RecursionError:
        raise _too_deep(text) from None
    except ValueError:
        raise RequestError("The body is not valid JSON: a number has too many digits") from None
    except _Refused as refusal:
        raise _refusal(text, str(refusal)) from None


def _refuse(constant: str) -> NoReturn:
    raise _Refused(constant)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise _Refused("")
    return members


_decode = json.JSONDecoder(object_pairs_hook=_members, parse_constant=_refuse).decode


def _has_too_many_values(text: str) -> bool:
    """Count commas and brackets outside of strings, and stop where no body under the limit could be."""
    values = 0
    for tokens, found in enumerate(re.finditer(_SEPARATORS, text, re.DOTALL)):
        values += text[found.start()] != '"'
        if values >= MAX_VALUES or tokens > _TOKENS_OF_A_VALUE * MAX_VALUES:
            return True
    return False


def _too_many() -> RequestError:
    return RequestError(f"The body has more than {MAX_VALUES} values")


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


def _refusal(text: str, constant: str) -> RequestError:
    if not constant:
        return RequestError("The body has an object with two members of one name")
    at = next(at for token, at in _tokens(text) if token == constant)
    return RequestError(f"The body is not valid JSON: {constant} at {_position(text, at)}")


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    """Find brackets and constants outside of strings; linear, whatever the text."""
    return ((found[0], found.start()) for found in _TOKENS.finditer(text))


def _position(text: str, at: int) -> str:
    return f"line {text.count('\n', 0, at) + 1} column {at - text.rfind('\n', 0, at)}"
