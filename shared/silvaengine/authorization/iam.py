"""The built-in authorizer ``iam``: requests that API Gateway or a function URL has seen signed (SigV4).

Whether the caller may invoke the API at all is IAM's decision; this tells who it is. Only API Gateway writes
what is read here, and only where its method demands ``AWS_IAM``.
"""

from collections.abc import Mapping
from typing import NamedTuple

from silvaengine.authorization.access import AccessRequest, CallerIdentity, Members, denied, unauthenticated


class IamAuthorizer(NamedTuple):
    """Lets signed requests in; ``principals`` are patterns of ARNs with ``*`` and ``?``, empty for all."""

    principals: tuple[str, ...]

    def credential(self, asked: AccessRequest) -> None:
        """Keep nothing: there is nothing to compute."""

    def authorize(self, asked: AccessRequest) -> CallerIdentity:
        """Tell whose signature it is; raises RequestError 401 without one, 403 for another's."""
        from fnmatch import fnmatchcase  # one of the built-in authorizers is used

        found = _signer(asked.context)
        arn = found.get("userArn")
        if not isinstance(arn, str) or not arn:
            raise unauthenticated("This function requires a signed request", "AWS4-HMAC-SHA256")
        if self.principals and not any(fnmatchcase(arn, pattern) for pattern in self.principals):
            raise denied()
        return CallerIdentity(arn, {"user_arn": arn, "account_id": found.get("accountId")})

    def verify_permission(self, asked: AccessRequest) -> Members:
        """Let IAM's own decision stand."""
        return asked.context


def _signer(context: Members) -> Members:
    """Return payload 2.0's ``authorizer.iam`` or payload 1.0's ``identity``."""
    authorizer = context.get("authorizer")
    signer = authorizer.get("iam") if isinstance(authorizer, Mapping) else None
    found = signer or context.get("identity")
    return found if isinstance(found, Mapping) else {}
