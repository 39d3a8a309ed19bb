"""API Gateway's side of authorization: method ARNs, policies, and the answer to its authorizer calls.

docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-input.html and
…-output.html.
"""

import json
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any

from silvaengine.authorization.access import Members, Permission
from silvaengine.errors import SilvaEngineError

ACTIONS = ("execute-api:Invoke", "execute-api:*", "*")

_logger = logging.getLogger(__name__)


def is_authorizer_call(event: Any) -> bool:  # noqa: ANN401 - Lambda hands over anything
    """Return whether API Gateway asks for a policy and nothing else; no client can send such an event."""
    return isinstance(event, Mapping) and event.get("type") == "REQUEST" and bool(_asked_arn(event))


def answer_authorizer_call(event: Members, decide: Callable[[], Permission]) -> dict[str, Any]:
    """Answer an authorizer call with a policy for exactly what was asked.

    Args:
        event: API Gateway's.
        decide: returns the permission; a refusal or a failure is a policy that denies, with the words in its
            context as ``error_message``.
    """
    try:
        permission = decide()
    except SilvaEngineError as error:
        if error.status >= 500:
            _logger.error("%s (%s)", error.message, error.detail)  # noqa: TRY400 - detail says why
        return _policy(event, "anonymous", "Deny", {"error_message": error.message})
    except Exception:
        _logger.exception("Unexpected failure in an authorizer call")
        return _policy(event, "anonymous", "Deny", {"error_message": "Internal server error"})
    claims = permission.context.get("authorizer")
    context = {name: _flat(value) for name, value in claims.items()} if isinstance(claims, Mapping) else {}
    return _policy(event, permission.principal, "Allow", context)


def method_arn(event: Members) -> str:
    """Return the ARN of the method that an event came through, as an authorizer call names it."""
    if arn := _asked_arn(event):
        return arn
    context = event.get("requestContext") or {}
    http = context.get("http") or {}
    method = event.get("httpMethod") or http.get("method") or context.get("routeKey") or ""
    path = str(event.get("path") or event.get("rawPath") or "").lstrip("/")
    place = f"{context.get('apiId', '')}/{context.get('stage', '')}/{method}/{path}"
    return f"arn:aws:execute-api:{_region(context)}:{context.get('accountId', '')}:{place}"


def allows(policy: Any, arn: str) -> bool:  # noqa: ANN401 - an authorizer's
    """Return whether a policy allows a method: one statement does and none denies it."""
    effects = set()
    for statement in _list(policy.get("Statement")) if isinstance(policy, Mapping) else ():
        if isinstance(statement, Mapping) and _applies(statement, arn):
            effects.add(statement.get("Effect"))
    return effects == {"Allow"}


def _applies(statement: Members, arn: str) -> bool:
    if statement.keys() - {"Sid", "Effect", "Action", "Resource"}:
        return statement.get("Effect") != "Allow"  # a condition that isn't evaluated can't let anyone in
    has_action = any(action in ACTIONS for action in _list(statement.get("Action")))
    return has_action and any(_matches(str(one), arn) for one in _list(statement.get("Resource")))


def _matches(pattern: str, arn: str) -> bool:
    expression = "".join(
        {"*": ".*", "?": "."}.get(character) or re.escape(character) for character in pattern
    )
    return re.fullmatch(expression, arn, re.DOTALL) is not None


def _list(value: Any) -> list[Any]:  # noqa: ANN401 - of a policy
    return value if isinstance(value, list) else [value]


def _asked_arn(event: Members) -> str:
    return str(event.get("methodArn") or event.get("routeArn") or "")


def _region(context: Members) -> str:
    """Read the region from the API's own host name; one of a custom domain tells none."""
    parts = str(context.get("domainName") or "").split(".")
    return parts[2] if parts[1:2] == ["execute-api"] else "*"


def _policy(event: Members, principal: str, effect: str, context: Members) -> dict[str, Any]:
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": [_asked_arn(event)]}
    return {
        "principalId": principal,
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": dict(context),
    }


def _flat(value: Any) -> str | int | float | bool:  # noqa: ANN401 - a claim
    """Return what API Gateway passes on: it takes no lists and objects."""
    return value if isinstance(value, str | int | float | bool) else json.dumps(value, default=str)
