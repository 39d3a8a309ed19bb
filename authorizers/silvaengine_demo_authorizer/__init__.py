"""An authorizer to learn from: it believes whoever says a name, so use it for nothing real.

`registry.yaml` lets the endpoint `demo` use it, for its functions with `auth_required`.
"""

from collections.abc import Mapping
from typing import Any

from silvaengine_base import FunctionError

ROLES = {"ada": ["admin", "member"], "grace": ["member"]}


def authorizer(event: Mapping[str, Any], context: object, action: str) -> Any:  # noqa: ANN401, ARG001 - the form that is asked for
    """Say who the caller is (``authorize``), and with which roles the function may be called.

    Args:
        event: the request's, with ``fnConfigurations`` and an extended ``requestContext``.
        context: Lambda's.
        action: ``authorize`` or ``verify_permission``.

    Raises:
        FunctionError: 401, there is no token.
    """
    asked = event["requestContext"]
    if action == "authorize":
        headers = {name.lower(): value for name, value in asked["headers"].items()}
        scheme, _, name = headers.get("authorization", "").partition(" ")
        if not scheme and "connectionId" in asked:
            name = "guest"  # a browser sends no header with a handshake; what needs a role refuses guests
        elif scheme != "Demo" or not name:
            raise FunctionError("Send the header Authorization: Demo ada", 401)
        return {"principalId": name, "user_id": name}
    roles = ROLES.get(asked["authorizer"]["user_id"])
    return roles is not None and {**event, "requestContext": {**asked, "additionalContext": {"roles": roles}}}
