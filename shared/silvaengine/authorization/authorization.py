"""Whether a request may call its function, as whom, and what the function is shown of that."""

import time
from collections.abc import Callable
from functools import cache

from silvaengine.authorization.authorizers import authorizer_of
from silvaengine.authorization.key_sets import Fetch, KeySets, fetch
from silvaengine.authorization.model import (
    AccessRequest,
    Authorizer,
    CallerIdentity,
    Members,
    Permission,
    denied,
    unauthenticated,
)
from silvaengine.authorization.packages import Packages, shipped_packages
from silvaengine.lru import Budget, LruCache

IDENTITY_SECONDS = 60.0  # how long an identity is cached: a revocation takes effect that late


class Authorization:
    """The authorizers of all endpoints, and the identities that they returned lately.

    Args:
        packages: the operator's own authorizers.
        budget: bounds the identities, and the issuers' keys.
        clock: returns epoch seconds.
        fetch_document: returns the content of a URL; raises OSError.
    """

    def __init__(
        self,
        packages: Packages,
        budget: Budget | int,
        clock: Callable[[], float] = time.time,
        fetch_document: Fetch = fetch,
    ) -> None:
        self.packages = packages
        self._keys = KeySets(fetch_document, budget, clock)
        self._clock = clock
        self._identities = LruCache(IDENTITY_SECONDS, budget, clock)

    def permit(self, request: AccessRequest) -> Permission:
        """Ask the endpoint's authorizer who the caller is and whether it may call the function.

        Raises:
            SilvaEngineError: it may not (401, 403), or the authorizer failed (5xx).
        """
        authorizer = self._authorizer(request)
        identity = self._identity(authorizer, request)
        identified = request._replace(context=_with_claims(request.context, identity))
        return Permission(identity.principal, authorizer.verify_permission(identified))

    def authorize(self, request: AccessRequest) -> Permission:
        """Ask who the caller is, but not for a function's permission; raises like ``permit``.

        At an endpoint without an authorizer the caller is its API key.
        """
        authorizer = self._find(request)
        if authorizer is None:
            return Permission(request.key_access.key_id, request.context)
        identity = self._identity(authorizer, request)
        return Permission(identity.principal, _with_claims(request.context, identity))

    def verify_permission(self, request: AccessRequest, principal: str) -> Permission:
        """Ask whether the caller may call the function; ``request.context`` has its identity already.

        The response may depend on the body and is never cached; raises like ``permit``.
        """
        return Permission(principal, self._authorizer(request).verify_permission(request))

    def _find(self, request: AccessRequest) -> Authorizer | None:
        return authorizer_of(request.key_access.settings, self.packages, self._keys, self._clock)

    def _authorizer(self, request: AccessRequest) -> Authorizer:
        authorizer = self._find(request)
        if authorizer is None:
            raise denied("This function requires an authorizer and none is configured")
        return authorizer

    def _identity(self, authorizer: Authorizer, request: AccessRequest) -> CallerIdentity:
        credential = authorizer.credential(request)
        if credential is None:
            return authorizer.authorize(request)
        key = (_subject(request), credential)
        identity = self._identities.get_or_load(key, lambda: authorizer.authorize(request))
        if identity.expires_at is not None and identity.expires_at <= self._clock():
            raise unauthenticated("The credential has expired")
        return identity


def _subject(request: AccessRequest) -> tuple[str, ...]:
    """Return what a cached identity is bound to: tenant, area, key, function and method."""
    key_access, function = request.key_access, request.function
    name = (function.aws_lambda_arn, function.name) if function else ()
    area = str(request.context.get("area"))
    return (
        key_access.endpoint_id,
        key_access.key_row_endpoint,
        key_access.api_key,
        area,
        request.method,
        *name,
    )


def _with_claims(context: Members, identity: CallerIdentity) -> Members:
    """Add the identity where API Gateway shows that of its own authorizers."""
    authorizer = context.get("authorizer")
    claims = authorizer if isinstance(authorizer, dict) else {}
    return {**context, "authorizer": {**claims, **identity.claims, "principalId": identity.principal}}


@cache
def open_authorization(artefact: str, budget: Budget) -> Authorization:
    """Return the authorization of a gateway whose artefact's root is this folder."""
    return Authorization(shipped_packages(artefact), budget)
