"""The headers that a function's proxy response sets."""

from collections.abc import Iterable, Mapping
from typing import Any

from silvaengine.authorization.events import TOKEN
from silvaengine.protocol.proxy_responses import malformed
from silvaengine_http.headers import merge_headers

_HOP_BY_HOP = frozenset(  # RFC 9110, section 7.6.1, and what API Gateway computes itself
    {
        "connection",
        "content-length",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


# Bytes that API Gateway takes for a response's headers together, and that the gateway keeps of their names:
# docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html
NAMES_LIMIT = 10_240


def read_function_headers(value: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the headers of a proxy response, ``multiValueHeaders`` before ``headers``, and its cookies.

    Raises:
        SilvaEngineError: 502, a name is none, all have more than 10,240 bytes, or a value is neither text,
            number nor boolean.
    """
    single = {name: [member] for name, member in _mapping(value, "headers").items()}
    headers = merge_headers(_read(single.items()), _read(_mapping(value, "multiValueHeaders").items()))
    if sum(map(len, headers)) > NAMES_LIMIT:
        raise malformed(f"its header names have more than {NAMES_LIMIT} bytes")
    cookies = _read([("Set-Cookie", value.get("cookies") or [])])
    listed = [values for name, values in headers.items() if name.lower() == "connection"]
    hop_by_hop = _HOP_BY_HOP | {
        option.strip().lower() for values in listed for option in ",".join(values).split(",")
    }
    kept = {name: values for name, values in headers.items() if name.lower() not in hop_by_hop}
    if cookies["Set-Cookie"]:
        kept = merge_headers(kept, cookies)
    return {name: values for name, values in kept.items() if values}


def _mapping(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    member = value.get(name) or {}
    if not isinstance(member, Mapping):
        raise malformed(f"{name} is not an object")
    return member


def _read(headers: Iterable[tuple[str, object]]) -> dict[str, tuple[str, ...]]:
    read = {}
    for name, values in headers:
        if not TOKEN.fullmatch(name):
            raise malformed(f"the header name {name[:64]!r} is not valid")
        if not isinstance(values, list):
            raise malformed(f"the values of {name} are not a list")
        read[name] = tuple([_text(name, value) for value in values])
    return read


def _text(name: str, value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float):
        raise malformed(f"a value of {name} is not text, a number or a boolean")
    return str(value)
