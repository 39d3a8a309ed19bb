"""A request's body as the JSON text that a worker takes.

JSON is forwarded character for character. The worker leaves out members that clients may not set.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping

from silvaengine.errors import RequestError
from silvaengine.protocol.messages import SYNC_LIMIT
from silvaengine.protocol.strict_json import MAX_VALUES, parse_strict_json, too_many_values

FILES_LIMIT = 4_194_304  # bytes, 4 MB: of files, which go to the worker as base64 beside all else
BASE64_LIMIT = SYNC_LIMIT * 3 // 4  # bytes, 4.5 MB: of a body that comes as base64, as API Gateway's do

_SPACE = " \t\n\r"  # JSON's: RFC 8259, section 2; Python knows more
_WHAT = "The body"
_NOT_BASE64 = "The body is not valid base64"
_FORM_TYPE = "application/x-www-form-urlencoded"  # also what `curl -d` says of JSON
_JSON_TYPES = frozenset({"", "application/json", "text/plain", _FORM_TYPE})
_MULTIPART = "multipart/form-data"
_BYTES = frozenset({"application/gzip", "application/octet-stream", "application/pdf", "application/zip"})
_BYTES_KINDS = ("audio/", "font/", "image/", "video/")


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
        RequestError: 413 over 6 MB, in the event or decompressed, or over 4 MB with files; 415 for a content
            type or encoding that isn't read; 400 for a body that isn't what it claims to be, with the reason
            and the position.

    """
    if not body:
        return None
    if not isinstance(body, str):
        raise RequestError("Event member 'body' is not a string")
    if len(body) > SYNC_LIMIT:
        raise _too_large(BASE64_LIMIT if is_base64 else SYNC_LIMIT)
    media_type, is_gzip = _format(headers, takes_gzip=takes_gzip)
    if not _is_json(media_type):
        return _files_as_json(body, headers["content-type"], is_base64=is_base64, is_gzip=is_gzip)
    text = _gunzip(body, is_base64=is_base64) if is_gzip else _utf8(body, is_base64=is_base64)
    start = text.lstrip(_SPACE)[:1]
    if not start:
        return None
    if media_type == _FORM_TYPE and start not in {"{", "["}:
        return _form_as_json(text)
    parse_strict_json(text, _WHAT)
    return text


def base64_size(text: str) -> int:
    """Return how many bytes a base64 text stands for."""
    return len(text) * 3 // 4 - text.count("=", -2)


def _too_large(limit: int) -> RequestError:
    return RequestError(f"The body is larger than {limit} bytes", status=413)


def _format(headers: Mapping[str, str], *, takes_gzip: bool) -> tuple[str, bool]:
    """Return a body's media type, and whether it is compressed; raises RequestError 415."""
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"", "identity"} and not (takes_gzip and encoding == "gzip"):
        raise RequestError(f"Content-Encoding {encoding!r} is not supported", status=415)
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    is_bytes = media_type in _BYTES or media_type.startswith(_BYTES_KINDS)
    if not (_is_json(media_type) or is_bytes or media_type == _MULTIPART):
        message = (
            f"Content-Type {media_type!r} is not supported; send application/json, {_FORM_TYPE}, {_MULTIPART}"
            " or, for bytes, application/octet-stream"
        )
        raise RequestError(message, status=415)
    return media_type, encoding == "gzip"


def _is_json(media_type: str) -> bool:
    return media_type in _JSON_TYPES or media_type.endswith("+json")


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
    try:
        return _decompress(_bytes(body, "A gzip body", is_base64=is_base64)).decode()
    except UnicodeError:
        raise RequestError("The decompressed body is not valid UTF-8") from None


def _bytes(body: str, what: str, *, is_base64: bool) -> bytes:
    if not is_base64:  # whatever isn't UTF-8 was lost on the way
        raise RequestError(f"{what} must be sent as binary data")
    try:
        return b64decode(body, validate=True)
    except ValueError:
        raise RequestError(_NOT_BASE64) from None


def _files_as_json(body: str, content_type: str, *, is_base64: bool, is_gzip: bool) -> str:
    """Return the members of a form with files, or bytes as base64, as JSON text."""
    data = _bytes(body, "A body with files", is_base64=is_base64)
    data = _decompress(data) if is_gzip else data
    if len(data) > FILES_LIMIT:
        hint = "upload larger files to a bucket, by a presigned URL"
        raise RequestError(f"The body has more than {FILES_LIMIT} bytes: {hint}", status=413)
    if not content_type.strip().lower().startswith(_MULTIPART):
        return json.dumps(b64encode(data).decode())
    from silvaengine_http.multipart import form_as_json  # lazy: only a form with files needs it

    return form_as_json(data, content_type)


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
