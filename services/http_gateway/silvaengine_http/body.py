"""A request's body as the JSON text that a worker takes.

JSON is forwarded character for character. The worker leaves out members that clients may not set.
"""

import json
from base64 import b64decode
from collections.abc import Mapping

from silvaengine.errors import RequestError
from silvaengine.protocol.messages import SYNC_LIMIT
from silvaengine.protocol.strict_json import MAX_VALUES, parse_strict_json, too_many_values

BASE64_LIMIT = SYNC_LIMIT * 3 // 4  # bytes, 4.5 MB: of a body that comes as base64, as API Gateway's do

_SPACE = " \t\n\r"  # JSON's: RFC 8259, section 2; Python knows more
_WHAT = "The body"
_NOT_BASE64 = "The body is not valid base64"
_FORM_TYPE = "application/x-www-form-urlencoded"  # also what `curl -d` says of JSON
_JSON_TYPES = frozenset({"", "application/json", "text/plain", _FORM_TYPE})


def read_body(
    body: object, headers: Mapping[str, str], *, is_base64: bool, takes_gzip: bool = False
) -> str | None:
    """Return a body's JSON text; None when there is no content.

    Args:
        body: the event's.
        headers: by lower-case name.
        is_base64: whether the event has the body as base64.
        takes_gzip: whether a body with ``Content-Encoding: gzip`` is decompressed, to 6 MB at the most.

    Raises:
        RequestError: 413 over 6 MB, in the event or decompressed; 415 for a content type or encoding that
            isn't read; 400 for a body that isn't what it claims to be, with the reason and the position.

    """
    if not body:
        return None
    if not isinstance(body, str):
        raise RequestError("Event member 'body' is not a string")
    if len(body) > SYNC_LIMIT:
        raise _too_large(BASE64_LIMIT if is_base64 else SYNC_LIMIT)
    media_type, is_gzip = _format(headers, takes_gzip=takes_gzip)
    text = _gunzip(body, is_base64=is_base64) if is_gzip else _utf8(body, is_base64=is_base64)
    start = text.lstrip(_SPACE)[:1]
    if not start:
        return None
    if media_type == _FORM_TYPE and start not in {"{", "["}:
        return _form_as_json(text)
    parse_strict_json(text, _WHAT)
    return text


def _too_large(limit: int) -> RequestError:
    return RequestError(f"The body is larger than {limit} bytes", status=413)


def _format(headers: Mapping[str, str], *, takes_gzip: bool) -> tuple[str, bool]:
    """Return a body's media type, and whether it is compressed; raises RequestError 415."""
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"", "identity"} and not (takes_gzip and encoding == "gzip"):
        raise RequestError(f"Content-Encoding {encoding!r} is not supported", status=415)
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _JSON_TYPES and not media_type.endswith("+json"):
        message = f"Content-Type {media_type!r} is not supported; send application/json or {_FORM_TYPE}"
        raise RequestError(message, status=415)
    return media_type, encoding == "gzip"


def _utf8(body: str, *, is_base64: bool) -> str:
    try:
        if is_base64:
            return b64decode(body, validate=True).decode()
        body.encode()
    except UnicodeError as error:
        message = f"The body is not valid UTF-8 at position {getattr(error, 'start', 0)}"
        raise RequestError(message) from None
    except ValueError:
        raise RequestError(_NOT_BASE64) from None
    return body


def _gunzip(body: str, *, is_base64: bool) -> str:
    if not is_base64:
        raise RequestError("A gzip body must be sent as binary data")
    try:
        return _decompress(b64decode(body, validate=True)).decode()
    except UnicodeError:
        raise RequestError("The decompressed body is not valid UTF-8") from None
    except ValueError:
        raise RequestError(_NOT_BASE64) from None


def _decompress(data: bytes) -> bytes:
    """Return the content of one gzip member (RFC 1952), read no further than a body may be large.

    Zeros are compressed to a thousandth, so that the size that arrives says nothing.
    """
    import zlib  # lazy: only a gzip body needs it

    # 16 means gzip: docs.python.org/3/library/zlib.html#zlib.decompress
    stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        content = stream.decompress(data, SYNC_LIMIT + 1)
    except zlib.error:
        raise RequestError("The body is not valid gzip data") from None
    if len(content) > SYNC_LIMIT:
        raise _too_large(SYNC_LIMIT)
    if not stream.eof or stream.unused_data:
        raise RequestError("The gzip body is incomplete or followed by other data")
    return content


def _form_as_json(text: str) -> str:
    from urllib.parse import parse_qsl  # lazy: only a form needs it

    if text.count("&") >= MAX_VALUES:
        raise too_many_values(_WHAT)
    try:
        pairs = parse_qsl(text.strip(), keep_blank_values=True, errors="strict")
    except ValueError:
        raise RequestError("The form is not valid UTF-8") from None
    return json.dumps(dict(pairs))
