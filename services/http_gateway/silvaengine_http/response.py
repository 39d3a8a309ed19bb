"""Responses: what a function may return, in the form that API Gateway accepts.

docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html (1.0) and
http-api-develop-integrations-lambda.html (2.0).
"""

import json
from collections.abc import Collection, Mapping
from functools import lru_cache
from itertools import islice
from types import MappingProxyType
from typing import Any

from silvaengine.errors import SilvaEngineError
from silvaengine.named_tuple import NamedTuple
from silvaengine.protocol.json_codec import encode_readable, read_json_value
from silvaengine.protocol.messages import SYNC_LIMIT, WorkerResponse, error_of, make
from silvaengine.protocol.proxy_responses import (
    is_base64_text,
    is_proxy_response,
    malformed,
    read_proxy_response,
)
from silvaengine.protocol.strict_json import MAX_DEPTH
from silvaengine_http.function_headers import read_function_headers
from silvaengine_http.headers import (
    BYTES,
    JSON,
    REQUEST_ID,
    YAML,
    Header,
    Headers,
    all_headers,
    fit_value,
    merge_headers,
)

YAML_EVENTS = 20_000  # scalars, beginnings and ends of collections; a tenth of a second
RESPONSE_OVERHEAD = 4096  # bytes left for the gateway's own headers and the response's frame

_LONGEST_ESCAPE = len(r"\u0000")
_SHORT = SYNC_LIMIT // 8


class Response(NamedTuple):
    """A response, whatever the payload's version; header names are as they go out."""

    status: int
    body: str = ""
    headers: Headers = MappingProxyType({})
    is_base64: bool = False


class ResponseFormat(NamedTuple):
    """How the response is written: as payload 2.0 or 1.0, without a body for HEAD, with lists for an ALB."""

    is_v2: bool
    is_head: bool
    has_lists: bool = False


response_format = lru_cache(ResponseFormat)  # there are few


