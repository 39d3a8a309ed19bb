"""Functions behind an authorizer, `authorizers/silvaengine_demo_authorizer`."""

from collections.abc import Mapping
from typing import Any

from silvaengine_base import FunctionError


def member(context: Mapping[str, Any]) -> dict[str, Any]:
    """Return the caller's id and roles, as the authorizer named them; no client can forge them."""
    return {"user": context["authorizer"]["user_id"], "roles": context["additionalContext"]["roles"]}


def ban(context: Mapping[str, Any], name: str) -> str:
    """Do something that requires a role."""
    if "admin" not in context["additionalContext"]["roles"]:
        raise FunctionError("Only an admin may ban a member", status_code=403)
    return f'"{name} is banned"'
