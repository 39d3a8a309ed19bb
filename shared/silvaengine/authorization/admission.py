"""The connection that a call comes by, once limits, addresses and grants of its tenant and key let it in.

What is known of the limits goes to Redis with the look at the registry, so that counting takes no round trip
of its own; only an instance's first call of a key, and the first one after a change, does.
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

UNLIMITED: Mapping[str, str] = MappingProxyType({})


def admit(
    registry: Registry,
    open_rate_limiter: "Callable[[], RateLimiter] | None",
    endpoint_id: str,
    api_key: str,
    area: str,
    stage: str | None = None,
    *,
    is_known: bool = False,
) -> tuple[KeyAccess, Mapping[str, str]]:
    """Return what a key opens at an endpoint, and the headers that say how much is left of its limits.

    Args:
        registry: looks whether it has changed, and finds the connection.
        open_rate_limiter: returns what counts; not called for those without a limit. None counts nothing.
        endpoint_id: the tenant.
        api_key: the caller's.
        area: with stage and endpoint it names the gateway's own settings.
        stage: the API's; the deployment's when absent.
        is_known: whether ``api_key`` is what a checked key's row is named by, as a socket's is.

    Raises:
        RequestError: 429, a limit is reached; and what ``Registry.connection`` raises.
    """
    known = registry.known_limits(endpoint_id, api_key)
    reply = registry.refresh(open_rate_limiter().command(known) if open_rate_limiter and known else None)
    find = registry.known_key_access if is_known else registry.key_access
    key_access = find(endpoint_id, api_key, area, stage)
    if open_rate_limiter is None or not key_access.limits:
        return key_access, UNLIMITED
    counted = reply if key_access.limits == known else None
    return key_access, open_rate_limiter().admit(key_access.limits, counted)


def check_access(key_access: KeyAccess, grant: str, what: str, context: Mapping[str, Any]) -> None:
    """Let a key pass that may do what it is about to do, and from where it is used.

    Args:
        key_access: what the key opens.
        grant: that it needs, empty for none.
        what: names what it asks for in the refusal.
        context: an event's requestContext, in which API Gateway says who sent the request.

    Raises:
        RequestError: 403.
    """
    if key_access.whitelist:
        from silvaengine.authorization.allowlist import check_address  # few keys have one

        check_address(key_access.whitelist, context)
    if grant and not key_access.may(grant):
        raise RequestError(f"This API key may not call {what}", status=403)


@cache
def process_limiter() -> "RateLimiter":
    """Return what counts this deployment's calls."""
    from silvaengine.access.rate_limits import open_rate_limiter  # most tenants have no limit

    return open_rate_limiter(Settings.from_environment())
