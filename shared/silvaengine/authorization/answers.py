"""What an operator's authorizer answered, read so that everything unclear is a refusal.

Both actions may answer true or false, API Gateway's policy
(docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html) or its simple
form ``{"isAuthorized": …, "context": {…}}``. ``authorize`` may also answer claims that name the caller,
``verify_permission`` the event with a changed ``requestContext``.
"""

from collections.abc import Mapping
from typing import Any

from silvaengine.authorization.access import CallerIdentity, Members, denied
from silvaengine.authorization.policies import allows
from silvaengine.errors import RequestError

PRINCIPALS = ("principalId", "sub", "user_id")  # where claims say whose they are
MERGED = ("authorizer", "additionalContext")  # all that an authorizer may change in the requestContext
UNNAMED = "authorized"


def identity_of(answer: Any, arn: str) -> CallerIdentity:  # noqa: ANN401 - an authorizer answers anything
    """Read an answer of ``authorize``.

    Args:
        answer: see above.
        arn: the ARN of the method that a policy has to allow.

    Raises:
        RequestError: 403, it isn't a clear yes.
    """
    claims = _allowed(answer, arn)
    if claims is None and isinstance(answer, Mapping) and _principal(answer):
        claims = answer
    if claims is None:
        raise _unclear(answer)
    others = {name: value for name, value in claims.items() if name != "principalId"}
    return CallerIdentity(_principal(claims) or UNNAMED, others)


def context_of(answer: Any, arn: str, context: Members) -> Members:  # noqa: ANN401 - likewise
    """Read an answer of ``verify_permission``: the requestContext that the function is shown.

    Args:
        answer: see above.
        arn: as in ``identity_of``.
        context: the requestContext as it was shown to the authorizer; what is not the authorizer's stays.

    Raises:
        RequestError: 403, it isn't a clear yes.
    """
    claims = _allowed(answer, arn)
    if claims is not None:
        before = _members(context, "additionalContext")
        return {**context, "additionalContext": {**before, **claims}} if claims else context
    if isinstance(answer, Mapping) and isinstance(given := answer.get("requestContext"), Mapping):
        return {**given, **context, **{name: given[name] for name in MERGED if name in given}}
    raise _unclear(answer)


def _allowed(answer: Any, arn: str) -> Members | None:  # noqa: ANN401 - likewise
    """Return what a yes brings with it, None for an answer in none of API Gateway's forms."""
    match answer:
        case True:
            return {}
        case {"policyDocument": policy}:
            claims = _members(answer, "context")
            if not allows(policy, arn):
                raise denied(str(claims.get("error_message") or "Access denied"))
            return {**claims, "principalId": answer.get("principalId")}
        case {"isAuthorized": is_authorized}:
            if is_authorized is not True:
                raise denied()
            return _members(answer, "context")
        case _:
            return None


def _principal(claims: Members) -> str:
    return next((str(claims[name]) for name in PRINCIPALS if claims.get(name)), "")


def _unclear(answer: object) -> RequestError:
    return denied(detail=f"the authorizer answered {type(answer).__name__}")


def _members(answer: Members, name: str) -> Members:
    value = answer.get(name)
    return value if isinstance(value, Mapping) else {}
