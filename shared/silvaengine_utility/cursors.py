"""Cursors: where a list's next page begins, as text that a client sends back.

A cursor holds DynamoDB's ``LastEvaluatedKey`` and a signature of it, of the tenant and of the function:
docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html.
"""

import hmac
import json
from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from silvaengine.context import current_invocation
from silvaengine.errors import FunctionError

SETTING = "cursor_secret"

_SIZE = 16  # bytes of a signature


def encode_cursor(last_key: Mapping[str, Any] | None) -> str | None:
    """Return the cursor of the page after a page's ``LastEvaluatedKey``, None after the last page.

    With the function's setting ``cursor_secret`` only such a function can make one; without it a client could
    make one of its own tenant.
    """
    if not last_key:
        return None
    text = json.dumps(dict(last_key), default=_tag).encode()
    return urlsafe_b64encode(_sign(text) + text).decode().rstrip("=")


def decode_cursor(cursor: str | None, name: str = "cursor") -> dict[str, Any] | None:
    """Return a cursor's key, for ``ExclusiveStartKey``; None without a cursor, for the first page.

    Args:
        cursor: what the client sent.
        name: the parameter's, for the error.

    Raises:
        FunctionError: 422, code ``invalid_cursor``: it isn't one that this function returned to this tenant.
    """
    if not cursor:
        return None
    try:
        data = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        signature, text = data[:_SIZE], data[_SIZE:]
        key = json.loads(text, object_hook=_untag) if hmac.compare_digest(signature, _sign(text)) else None
    except (ValueError, ArithmeticError):
        key = None
    if not isinstance(key, dict):
        message = f"{name!r} is not a cursor of this list"
        raise FunctionError(message, 422, code="invalid_cursor", details={"parameter": name})
    return key


def _sign(text: bytes) -> bytes:
    current = current_invocation()
    secret = str(current.settings.get(SETTING) or "")
    about = json.dumps([current.endpoint_id, current.area, current.function]).encode()
    return hmac.digest(secret.encode(), about + text, "sha256")[:_SIZE]


def _tag(value: Any) -> dict[str, str]:  # noqa: ANN401 - a key's: text, Decimal, bytes or boto3's Binary
    if isinstance(value, Decimal):
        return {"$number": str(value)}
    return {"$bytes": b64encode(bytes(getattr(value, "value", value))).decode()}


def _untag(members: dict[str, Any]) -> object:
    match members:
        case {"$number": str() as number}:
            return Decimal(number)
        case {"$bytes": str() as content}:
            return b64decode(content)
    return members
