"""Which function a URL path names, whichever API split it.

APIs decode paths differently, so that "decode exactly once" means something else for each:

- REST API (no ``version``): ``path`` and ``pathParameters`` are as the client sent them, still encoded.
- HTTP API, payload 2.0: ``pathParameters`` and ``rawPath`` are decoded, only ``%25`` is not; payload 1.0:
  ``pathParameters`` are decoded.
- Function URL (2.0 without ``pathParameters``): ``rawPath`` is still encoded.

Nor is the whole path always the API's own:

- REST API: ``path`` begins with a custom domain's base path, or with the stage where the domain maps none.
- HTTP API, payload 1.0: ``path`` begins with the stage, or with a custom domain's mapping.
- HTTP API, payload 2.0: ``rawPath`` begins with the stage, and never with the mapping.

The route and its parameters are free of both, so that they are read first. docs.aws.amazon.com says only the
last (apigateway/latest/developerguide/http-api-develop-integrations-lambda.html). The rest was read from
recorded events of real APIs: localstack/localstack (tests/aws/services/apigateway, pull request 12296),
aws/aws-lambda-dotnet (LambdaTestTool-v2), aws-powertools/powertools-lambda-python (pull request 579),
CodeGenieApp/serverless-express (issue 465), honojs/hono (issue 2156).
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from silvaengine.authorization.events import read_stage
from silvaengine.errors import NotFoundError, RequestError
from silvaengine.named_tuple import NamedTuple

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
    """Read an HTTP event's path, without stage and mapping; one slash at its end is ignored, as REST APIs do.

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
    version = str(event.get("version"))
    area, endpoint_id, proxy = parameters.get("area"), parameters.get("endpoint_id"), parameters.get("proxy")
    if isinstance(area, str) and isinstance(endpoint_id, str) and isinstance(proxy, str):
        return _route(whole, version, area, endpoint_id, proxy)
    segments = _route_segments(event, parameters)
    if segments is None:
        path, version = _own_path(event, whole, version)
        segments = path.removeprefix("/").split("/")
    return _route(whole, version, *segments[:2], "/".join(segments[2:]))


def _route_segments(event: Mapping[str, Any], parameters: Mapping[str, Any]) -> list[str] | None:
    """Return the segments of the API's route, with its parameters' values; None where it has no path."""
    template = str(event.get("resource") or event.get("routeKey")).rpartition(" ")[2]  # "ANY /{proxy+}"
    if not template.startswith("/"):
        return None
    segments = []
    for part in template[1:].split("/"):
        name = part[1:-1] if part.startswith("{") else ""
        value = parameters.get(name.removesuffix("+")) if name else part
        if not isinstance(value, str):
            return None
        values = value.split("/")
        if len(values) > 1 and not name.endswith("+"):
            raise RequestError(f"Path parameter {name!r} contains an encoded slash")
        segments += values
    return segments


def _own_path(event: Mapping[str, Any], whole: str, version: str) -> tuple[str, str]:
    """Return the path without an HTTP API's stage, and the version by whose rule it is decoded."""
    context = event.get("requestContext")
    if version not in _DECODERS or not isinstance(context, dict):
        return whole, ""
    stage, domain = read_stage(context), context.get("domainName")
    is_decoded = version == "2.0" and isinstance(domain, str) and ".lambda-url." not in domain
    return whole.removeprefix(f"/{stage}/") if stage else whole, version if is_decoded else ""


@lru_cache(CACHED_PATHS)
def _route(whole: str, version: str, area: str, endpoint_id: str, proxy: str = "") -> Route:
    """Return what a path names; ``version`` says whether the parts that are the API's own are decoded."""
    if "//" in whole:
        raise RequestError("The path contains an empty segment (//)")
    segments, decode = [area, endpoint_id, *proxy.split("/")], _DECODERS.get(version, _unquote)
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
