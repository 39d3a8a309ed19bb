"""The built-in authorizer ``iam``: requests that were signed (SigV4) for API Gateway or a function URL.

IAM decides whether the caller may invoke the API at all; this authorizer says who the caller is. It reads
only what API Gateway writes where its method demands ``AWS_IAM``.
"""

from collections.abc import Mapping

from silvaengine.authorization.model import AccessRequest, CallerIdentity, Members, denied, unauthenticated


class IamAuthorizer:
    """Signed requests; ``principals`` are patterns of ARNs with ``*`` and ``?``, empty for all callers."""

    def __init__(self, principals: tuple[str, ...]) -> None:
        self._principals = principals

    def credential(self, request: AccessRequest) -> None:
        """Return None: nothing is worth caching."""

    def authorize(self, request: AccessRequest) -> CallerIdentity:
        """Return the signer as the caller; raises RequestError 401 without one, 403 for one not listed."""
        from fnmatch import fnmatchcase  # lazy: only a list of principals needs it

        signer = _signer(request.context)
        arn = signer.get("userArn")
        if not isinstance(arn, str) or not arn:
            raise unauthenticated("This function requires a signed request", "AWS4-HMAC-SHA256")
        if self._principals and not any(fnmatchcase(arn, pattern) for pattern in self._principals):
            raise denied()
        return CallerIdentity(arn, {"user_arn": arn, "account_id": signer.get("accountId")})

    def verify_permission(self, request: AccessRequest) -> Members:
        """Return the requestContext unchanged: IAM has decided."""
        return request.context


def _signer(context: Members) -> Members:
    """Return payload 2.0's ``authorizer.iam`` or payload 1.0's ``identity``."""
    authorizer = context.get("authorizer")
    iam = authorizer.get("iam") if isinstance(authorizer, Mapping) else None
    signer = iam or context.get("identity")
    return signer if isinstance(signer, Mapping) else {}
