"""Admission of a call: what its API key opens, if limits, addresses and scopes of tenant and key allow it.

Cached limits are charged in the same Redis round trip that checks the registry's generation, so that counting
takes none of its own; only an instance's first call with a key, and the first one after a change, does.
"""

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from silvaengine.errors import RequestError
from silvaengine.registry.model import KeyAccess
from silvaengine.registry.registry import Registry
from silvaengine.settings import Settings

if TYPE_CHECKING:
    from silvaengine.access.rate_limits import RateLimiter

NO_RATE_HEADERS: Mapping[str, str] = MappingProxyType({})


def is_authorizer_call(event: object) -> bool:
    """Return whether API Gateway asks for a policy and nothing else; no client can send such an event."""
    return isinstance(event, dict) and event.get("type") == "REQUEST" and requested_arn(event) != ""


def requested_arn(event: Mapping[str, Any]) -> str:
    """Return the ARN for which an authorizer call asks a policy; empty for any other event."""
    return str(event.get("methodArn") or event.get("routeArn") or "")


def admit(
    registry: Registry,
    open_limiter: "Callable[[], RateLimiter] | None",
    endpoint_id: str,
    api_key: str,
    area: str,
    stage: str | None = None,
    *,
    is_row_key: bool = False,
) -> tuple[KeyAccess, Mapping[str, str]]:
    """Return what a key opens at an endpoint, and the headers that say what is left of its limits.

    Args:
        registry: finds the key's row; checked for changes first.
        open_limiter: returns the rate limiter, called only for keys with limits; None checks and counts
            nothing.
        endpoint_id: the tenant.
        api_key: the caller's key.
        area: with stage and endpoint it names the gateway's own settings.
        stage: the API's stage; the deployment's by default.
        is_row_key: whether ``api_key`` is the row key of a key that was checked before, as a socket's is.

    Raises:
        RequestError: 429, a limit is reached; and what ``Registry.key_access`` raises.
    """
    limits = registry.recent_limits(endpoint_id, api_key)
    reply = registry.refresh(open_limiter().command(limits) if open_limiter and limits else None)
    find = registry.key_access_by_row if is_row_key else registry.key_access
    key_access = find(endpoint_id, api_key, area, stage)
    if open_limiter is None or not key_access.limits:
        return key_access, NO_RATE_HEADERS
    charge = reply if key_access.limits == limits else None
    return key_access, open_limiter().admit(key_access.limits, charge)


def check_access(key_access: KeyAccess, scope: str, name: str, context: Mapping[str, Any]) -> None:
    """Check that a key has a scope and is used from an allowed address.

    Args:
        key_access: what the key opens.
        scope: the scope that the call needs; empty for none.
        name: of what is called, for the refusal.
        context: an event's requestContext, in which API Gateway says who sent the request.

    Raises:
        RequestError: 403.
    """
    if key_access.allowlist:
        # lazy: only a key with an allowlist needs it
        from silvaengine.authorization.allowlist import check_address

        check_address(key_access.allowlist, context)
    if scope and not key_access.may(scope):
        raise RequestError(f"This API key is not allowed to call {name}", status=403)


@cache
def process_limiter() -> "RateLimiter":
    """Return the limiter of this deployment's calls."""
    from silvaengine.access.rate_limits import open_rate_limiter  # lazy: only a key with limits needs it

    return open_rate_limiter(Settings.from_environment())
