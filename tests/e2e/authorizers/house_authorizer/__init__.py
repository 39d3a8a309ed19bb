"""An authorizer in the predecessor's style: a class that reads events and answers policies and events."""

import json
import logging
from typing import Any


class Authorizer:
    def __init__(self, logger: logging.Logger | None = None) -> None:
        self.logger = logger

    def authorize(self, event: dict[str, Any], context: object) -> dict[str, Any]:
        headers = {name.lower(): value for name, value in event["headers"].items()}
        try:
            _, name = headers["authorization"].split()
            if event["type"] != "REQUEST" or name == "expired":
                return self._policy(event, "nobody", "Deny", {"error_message": "The token has expired"})
            if event["fnConfigurations"]["config"]["module_name"] != "e2e_functions":
                return self._policy(event, "nobody", "Deny", {"error_message": "Unknown function"})
        except KeyError as error:
            return self._policy(event, "nobody", "Deny", {"error_message": str(error)})
        return self._policy(event, name, "Allow", {"user_id": "7", "is_admin": True})

    def verify_permission(self, event: dict[str, Any], context: object) -> dict[str, Any]:
        body = json.loads(event.get("body") or "{}")
        if body.get("wish") == "everything":
            raise PermissionError("Permission denied", 403)
        roles = [event["requestContext"]["authorizer"]["principalId"]]
        event["requestContext"]["additionalContext"] = {"roles": roles}
        return event

    def _policy(
        self, event: dict[str, Any], principal: str, effect: str, context: dict[str, Any]
    ) -> dict[str, Any]:
        statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": [event["methodArn"]]}
        return {
            "principalId": principal,
            "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
            "context": context,
        }
