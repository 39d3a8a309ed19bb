"""One request, whichever of AWS's HTTP events brought it.

REST APIs send payload 1.0, HTTP APIs and Function URLs payload 2.0:
docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html. Only this
module and ``path`` read a request from an event; authorizers and full-event functions are shown it whole.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from silvaengine.errors import RequestError
from silvaengine.protocol.messages import RESERVED_PARAMETERS
from silvaengine.tables import DEFAULT_API_KEY
from silvaengine_http.body import read_body
from silvaengine_http.path import Route, path_of, read_path

API_KEY = "x-api-key"
KEY_LIMIT = 1024  # bytes; DynamoDB's limit of a sort key

_TEXT = {str}

type Members = Mapping[str, Any]
type Query = Mapping[str, list[str]]


class ResponseFormat(NamedTuple):
    """How the response is written: as payload 2.0 or 1.0, and without a body for HEAD."""

    is_v2: bool
    is_head: bool


class CorsRequest(NamedTuple):
    """What decides who may read a response in a browser; ``route`` is None where the path names no tenant."""

    origin: str | None
    route: Route | None
    stage: str | None


class Request(NamedTuple):
    """A well-formed request, before it is known whether it may be served.

    ``headers`` are by lower-case name. ``query`` has every value of each name that a client may set.
    ``stage`` is None where the API has no stage of its own. ``body`` is JSON text, None without one and in
    full-event areas; ``raw_body`` and ``raw_path`` are as the event has them. ``context`` is the event's
    requestContext plus the members that the contract promises to functions.
    """

    method: str
    route: Route
    headers: Mapping[str, str]
    query: Query
    api_key: str
    stage: str | None
    body: str | None
    context: Members
    raw_path: str
    raw_body: object
    is_base64: bool

    @property
    def params(self) -> dict[str, str]:
        """The parameters of a call: the last value of each query name, then what only the gateway sets."""
        area, endpoint_id, _, path = self.route
        params = {name: values[-1] for name, values in self.query.items() if values}
        if path:
            params["path"] = path
        params["endpoint_id"] = endpoint_id
        params["area"] = area
        return params

    @property
    def depth(self) -> int:
        """How many steps up the URL lead from the request's path to beside the function's name."""
        path = self.route.path
        return (path.count("/") + 1 if path else 0) + self.raw_path.endswith("/")


def read_response_format(event: Members, method: str) -> ResponseFormat:
    """Return how the response to an event is written."""
    return ResponseFormat(event.get("version") == "2.0", method == "HEAD")


def read_method(event: Members) -> str:
    """Return the HTTP method in capitals, empty for anything that isn't an HTTP event."""
    method = event.get("httpMethod")
    if isinstance(method, str):
        return method.upper()
    match event:
        case {"requestContext": {"http": {"method": str() as method}}}:
            return method.upper()
        case _:
            return ""


def read_cors_request(event: Members) -> CorsRequest:
    """Return what decides who may read the response to any event, a refused one too."""
    try:
        headers = {name.lower(): value for name, value in _headers(event).items()}
    except RequestError:
        headers = {}
    origin = headers.get("origin")
    if origin is None:  # no browser will ask
        return CorsRequest(None, None, None)
    try:
        return CorsRequest(origin, read_path(event), _stage(_members(event, "requestContext")))
    except RequestError:
        return CorsRequest(origin, None, None)


def read_request(
    event: Members, method: str, full_event_areas: frozenset[str], *, takes_gzip: bool = False
) -> Request:
    """Read an HTTP event.

    Args:
        event: Lambda's.
        method: the HTTP method, empty for an event of another kind.
        full_event_areas: areas whose functions read the body themselves, whatever it is.
        takes_gzip: whether a gzip body is decompressed.

    Raises:
        RequestError: the request is malformed, too large or of a content type that isn't read; the message
            names what is wrong.

    """
    if not method:
        raise RequestError("Not an HTTP request")
    route = read_path(event)
    sent = _headers(event)
    headers = {name.lower(): value for name, value in sent.items()}
    _check_unicode("".join([*headers, *headers.values()]), "The headers are")
    everything = _query(event)
    query = {name: values for name, values in everything.items() if _is_free(name, values)}
    context = _members(event, "requestContext")
    api_key, stage = _api_key(context, headers, everything), _stage(context)
    raw_body, is_base64 = event.get("body"), event.get("isBase64Encoded") is True
    body = None
    if route.area not in full_event_areas:
        body = read_body(raw_body, headers, is_base64=is_base64, takes_gzip=takes_gzip)
    function_context = {
        **context,
        "channel": route.endpoint_id,
        "area": route.area,
        "headers": sent,
        "query": query,
    }
    return Request(
        method,
        route,
        headers,
        query,
        api_key,
        stage,
        body,
        function_context,
        path_of(event),
        raw_body,
        is_base64,
    )


def _members(event: Members, name: str) -> Members:
    value = event.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RequestError(f"Event member {name!r} is not an object")
    return value


def _headers(event: Members) -> Mapping[str, str]:
    """Return the headers as they were sent; payload 2.0 has cookies apart."""
    single = _members(event, "headers") or {
        name: ", ".join(_texts(values)) for name, values in _members(event, "multiValueHeaders").items()
    }
    if not _TEXT.issuperset(map(type, single.values())):
        single = {name: value for name, value in single.items() if isinstance(value, str)}
    cookies = _texts(event.get("cookies"))
    return {**single, "cookie": "; ".join(cookies)} if cookies else single


def _query(event: Members) -> dict[str, list[str]]:
    raw = event.get("rawQueryString")
    if isinstance(raw, str):
        return _parse_query(raw)
    query = {
        name: _texts(values) for name, values in _members(event, "multiValueQueryStringParameters").items()
    }
    for name, value in _members(event, "queryStringParameters").items():
        if name not in query and isinstance(value, str):
            query[name] = [value]
    return query


def _is_free(name: str, values: list[str]) -> bool:
    """Return whether a client may set a parameter."""
    _check_unicode(name + "".join(values), "The query string is")
    return name not in RESERVED_PARAMETERS and name.lower() != API_KEY


def _check_unicode(text: str, what: str) -> None:
    """Refuse half of a surrogate pair, as in a body: no function could store it or send it back."""
    if not text.isascii() and text.encode(errors="replace").decode() != text:
        raise RequestError(f"{what} not valid UTF-8")


def _parse_query(raw: str) -> dict[str, list[str]]:
    from urllib.parse import parse_qsl  # lazy: only an event of payload 2.0 needs it

    query: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(raw, keep_blank_values=True, errors="strict")
    except ValueError:
        raise RequestError("The query string is not valid UTF-8") from None
    for name, value in pairs:
        query.setdefault(name, []).append(value)
    return query


def _texts(values: object) -> list[str]:
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []


def _api_key(context: Members, headers: Mapping[str, str], query: Query) -> str:
    identity = context.get("identity")
    authenticated = identity.get("apiKey") if isinstance(identity, dict) else None
    key = authenticated or headers.get(API_KEY) or (query.get(API_KEY) or [""])[-1] or DEFAULT_API_KEY
    if not isinstance(key, str) or len(key.encode("utf-8", "replace")) > KEY_LIMIT:
        raise RequestError("The API key is not valid", status=403)
    return key


def _stage(context: Members) -> str | None:
    stage = context.get("stage")
    return stage if isinstance(stage, str) and stage not in {"", "$default"} else None
