"""Which function a URL path means, whichever API cut it up.

What an event's path holds differs, so that "decode exactly once" means something else for each:

- REST API (no ``version``): ``path`` and ``pathParameters`` are as the client sent them, still encoded.
- HTTP API, payload 2.0: ``pathParameters`` are decoded, only ``%25`` is not; payload 1.0, decoded.
- Function URL (2.0 without ``pathParameters``): ``rawPath`` is still encoded.

docs.aws.amazon.com doesn't say so. It was read from recorded events of real APIs: the snapshots of
localstack/localstack (tests/aws/services/apigateway) and aws/aws-lambda-dotnet (LambdaTestTool-v2).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from silvaengine.errors import NotFoundError, RequestError

FORM = "/{area}/{endpoint_id}/{function}"
NAME_LIMIT = 512  # bytes; a settings id joins stage, area and endpoint and is a key of at most 2048 bytes

_BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_REFUSALS = (
    (re.compile(r"\A\Z"), "is empty"),
    (re.compile(r"\A\.\.?\Z"), "is a dot segment"),
    (re.compile("/"), "holds an encoded slash"),
    (re.compile(r"\\"), "holds a backslash"),
    (re.compile(r"[\x00-\x1f\x7f-\x9f]"), "holds a control character"),
    (re.compile(r"[\ud800-\udfff\ufffd]"), "is not valid UTF-8"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a path names. ``path`` is what follows the function, without slashes around it, often empty."""

    area: str
    endpoint_id: str
    function: str
    path: str


def read_path(event: Mapping[str, Any]) -> Target:
    """Read an HTTP event's path; one slash at its end is ignored, as REST APIs do.

    Raises:
        NotFoundError: the path has fewer than three segments.
        RequestError: a segment could mean another path to somebody else; the message says which and why.

    """
    segments, decode = _raw_segments(event)
    if not segments[-1]:
        segments.pop()
    if len(segments) < 3:
        raise NotFoundError(f"The path must be {FORM}")
    area, endpoint_id, function, *rest = (
        _checked(f"Path segment {number}", decode(segment, number))
        for number, segment in enumerate(segments, 1)
    )
    for number, name in enumerate((area, endpoint_id, function), 1):
        _check_length(f"Path segment {number}", name)
    return Target(area=area, endpoint_id=endpoint_id, function=function, path="/".join(rest))


def checked_name(what: str, name: str) -> str:
    """Give a function's name that came by another way than the path, under the same rules."""
    _check_length(what, name)
    return _checked(what, name)


def _raw_segments(event: Mapping[str, Any]) -> tuple[list[str], Callable[[str, int], str]]:
    """Cut the path at its slashes before anything is decoded, and say how to decode a segment."""
    whole = event.get("rawPath") or event.get("path") or "/"
    parameters = event.get("pathParameters") or {}
    if not isinstance(whole, str) or not isinstance(parameters, Mapping):
        raise RequestError("The event's path is not text")
    if "//" in whole:
        raise RequestError("The path holds an empty segment: //")
    match parameters:
        case {"area": str() as area, "endpoint_id": str() as endpoint_id, "proxy": str() as proxy}:
            return [area, endpoint_id, *proxy.split("/")], _DECODERS.get(str(event.get("version")), _decoded)
        case _:
            return whole.removeprefix("/").split("/"), _decoded


def _decoded(segment: str, number: int) -> str:
    if _BAD_ESCAPE.search(segment):
        raise RequestError(f"Path segment {number} holds a % that starts no escape")
    try:
        return unquote(segment, errors="strict")
    except UnicodeDecodeError:
        raise RequestError(f"Path segment {number} is not valid UTF-8") from None


_DECODERS: Mapping[str, Callable[[str, int], str]] = {
    "1.0": lambda segment, _: segment,
    "2.0": lambda segment, _: segment.replace("%25", "%"),
}


def _checked(what: str, segment: str) -> str:
    for pattern, reason in _REFUSALS:
        if pattern.search(segment):
            raise RequestError(f"{what} {reason}")
    return segment


def _check_length(what: str, name: str) -> None:
    if len(name.encode(errors="replace")) > NAME_LIMIT:
        raise RequestError(f"{what} is longer than {NAME_LIMIT} bytes")
