"""An authorizer in the specification's style, and hooks, for clients that connect by a WebSocket."""

from typing import Any


def authorizer(event: dict[str, Any], context: object, action: str) -> Any:
    """Let in whoever has a token; permit every message but one."""
    if action == "verify_permission":
        return {"isAuthorized": "forbidden" not in event["body"]}
    token = event["queryStringParameters"]["token"]
    if token == "wrong":
        return False
    return {"isAuthorized": True, "context": {"user_id": token}}


def on_connect(event: dict[str, Any], context: object) -> None:
    """Refuse one user."""
    if event["requestContext"]["authorizer"]["user_id"] == "banned":
        raise PermissionError


def on_message(event: dict[str, Any], context: object) -> None:
    """Refuse one word."""
    if "swearword" in event["body"]:
        raise ValueError(event["body"])
