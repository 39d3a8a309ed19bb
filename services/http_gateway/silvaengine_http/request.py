"""One request, whichever of AWS's HTTP events brought it.

REST APIs send payload 1.0, HTTP APIs and Function URLs payload 2.0:
docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html. Nothing else
of the gateway reads an event, but for areas that are given whole events.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from silvaengine.errors import RequestError
from silvaengine.protocol.messages import RESERVED_PARAMETERS
from silvaengine.tables import DEFAULT_API_KEY
from silvaengine_http.body import read_body
from silvaengine_http.path import Route, read_path

API_KEY = "x-api-key"
KEY_LIMIT = 1024  # bytes; DynamoDB's limit of a sort key

_TEXT = {str}
_OBJECT = (dict, Mapping)  # in this order: asking the abstract class takes three times as long

type Members = Mapping[str, Any]
type Query = Mapping[str, list[str]]


class ResponseFormat(NamedTuple):
    """What the answer has to look like: payload 2.0 or 1.0, and without a body for HEAD."""

    is_v2: bool
    is_head: bool


_V1 = ResponseFormat(is_v2=False, is_head=False)


class Request(NamedTuple):
    """A request that is well-formed; nothing is known yet of whether it may be served.

    ``headers`` are by lower-case name. ``query`` has every value of each name that a client may set.
    ``stage`` is None where the API has no stage of its own. ``body`` is JSON text or None. ``context`` is the
    event's requestContext with what functions are promised beside it.
    """

    method: str
    target: Route
    headers: Mapping[str, str]
    query: Query
    api_key: str
    stage: str | None
    body: str | None
    context: Members

    @property
    def params(self) -> dict[str, str]:
        """The parameters of a call: the last value of each query name, then what only the gateway sets."""
        area, endpoint_id, _, path = self.target
        params = {name: values[-1] for name, values in self.query.items() if values}
        if path:
            params["path"] = path
        params["endpoint_id"] = endpoint_id
        params["area"] = area
        return params


def read_response_format(event: object) -> ResponseFormat:
    """Return the form of the answer; any object will do, so that errors have one too."""
    if not isinstance(event, _OBJECT):
        return _V1
    is_v2, is_head = event.get("version") == "2.0", read_method(event) == "HEAD"
    return ResponseFormat(is_v2, is_head) if is_v2 or is_head else _V1


def read_method(event: object) -> str:
    """Return the HTTP method in capitals, empty for anything that isn't an HTTP event."""
    if isinstance(event, _OBJECT) and isinstance(method := event.get("httpMethod"), str):
        return method.upper()
    match event:
        case {"requestContext": {"http": {"method": str() as method}}}:
            return method.upper()
        case _:
            return ""


def read_header(event: object, name: str) -> str | None:
    """Return a header of any event by its lower-case name, None where there is none."""
    try:
        headers = _headers(event) if isinstance(event, _OBJECT) else {}
    except RequestError:
        return None
    return next((value for sent, value in headers.items() if sent.lower() == name), None)


def read_stage(event: Members) -> str | None:
    """Return the API's stage, None where it has none of its own."""
    return _stage(_members(event, "requestContext"))


def read_request(event: object, full_event_areas: frozenset[str], *, takes_gzip: bool = False) -> Request:
    """Read an HTTP event.

    Args:
        event: what Lambda hands over.
        full_event_areas: areas whose functions read the body themselves, whatever it is.
        takes_gzip: whether a packed body is unpacked.

    Raises:
        RequestError: the request is malformed, too large or of a content type that isn't read; the message
            names what is wrong.

    """
    method = read_method(event)
    if not method or not isinstance(event, _OBJECT):
        raise RequestError("Not an HTTP request")
    target = read_path(event)
    sent = _headers(event)
    headers = {name.lower(): value for name, value in sent.items()}
    everything = _query(event)
    query = {name: values for name, values in everything.items() if _is_free(name, values)}
    given = _members(event, "requestContext")
    api_key, stage = _api_key(given, headers, everything), _stage(given)
    body = None if target.area in full_event_areas else event_body(event, headers, takes_gzip=takes_gzip)
    context = {
        **given,
        "channel": target.endpoint_id,
        "area": target.area,
        "headers": sent,
        "query": query,
    }
    return Request(method, target, headers, query, api_key, stage, body, context)


def _members(event: Members, name: str) -> Members:
    value = event.get(name)
    if value is None:
        return {}
    if not isinstance(value, _OBJECT):
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
        return _parsed_query(raw)
    found = {
        name: _texts(values) for name, values in _members(event, "multiValueQueryStringParameters").items()
    }
    for name, value in _members(event, "queryStringParameters").items():
        if name not in found and isinstance(value, str):
            found[name] = [value]
    return found


def _is_free(name: str, values: list[str]) -> bool:
    """Return whether a client may set a parameter.

    Half of a surrogate pair is refused as in a body: no function could store it or send it back.
    """
    text = name + "".join(values)
    if not text.isascii() and text.encode(errors="replace").decode() != text:
        raise RequestError("The query string is not valid UTF-8")
    return name not in RESERVED_PARAMETERS and name.lower() != API_KEY


def _parsed_query(raw: str) -> dict[str, list[str]]:
    from urllib.parse import parse_qsl  # REST APIs send their queries parsed

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
    authenticated = identity.get("apiKey") if isinstance(identity, _OBJECT) else None
    key = authenticated or headers.get(API_KEY) or (query.get(API_KEY) or [""])[-1] or DEFAULT_API_KEY
    if not isinstance(key, str) or len(key.encode("utf-8", "replace")) > KEY_LIMIT:
        raise RequestError("The API key is not valid", status=403)
    return key


def _stage(context: Members) -> str | None:
    stage = context.get("stage")
    return stage if isinstance(stage, str) and stage not in {"", "$default"} else None


def event_body(event: Members, headers: Mapping[str, str], *, takes_gzip: bool = False) -> str | None:
    """Return the body's JSON text, None without one; raises what ``read_body`` raises."""
    body = event.get("body") or ""
    if not isinstance(body, str):
        raise RequestError("Event member 'body' is not text")
    is_base64 = event.get("isBase64Encoded") is True
    return read_body(body, headers, is_base64=is_base64, takes_gzip=takes_gzip)
