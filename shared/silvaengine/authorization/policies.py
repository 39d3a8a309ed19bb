"""API Gateway's forms of authorization: method ARNs, policies, and the response to an authorizer call.

docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-input.html and
…-output.html.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from silvaengine.authorization.model import Members, Permission, requested_arn

ACTIONS = ("execute-api:Invoke", "execute-api:*", "*")


def allowing_policy(arn: str, permission: Permission) -> dict[str, Any]:
    """Return the response that allows exactly one method, with the caller's claims."""
    return _policy(arn, permission.principal, "Allow", _claims(permission))


def authorizer_context(permission: Permission) -> dict[str, str]:
    """Return what API Gateway has as ``authorizer`` in later events of a socket that a policy allowed."""
    claims = {**_claims(permission), "principalId": permission.principal}
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in claims.items()}


def denying_policy(arn: str, message: str) -> dict[str, Any]:
    """Return the response that denies a method, with the reason as ``error_message``."""
    return _policy(arn, "anonymous", "Deny", {"error_message": message})


def method_arn(event: Members) -> str:
    """Return the ARN of an event's method, as an authorizer call names it."""
    if arn := requested_arn(event):
        return arn
    context = event.get("requestContext") or {}
    http = context.get("http") or {}
    method = event.get("httpMethod") or http.get("method") or context.get("routeKey") or ""
    path = str(event.get("path") or event.get("rawPath") or "").lstrip("/")
    if "version" in event:  # an HTTP API, whose paths begin with the stage
        path = path.removeprefix(f"{context.get('stage')}/")
    resource = f"{context.get('apiId', '')}/{context.get('stage', '')}/{method}/{path}"
    return f"arn:aws:execute-api:{_region(context)}:{context.get('accountId', '')}:{resource}"


def allows(policy: object, arn: str) -> bool:
    """Return whether a policy allows a method: a statement allows it and none denies it."""
    effects = set()
    for statement in _list(policy.get("Statement")) if isinstance(policy, Mapping) else ():
        if isinstance(statement, Mapping) and _applies(statement, arn):
            effects.add(statement.get("Effect"))
    return effects == {"Allow"}


def _applies(statement: Members, arn: str) -> bool:
    if statement.keys() - {"Sid", "Effect", "Action", "Resource"}:
        return statement.get("Effect") != "Allow"  # a condition isn't evaluated, and so can't let anyone in
    has_action = any(action in ACTIONS for action in _list(statement.get("Action")))
    return has_action and any(_matches(str(pattern), arn) for pattern in _list(statement.get("Resource")))


def _matches(pattern: str, arn: str) -> bool:
    expression = "".join(
        {"*": ".*", "?": "."}.get(character) or re.escape(character) for character in pattern
    )
    return re.fullmatch(expression, arn, re.DOTALL) is not None


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _region(context: Members) -> str:
    """Return the region in the API's own host name, ``*`` for a custom domain."""
    parts = str(context.get("domainName") or "").split(".")
    return parts[2] if parts[1:2] == ["execute-api"] else "*"


def _policy(arn: str, principal: str, effect: str, context: dict[str, Any]) -> dict[str, Any]:
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": [arn]}
    return {
        "principalId": principal,
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": context,
    }


def _claims(permission: Permission) -> dict[str, str | int | float | bool]:
    claims = permission.context.get("authorizer")
    return {name: _flat(value) for name, value in claims.items()} if isinstance(claims, Mapping) else {}


def _flat(value: object) -> str | int | float | bool:
    """Return a claim as API Gateway passes it on: lists and objects as JSON text."""
    return value if isinstance(value, str | int | float | bool) else json.dumps(value, default=str)