def json_response(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response that is a JSON value."""
    own = {name: (member,) for name, member in (headers or {}).items()}
    return Response(status, encode_readable(value), {**JSON, **own} if own else JSON)


def error_response(error: SilvaEngineError, request_id: str) -> Response:
    """Return an error's public message as a response; nothing else of it leaves the gateway."""
    body: dict[str, object] = {"error": error.message, "request_id": request_id}
    if error.code:
        body["code"] = error.code
    if error.details:
        body["details"] = error.details
    return json_response(body, error.status, error.headers)


def with_headers(response: Response, headers: Mapping[str, str]) -> Response:
    """Return a response with further headers, which override its own."""
    return response._replace(
        headers=merge_headers(response.headers, {name: (value,) for name, value in headers.items()})
    )


def read_json_response(text: bytes) -> tuple[Response, bool] | None:
    """Return the response of a worker's JSON value, which stays as it came, and its ``takes_context``.

    None where the result, JSON text, is anything else, or may be more than data: an escape may hide a name,
    or half of a surrogate pair. Raises SilvaEngineError, 502, where it is too large.
    """
    found = read_json_value(text)
    if found is None or "\\u" in found[0] or '"statusCode"' in found[0]:
        return None
    response = make(Response, (200, found[0], JSON, False))
    check_size(response)
    return response, found[1]


def function_response(result: WorkerResponse) -> Response:
    """Return a worker's response as the gateway's.

    Raises:
        SilvaEngineError: the worker reports an error (its message and status), or, with 502, the function's
            result is malformed, can't be encoded or is too large.

    """
    match result.kind:
        case "error":
            raise error_of(result)
        case "base64":
            response = _bytes_response(result.value)
        case "text":
            response = _text_response(result.value)
        case _:
            response = _value_response(result.value, text=None)
    check_size(response)
    return response


def render(
    response: Response,
    form: ResponseFormat,
    request_id: str,
    cors: Headers | None = None,
    *,
    is_sandboxed: bool = True,
) -> dict[str, Any]:
    """Return the proxy response; the last two are the tenant's, as ``all_headers`` takes them."""
    status, body, own, is_base64 = response
    if form.is_head:
        body = ""
    rendered: dict[str, Any] = {
        "statusCode": status,
        "body": body,
        "isBase64Encoded": is_base64 and bool(body),
    }
    if own is JSON and cors is None and not form.has_lists:
        rendered["headers"] = {**_JSON_HEADERS, REQUEST_ID: request_id}
        return rendered
    headers = all_headers(own, request_id, cors, is_sandboxed=is_sandboxed)
    if form.has_lists:
        return {**rendered, "multiValueHeaders": {name: list(values) for name, values in headers}}
    return rendered | (_v2_headers(headers) if form.is_v2 else _v1_headers(headers))


def _v1_headers(headers: Collection[Header]) -> dict[str, Any]:
    single = {name: values[0] for name, values in headers if len(values) == 1}
    if len(single) == len(headers):
        return {"headers": single}
    several = {name: list(values) for name, values in headers if len(values) > 1}
    return {"headers": single, "multiValueHeaders": several}


# Of most responses, computed once: 20,000 instructions of each request.
_JSON_HEADERS: Mapping[str, str] = _v1_headers(all_headers(JSON, "", None))["headers"]


def _v2_headers(headers: Collection[Header]) -> dict[str, Any]:
    """Return one value for each name and, apart, the cookies, which must not be joined."""
    cookies: list[str] = []
    joined = {}
    for name, values in headers:
        if name.lower() == "set-cookie":
            cookies += values
        else:
            joined[name] = ", ".join(values)
    return {"headers": joined, "cookies": cookies} if cookies else {"headers": joined}


def _bytes_response(value: object) -> Response:
    if not is_base64_text(value):
        raise malformed("the bytes are not valid base64")
    return Response(200, str(value), BYTES, is_base64=True)


def _text_response(text: str) -> Response:
    """Return a function's text unchanged, under the content type that it parses as."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        if _is_yaml(text):
            return Response(200, text, YAML)
        return json_response({"error": "Unsupported content format"}, 400)
    return _value_response(value, text)


def _value_response(value: object, text: str | None) -> Response:
    if is_proxy_response(value):
        return _proxy_response(value)
    try:
        encoded = encode_readable(value) if text is None else text
    except ValueError:
        raise malformed("it contains NaN or Infinity") from None
    return Response(200, encoded, JSON)


def _is_yaml(text: str) -> bool:
    """Return whether a text is YAML, no deeper than a body: libyaml's time is quadratic in the depth.

    A long text is judged by its beginning; the rest would take seconds.
    """
    import yaml  # lazy: only a text that isn't JSON needs it

    depth = 0
    try:
        events = yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        for event in islice(events, YAML_EVENTS):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                return False
    except (yaml.YAMLError, UnicodeError):
        return False
    return True


def _proxy_response(value: Mapping[str, Any]) -> Response:
    status, body, is_base64 = read_proxy_response(value)
    return Response(status, body, read_function_headers(value), is_base64=is_base64)


def check_size(response: Response) -> None:
    """Refuse what Lambda would refuse: the client would see an error without a message."""
    text = response.body
    if len(text) < _SHORT and text.isascii():
        size = _LONGEST_ESCAPE * len(text)
    else:
        try:
            size = len(json.dumps(text, ensure_ascii=False).encode())
        except UnicodeEncodeError:
            raise malformed("it contains an unpaired surrogate") from None
    if response.headers is not JSON:
        for name, values in response.headers.items():
            size += sum(len(name) + len(fit_value(value)) + 8 for value in values)
    if size > SYNC_LIMIT - RESPONSE_OVERHEAD:
        raise SilvaEngineError(f"The function's response is larger than {SYNC_LIMIT} bytes", status=502)
