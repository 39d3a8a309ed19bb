"""The entry: is this request allowed, to whom, and what does its function learn of that."""

import time
from collections.abc import Callable
from functools import cache

from silvaengine.authorization.access import (
    AccessRequest,
    Authorizer,
    CallerIdentity,
    Members,
    Permission,
    denied,
    unauthenticated,
)
from silvaengine.authorization.choice import Chooser
from silvaengine.authorization.key_sets import Fetch, KeySets, fetch
from silvaengine.authorization.packages import Packages, shipped_packages
from silvaengine.lru import LruCache

LONGEST_SECONDS = 60.0  # that an identity is taken for granted: so late a revocation may be seen
MAX_IDENTITIES = 1024


class Authorization:
    """Asks the authorizers of the endpoints.

    Args:
        packages: the operator's own authorizers.
        clock: epoch seconds.
        fetch_document: returns what lies at a URL; raises OSError.
    """

    def __init__(
        self,
        packages: Packages,
        clock: Callable[[], float] = time.time,
        fetch_document: Fetch = fetch,
    ) -> None:
        self._chooser = Chooser(packages, KeySets(fetch_document, clock), clock)
        self._clock = clock
        self._identities = LruCache(LONGEST_SECONDS, MAX_IDENTITIES, clock)

    def permit(self, asked: AccessRequest) -> Permission:
        """Let the endpoint's authorizer say who asks and whether that caller may call the function.

        Raises:
            SilvaEngineError: it may not (401, 403), or nobody can tell (5xx).
        """
        authorizer = self._authorizer(asked)
        identity = self._identity(authorizer, asked)
        return self._verified(authorizer, asked, identity)

    def authorize(self, asked: AccessRequest) -> Permission:
        """Say who asks, without a question for a function's permission; raises what ``permit`` raises.

        At an endpoint without an authorizer it is whose API key opened it.
        """
        authorizer = self._chooser.authorizer(asked.key_access)
        if authorizer is None:
            return Permission(asked.key_access.key_id, asked.context)
        identity = self._identity(authorizer, asked)
        return Permission(identity.principal, _with_claims(asked.context, identity))

    def verify_permission(self, asked: AccessRequest, principal: str) -> Permission:
        """Say whether a caller may call a function whose identity is in ``asked.context`` already.

        It may depend on the body and is never remembered; raises what ``permit`` raises.
        """
        return Permission(principal, self._authorizer(asked).verify_permission(asked))

    def _authorizer(self, asked: AccessRequest) -> Authorizer:
        authorizer = self._chooser.authorizer(asked.key_access)
        if authorizer is None:
            raise denied("This function requires an authorizer and none is configured")
        return authorizer

    def _verified(self, authorizer: Authorizer, asked: AccessRequest, identity: CallerIdentity) -> Permission:
        known = asked._replace(context=_with_claims(asked.context, identity))
        return Permission(identity.principal, authorizer.verify_permission(known))

    def _identity(self, authorizer: Authorizer, asked: AccessRequest) -> CallerIdentity:
        credential = authorizer.credential(asked)
        if credential is None:
            return authorizer.authorize(asked)
        key = (_subject(asked), credential)
        identity = self._identities.get_or_load(key, lambda: authorizer.authorize(asked))
        if identity.expires_at is not None and identity.expires_at <= self._clock():
            raise unauthenticated("The credential has expired")
        return identity


def _subject(asked: AccessRequest) -> tuple[str, ...]:
    """Return what an identity is never taken over to: another tenant, area, key, function or method."""
    key_access, function = asked.key_access, asked.function
    name = (function.aws_lambda_arn, function.name) if function else ()
    area = str(asked.context.get("area"))
    return (key_access.endpoint_id, key_access.owner, key_access.api_key, area, asked.method, *name)


def _with_claims(context: Members, identity: CallerIdentity) -> Members:
    """Show the identity where API Gateway shows that of its own authorizers."""
    given = context.get("authorizer")
    before = given if isinstance(given, dict) else {}
    return {**context, "authorizer": {**before, **identity.claims, "principalId": identity.principal}}


@cache
def open_authorization(artefact: str) -> Authorization:
    """Return what authorizes in a gateway whose artefact's root is this folder."""
    return Authorization(shipped_packages(artefact))
