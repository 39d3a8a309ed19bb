"""Which function a URL path names, whichever API split it.

APIs decode paths differently, so that "decode exactly once" means something else for each:

- REST API (no ``version``): ``path`` and ``pathParameters`` are as the client sent them, still encoded.
- HTTP API, payload 2.0: ``pathParameters`` are decoded, only ``%25`` is not; payload 1.0, decoded.
- Function URL (2.0 without ``pathParameters``): ``rawPath`` is still encoded.

docs.aws.amazon.com doesn't say so. It was read from recorded events of real APIs: the snapshots of
localstack/localstack (tests/aws/services/apigateway) and aws/aws-lambda-dotnet (LambdaTestTool-v2).
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from silvaengine.errors import NotFoundError, RequestError

PATH_TEMPLATE = "/{area}/{endpoint_id}/{function}"
CACHED_PATHS = 256
NAME_LIMIT = 512  # bytes; a setting id joins stage, area and endpoint, and a key has at most 2048 bytes

# Most segments: they mean the same in every API, and none of the rules below refuses them.
_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,64}")
_BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_REFUSALS = (
    (re.compile(r"\A\Z"), "is empty"),
    (re.compile(r"\A\.\.?\Z"), "is a dot segment"),
    (re.compile("/"), "contains an encoded slash"),
    (re.compile(r"\\"), "contains a backslash"),
    (re.compile(r"[\x00-\x1f\x7f-\x9f]"), "contains a control character"),
    (re.compile("\ufffd"), "is not valid UTF-8"),
)


class Route(NamedTuple):
    """What a path names.

    ``path`` is what follows the function, without slashes around it, often empty. ``depth`` is how many steps
    up the URL lead from it to beside the function's name.
    """

    area: str
    endpoint_id: str
    function: str
    path: str
    depth: int


def read_path(event: Mapping[str, Any]) -> Route:
    """Read an HTTP event's path; one slash at its end is ignored, as REST APIs do.

    Raises:
        NotFoundError: the path has fewer than three segments.
        RequestError: it isn't text, or a segment could mean another path elsewhere; the message says which
            and why.

    """
    whole = event.get("rawPath") or event.get("path") or "/"
    if not isinstance(whole, str):
        raise RequestError("The event's path is not a string")
    parameters = event.get("pathParameters") or {}
    if not isinstance(parameters, dict):
        raise RequestError("Event member 'pathParameters' is not an object")
    area, endpoint_id, proxy = parameters.get("area"), parameters.get("endpoint_id"), parameters.get("proxy")
    if isinstance(area, str) and isinstance(endpoint_id, str) and isinstance(proxy, str):
        return _route(whole, area, endpoint_id, proxy, str(event.get("version")))
    return _route(whole)


@lru_cache(CACHED_PATHS)
def _route(
    whole: str, area: str = "", endpoint_id: str = "", proxy: str | None = None, version: str = ""
) -> Route:
    """Split the path at its slashes before decoding; ``proxy`` is None where the API has split nothing."""
    if "//" in whole:
        raise RequestError("The path contains an empty segment (//)")
    segments, decode = whole.removeprefix("/").split("/"), _DECODERS.get(version, _unquote)
    if proxy is not None:
        segments = [area, endpoint_id, *proxy.split("/")]
    if not segments[-1]:
        segments.pop()
    if len(segments) < 3:
        raise NotFoundError(f"The path must be {PATH_TEMPLATE}")
    if not all(map(_PLAIN.fullmatch, segments)):
        segments = [_read_segment(segment, number, decode) for number, segment in enumerate(segments, 1)]
    area, endpoint_id, function, *rest = segments
    return Route(area, endpoint_id, function, "/".join(rest), len(rest) + whole.endswith("/"))


def _read_segment(segment: str, number: int, decode: Callable[[str, int], str]) -> str:
    what = f"Path segment {number}"
    name = decode(segment, number)
    _check_text(what, name)
    if number <= 3:
        _check_length(what, name)
    return name


def check_name(what: str, name: str) -> None:
    """Check a function's name from elsewhere by the rules of a path's; raises RequestError."""
    _check_length(what, name)
    _check_text(what, name)


def _unquote(segment: str, number: int) -> str:
    if _BAD_ESCAPE.search(segment):
        raise RequestError(f"Path segment {number} contains an invalid percent-encoding")
    if "%" not in segment:
        return segment
    from urllib.parse import unquote  # lazy: only a path with escapes needs it

    try:
        return unquote(segment, errors="strict")
    except UnicodeDecodeError:
        raise RequestError(f"Path segment {number} is not valid UTF-8") from None


_DECODERS: Mapping[str, Callable[[str, int], str]] = {
    "1.0": lambda segment, _: segment,
    "2.0": lambda segment, _: segment.replace("%25", "%"),
}


def _check_text(what: str, segment: str) -> None:
    replaced = segment.encode(errors="replace").decode()  # a lone surrogate is no UTF-8, either
    reason = next((reason for pattern, reason in _REFUSALS if pattern.search(segment)), "")
    if not reason and replaced != segment:
        reason = "is not valid UTF-8"
    if reason:
        raise RequestError(f"{what} {reason}")


def _check_length(what: str, name: str) -> None:
    if len(name.encode(errors="replace")) > NAME_LIMIT:
        raise RequestError(f"{what} is longer than {NAME_LIMIT} bytes")
