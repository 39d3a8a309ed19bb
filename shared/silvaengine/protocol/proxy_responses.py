"""Proxy responses: a function's whole response, in the form that API Gateway takes from a Lambda.

docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html; docs/contract.md.
"""

from base64 import b64decode
from collections.abc import Mapping
from typing import Any, TypeGuard

from silvaengine.errors import SilvaEngineError
from silvaengine.named_tuple import NamedTuple

_MEMBERS = frozenset({"statusCode", "headers", "multiValueHeaders", "cookies", "body", "isBase64Encoded"})


class ProxyContent(NamedTuple):
    """A proxy response but for its headers; ``is_base64`` is whether the body is bytes as base64."""

    status: int
    body: str
    is_base64: bool


def is_proxy_response(value: object) -> TypeGuard[dict[str, Any]]:
    """Return whether a value is meant for API Gateway, rather than data with a ``statusCode``."""
    if not isinstance(value, dict) or "statusCode" not in value:
        return False
    status = value["statusCode"]
    return value.keys() <= _MEMBERS or (type(status) is int and 300 <= status <= 399)


def read_proxy_response(value: Mapping[str, Any]) -> ProxyContent:
    """Return what a proxy response says; raises SilvaEngineError 502 where it isn't well-formed."""
    body = value.get("body")
    is_base64 = value.get("isBase64Encoded") or False
    if body is not None and not isinstance(body, str):
        raise malformed("the body is not a string")
    if not isinstance(is_base64, bool):
        raise malformed("isBase64Encoded is not true or false")
    if is_base64 and body and not is_base64_text(body):
        raise malformed("isBase64Encoded is true, but the body is not valid base64")
    return ProxyContent(_read_status(value["statusCode"]), body or "", is_base64)


def is_base64_text(value: object) -> bool:
    """Return whether a value is text that is base64."""
    try:
        b64decode(value if isinstance(value, str) else "?", validate=True)
    except ValueError:
        return False
    return True


def malformed(reason: str) -> SilvaEngineError:
    """Return the error for a function's response that isn't as the contract says."""
    return SilvaEngineError(f"The function's response is malformed: {reason}", status=502)


def _read_status(status: object) -> int:
    """Return a status, which may be text, as REST APIs take it, too."""
    match status:
        case str() if len(status) == 3 and status.isascii() and status.isdigit():
            status = int(status)
        case float() if status.is_integer():
            status = int(status)
    if type(status) is not int or not 100 <= status <= 599:
        raise malformed("statusCode is not a whole number from 100 to 599")
    return status
