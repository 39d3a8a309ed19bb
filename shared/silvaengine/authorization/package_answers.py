"""Reading the responses of an operator's authorizer, so that everything unclear is a refusal.

Both actions may answer true or false, API Gateway's policy
(docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html) or its simple
form ``{"isAuthorized": …, "context": {…}}``. ``authorize`` may also answer claims that name the caller,
``verify_permission`` the event with a changed ``requestContext``.
"""

from collections.abc import Mapping

from silvaengine.authorization.model import CallerIdentity, Members, denied
from silvaengine.authorization.policies import allows
from silvaengine.errors import RequestError

PRINCIPALS = ("principalId", "sub", "user_id")  # the claims that can name the caller
WRITABLE = ("authorizer", "additionalContext")  # all that an authorizer may change in the requestContext
UNNAMED = "authorized"


def read_identity(response: object, arn: str) -> CallerIdentity:
    """Read a response of ``authorize``.

    Args:
        response: in one of the forms above.
        arn: the ARN of the method that a policy has to allow.

    Raises:
        RequestError: 403, the response isn't a clear yes.
    """
    claims = _allowed_claims(response, arn)
    if claims is None and isinstance(response, Mapping) and _principal(response):
        claims = response
    if claims is None:
        raise _unclear(response)
    others = {name: value for name, value in claims.items() if name != "principalId"}
    return CallerIdentity(_principal(claims) or UNNAMED, others)


def read_context(response: object, arn: str, context: Members) -> Members:
    """Read a response of ``verify_permission``; return the requestContext for the function.

    Args:
        response: in one of the forms above.
        arn: as in ``read_identity``.
        context: the requestContext that the authorizer was shown; it may change only its own parts.

    Raises:
        RequestError: 403, the response isn't a clear yes.
    """
    claims = _allowed_claims(response, arn)
    if claims is not None:
        additional = _object(context, "additionalContext")
        return {**context, "additionalContext": {**additional, **claims}} if claims else context
    if isinstance(response, Mapping) and isinstance(changed := response.get("requestContext"), Mapping):
        return {**changed, **context, **{name: changed[name] for name in WRITABLE if name in changed}}
    raise _unclear(response)


def _allowed_claims(response: object, arn: str) -> Members | None:
    """Return the claims of a yes, None for a response in none of API Gateway's forms."""
    if response is True:
        return {}
    if not isinstance(response, Mapping):
        return None
    if "policyDocument" in response:
        claims = _object(response, "context")
        if not allows(response["policyDocument"], arn):
            raise denied(str(claims.get("error_message") or "Access denied"))
        return {**claims, "principalId": response.get("principalId")}
    if "isAuthorized" in response:
        if response["isAuthorized"] is not True:
            raise denied()
        return _object(response, "context")
    return None


def _principal(claims: Members) -> str:
    return next((str(claims[name]) for name in PRINCIPALS if claims.get(name)), "")


def _unclear(response: object) -> RequestError:
    return denied(detail=f"the authorizer returned {type(response).__name__}")


def _object(members: Members, name: str) -> Members:
    value = members.get(name)
    return value if isinstance(value, Mapping) else {}
