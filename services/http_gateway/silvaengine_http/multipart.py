"""Forms with files as JSON text: multipart/form-data, RFC 7578, in the delimiters of RFC 2046, section 5.1.

In time that is linear in the body; the standard library's parser takes seconds for hostile headers.
"""

import json
import re
from base64 import b64encode
from collections.abc import Iterator

from silvaengine.errors import RequestError
from silvaengine.named_tuple import NamedTuple
from silvaengine.protocol.json_codec import Json
from silvaengine.protocol.strict_json import parse_strict_json

MAX_PARTS = 100
HEADERS_LIMIT = 8192  # bytes of a part's headers

_PARAMETER = re.compile(r';[ \t]*([A-Za-z*]+)=(?:"((?:\\"|[^"])*+)"|([^\s;"]*))')


class _Part(NamedTuple):
    """A part of a form; ``filename`` is None for a field."""

    name: str
    filename: str | None
    media_type: str
    content: bytes


def form_as_json(data: bytes, content_type: str) -> str:
    """Return a form's members as a JSON object.

    A field is text, or the value of its JSON; a file an object of ``filename``, ``content_type`` and
    ``content``, its bytes as base64. Several of one name are an array. A file input that was left empty is
    left out.

    Raises:
        RequestError: 400, it isn't such a form, or a part has no name; 413, it has more than 100 parts.
    """
    members: dict[str, list[Json]] = {}
    for part in map(_read, _split(data, content_type)):
        if part.filename is None:
            members.setdefault(part.name, []).append(_field(part))
        elif part.filename or part.content:
            members.setdefault(part.name, []).append(_file(part))
    return json.dumps({name: values[0] if len(values) == 1 else values for name, values in members.items()})


def _split(data: bytes, content_type: str) -> Iterator[bytes]:
    """Yield the parts, each with its headers."""
    boundary = _parameters(content_type).get("boundary", "")
    if not 0 < len(boundary) <= 70:
        raise RequestError("The form's Content-Type needs a boundary of 1 to 70 characters")
    parts = (b"\r\n" + data).split(b"\r\n--" + boundary.encode(), MAX_PARTS + 2)[1:]
    for number, part in enumerate(parts):
        if part.startswith(b"--"):
            return
        if number == MAX_PARTS:
            raise RequestError(f"The form has more than {MAX_PARTS} parts", status=413)
        yield part
    raise RequestError("The form ends before its last boundary")


def _read(part: bytes) -> _Part:
    headers, separator, content = part.partition(b"\r\n\r\n")
    if not separator or len(headers) > HEADERS_LIMIT:
        raise RequestError(f"A part of the form has no headers, or more than {HEADERS_LIMIT} bytes of them")
    try:
        rest_of_boundary, *lines = headers.decode().split("\r\n")
    except UnicodeError:
        raise RequestError("A part of the form has headers that aren't valid UTF-8") from None
    if rest_of_boundary.strip():
        raise RequestError("A boundary of the form isn't the whole of its line")
    pairs = (line.partition(":") for line in lines)
    by_name = {name.strip().lower(): value.strip() for name, _, value in pairs}
    parameters = _parameters(by_name.get("content-disposition", ""))
    if not parameters.get("name"):
        raise RequestError("A part of the form has no name")
    filename = parameters.get("filename")
    default = "text/plain" if filename is None else "application/octet-stream"
    media_type = by_name.get("content-type", default).partition(";")[0].strip().lower()
    return _Part(parameters["name"], filename, media_type, content)


def _parameters(header: str) -> dict[str, str]:
    """Return the parameters of a header's value by lower-case name."""
    found = _PARAMETER.findall(header)
    return {name.lower(): quoted.replace('\\"', '"') or bare for name, quoted, bare in found}


def _field(part: _Part) -> Json:
    what = f"The form's field {part.name!r}"
    try:
        text = part.content.decode()
    except UnicodeError:
        raise RequestError(f"{what} is not valid UTF-8") from None
    is_json = part.media_type == "application/json" or part.media_type.endswith("+json")
    return parse_strict_json(text, what) if is_json else text


def _file(part: _Part) -> Json:
    filename = (part.filename or "").replace("\\", "/").rpartition("/")[2]  # of what may be a path
    content = b64encode(part.content).decode()
    return {"filename": filename, "content_type": part.media_type, "content": content}
