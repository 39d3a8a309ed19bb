"""One request, whichever of AWS's HTTP events brought it.

REST APIs send payload 1.0, HTTP APIs and Function URLs payload 2.0:
docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html. Only this
module and ``path`` read a request from an event; authorizers and full-event functions are shown it whole.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from silvaengine.authorization.admission import NO_RATE_HEADERS
from silvaengine.authorization.events import (
    API_KEY,
    GatewayEvent,
    Headers,
    Members,
    check_unicode,
    read_api_key,
    read_headers,
    read_stage,
    read_texts,
)
from silvaengine.errors import RequestError
from silvaengine.named_tuple import NamedTuple
from silvaengine.protocol.json_codec import encode
from silvaengine.protocol.messages import RESERVED_PARAMETERS, make
from silvaengine.protocol.trace_context import read_traceparent
from silvaengine_http.body import read_body
from silvaengine_http.path import Route, read_path

if TYPE_CHECKING:
    from silvaengine.registry.model import KeyAccess

KEYED_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})  # that may have an Idempotency-Key

_OBJECTS = (
    "requestContext",
    "headers",
    "multiValueHeaders",
    "queryStringParameters",
    "multiValueQueryStringParameters",
)
_INSTEAD = " of API Gateway or a function URL: {} can't send requests to this gateway"

type Query = Mapping[str, list[str]]


class HttpCall(GatewayEvent):
    """One HTTP event, and what becomes known of it for response and alert.

    ``key_access`` is None until the registry has named it, ``principal`` is whom an authorizer has named.
    ``rate_headers`` are the headers about limits.
    """

    key_access: "KeyAccess | None" = None
    principal = ""
    rate_headers = NO_RATE_HEADERS


class Request(NamedTuple):
    """A well-formed request, before it is known whether it may be served.

    ``headers`` are by lower-case name. ``query`` has every value of each name that a client may set,
    ``params`` the last one, and what only the gateway sets. ``stage`` is None where the API has no stage of
    its own. ``body`` is JSON text, None without one and in full-event areas. ``context`` is the event's
    requestContext, to which ``function_context`` adds; ``path_parameters`` are a route's arguments.
    """

    method: str
    route: Route
    headers: Headers
    query: Query
    params: Mapping[str, str]
    api_key: str
    stage: str | None
    body: str | None
    context: Members
    path_parameters: Mapping[str, str] | None = None

    def function_context(self) -> dict[str, Any]:
        """Return the context with the members that the contract promises to functions."""
        given = {} if self.path_parameters is None else {"path_parameters": self.path_parameters}
        return {
            **self.context,
            "channel": self.route.endpoint_id,
            "area": self.route.area,
            "headers": self.headers.sent,
            "query": self.query,
            **given,
        }


def read_method(event: Members) -> str:
    """Return the HTTP method in capitals, empty for an event of neither API Gateway nor a function URL."""
    method = event.get("httpMethod")
    if isinstance(method, str):
        return "" if is_load_balancer(event) else method.upper()
    match event:
        case {"requestContext": {"http": {"method": str() as method}}}:
            return method.upper()
        case _:
            return ""


def is_load_balancer(event: Members) -> bool:
    """Return whether an Application Load Balancer sent an event.

    docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
    """
    context = event.get("requestContext")
    return isinstance(context, dict) and "elb" in context


def not_a_request(event: Members) -> RequestError:
    """Return the refusal of an event without a method, which names its sender where that sends requests, too.

    docs.aws.amazon.com/vpc-lattice/latest/ug/lambda-functions.html
    """
    sender = "an Application Load Balancer" if is_load_balancer(event) else ""
    match event:
        case {"raw_path": _} | {"requestContext": {"serviceArn": _}}:
            sender = "VPC Lattice"
    return RequestError(f"Not an HTTP request{_INSTEAD.format(sender) if sender else ''}")


class CorsRequest(NamedTuple):
    """What decides who may read the response to any event, a refused one too.

    ``requested_headers`` are those of a preflight, None for any other request. ``route`` is None where there
    is no origin, or the path names no tenant.
    """

    origin: str | None
    requested_headers: str | None
    route: Route | None = None
    stage: str | None = None


def read_cors_request(event: Members, method: str) -> CorsRequest:
    """Read the origin of an event with this HTTP method, and whose response it asks for."""
    origin, requested = None, "" if method == "OPTIONS" else None
    with suppress(RequestError):
        context, single, several, _, _ = _objects(event)
        headers = read_headers(single, several)
        origin = headers.get("origin")
        if requested is not None:
            requested = headers.get("access-control-request-headers", "")
        if origin is not None:  # else no browser will ask
            return CorsRequest(origin, requested, read_path(event), read_stage(context))
    return CorsRequest(origin, requested)


def read_request(
    event: Members,
    method: str,
    route: Route,
    *,
    reads_body: bool = True,
    takes_gzip: bool = False,
    follow: Callable[[str | None], None] | None = None,
) -> Request:
    """Read an HTTP event.

    Args:
        event: Lambda's.
        method: the HTTP method.
        route: what its path names.
        reads_body: false where functions read the body themselves, whatever it is.
        takes_gzip: whether a gzip body is decompressed.
        follow: gets who made the request before more of it is read, so that it is known of a refused one.

    Raises:
        RequestError: the request is malformed, too large or of a content type that isn't read; the message
            names what is wrong.

    """
    context, single_headers, several_headers, single_query, several_query = _objects(event)
    headers = read_headers(single_headers, several_headers, event.get("cookies"))
    if follow and (traceparent := headers.get("traceparent")):
        follow(read_traceparent(traceparent))
    everything = _query(event, single_query, several_query)
    query, params, texts = {}, {}, [*everything]
    for name, values in everything.items():
        texts += values
        if name not in RESERVED_PARAMETERS and name.lower() != API_KEY:
            query[name] = values
            if values:
                params[name] = values[-1]
    check_unicode("".join(texts), "The query string is")
    if route.path:
        params["path"] = route.path
    params["endpoint_id"], params["area"] = route.endpoint_id, route.area
    body = None
    if reads_body:
        if sent := event.get("body"):
            is_base64 = event.get("isBase64Encoded") is True
            body = read_body(sent, headers, is_base64=is_base64, takes_gzip=takes_gzip)
    elif "\\ud" in encode(event):  # how it writes half of a pair, but not that alone
        check_unicode(json.dumps(event, ensure_ascii=False), "The event is")
    keys = everything.get(API_KEY)
    api_key = read_api_key(context, headers, keys[-1] if keys else "")
    stage = read_stage(context)
    return make(Request, (method, route, headers, query, params, api_key, stage, body, context, None))


def with_arguments(request: Request, path: str, arguments: Mapping[str, str]) -> Request:
    """Return a request by a route, whose whole path this is; its arguments go before the query's members."""
    query = {name: values for name, values in request.query.items() if name not in arguments}
    route = request.route._replace(path=path)
    params = {name: values[-1] for name, values in query.items() if values}
    return request._replace(
        route=route,
        query=query,
        params={**params, **arguments, "endpoint_id": route.endpoint_id, "area": route.area},
        path_parameters=arguments,
    )


def _objects(event: Members) -> list[Members]:
    """Return the members of an event that have to be objects, empty for those that it lacks."""
    objects: list[Members] = []
    for name in _OBJECTS:
        value = event.get(name)
        if value is not None and not isinstance(value, dict):
            raise RequestError(f"Event member {name!r} is not an object")
        objects.append(value or {})
    return objects


def _query(event: Members, single: Members, several: Members) -> dict[str, list[str]]:
    raw = event.get("rawQueryString")
    if isinstance(raw, str):
        return _parse_query(raw)
    query = {name: read_texts(values) for name, values in several.items()}
    for name, value in single.items():
        if name not in query and isinstance(value, str):
            query[name] = [value]
    return query


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
