"""A function that an authorizer stands before; `authorizers/silvaengine_demo_authorizer` is the one."""

from collections.abc import Mapping
from typing import Any

from silvaengine_base import FunctionError


def member(context: Mapping[str, Any]) -> dict[str, Any]:
    """Tell who the caller is and which roles that caller has: no client can say so itself."""
    return {"user": context["authorizer"]["user_id"], "roles": context["additionalContext"]["roles"]}


def ban(context: Mapping[str, Any], name: str) -> str:
    """Do what needs a role."""
    if "admin" not in context["additionalContext"]["roles"]:
        raise FunctionError("Only an admin may ban a member", status_code=403)
    return f'"{name} is banned"'
