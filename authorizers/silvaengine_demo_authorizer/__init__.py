"""An example of an authorizer: it believes any name, so don't use it for anything real.

`registry.yaml` names it for the endpoint `demo`, whose functions in the area `members` require it.
"""

from collections.abc import Mapping
from typing import Any

from silvaengine_base import FunctionError

ROLES = {"ada": ["admin", "member"], "grace": ["member"]}


type Response = Mapping[str, Any] | bool


def authorizer(event: Mapping[str, Any], context: object, action: str) -> Response:  # noqa: ARG001 - the signature of authorizers
    """Return the principal (``authorize``), or the event with the caller's roles if it may call the function.

    Args:
        event: the request's event, with ``fnConfigurations`` and an extended ``requestContext``.
        context: Lambda's context.
        action: ``authorize`` or ``verify_permission``.

    Raises:
        FunctionError: 401, there is no name.
    """
    request_context = event["requestContext"]
    if action == "authorize":
        headers = {name.lower(): value for name, value in request_context["headers"].items()}
        if "fnConfigurations" not in event and "authorization" not in headers:
            return {"principalId": "guest"}  # a socket opens: browsers can't send the header
        scheme, _, name = headers.get("authorization", "").partition(" ")
        if not scheme and "connectionId" in request_context:
            name = "guest"  # browsers send no header with a handshake; functions with roles refuse guests
        elif scheme != "Demo" or not name:
            raise FunctionError("Send the header Authorization: Demo ada", 401)
        return {"principalId": name, "user_id": name}
    roles = ROLES.get(request_context["authorizer"].get("user_id"))
    if roles is None:
        return False
    return {**event, "requestContext": {**request_context, "additionalContext": {"roles": roles}}}
