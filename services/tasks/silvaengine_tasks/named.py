"""What a message says itself: attributes name endpoint and function, its JSON body holds ``params``."""

import json
from collections.abc import Mapping
from typing import Any

from silvaengine.errors import RequestError
from silvaengine_tasks.records import CallRecord, member, text


def params_of(body: str) -> dict[str, Any] | None:
    """Return a body's params, None for a text that isn't a JSON object with an object in ``params``."""
    try:
        params = member(json.loads(body), "params")
    except (ValueError, RecursionError):
        return None
    return params if isinstance(params, dict) else None


def own_call(
    like: CallRecord, params: Mapping[str, Any] | None, endpoint_id: object, function: object
) -> CallRecord:
    """Return the call that a message asks for.

    Raises:
        RequestError: it doesn't say which function it is for, or with what.
    """
    if params is None:
        raise RequestError("The message's body is no JSON object with an object in params")
    asked = {"endpoint_id": endpoint_id, "funct": function}
    return like._replace(endpoint_id=text(asked, "endpoint_id"), function=text(asked, "funct"), params=params)
