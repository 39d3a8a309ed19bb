"""Admission of a call: what its API key opens, if limits, addresses and scopes of tenant and key allow it.

Cached limits are charged in the same Redis round trip that checks the registry's generation, so that counting
takes none of its own; only an instance's first call with a key, and the first one after a change, does.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache, lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from silvaengine.errors import RequestError
from silvaengine.registry.model import Function, KeyAccess
from silvaengine.registry.registry import Registry, open_registry
from silvaengine.settings import Settings

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

    from silvaengine.access.rate_limits import RateLimiter
    from silvaengine.authorization.authorization import Authorization

NO_RATE_HEADERS: Mapping[str, str] = MappingProxyType({})


class Admission:
    """Says what a caller may do at all, before anything is called.

    Args:
        registry: finds the rows of keys and functions.
        open_limiter: returns the rate limiter; called only for tenants and keys with limits.
        open_authorization: returns the authorizers; called only for functions with ``auth_required``, and
            for handshakes and hooks of sockets.
    """

    def __init__(
        self,
        registry: Registry,
        open_limiter: "Callable[[], RateLimiter]",
        open_authorization: "Callable[[], Authorization]",
    ) -> None:
        self.registry = registry
        self.open_authorization = open_authorization
        self._open_limiter = open_limiter

    def admit(
        self,
        endpoint_id: str,
        api_key: str,
        area: str,
        stage: str | None = None,
        *,
        is_row_key: bool = False,
        is_counted: bool = True,
    ) -> tuple[KeyAccess, Mapping[str, str]]:
        """Return what a key opens at an endpoint, and the headers that say what is left of its limits.

        Area, stage (the deployment's by default) and endpoint name the gateway's own settings. With
        ``is_row_key`` the key is the row key of one that was checked before, as a socket's is. Limits are
        neither checked nor charged unless the call ``is_counted``.

        Raises:
            RequestError: 429, a limit is reached; and what ``Registry.key_access`` raises.
        """
        registry = self.registry
        limits = (registry.recent_limits.get((endpoint_id, api_key)) if is_counted else None) or ()
        reply = registry.refresh(self._open_limiter().command(limits) if limits else None)
        find = registry.key_access_by_row if is_row_key else registry.key_access
        key_access = find(endpoint_id, api_key, area, stage)
        if not is_counted or not key_access.limits:
            return key_access, NO_RATE_HEADERS
        charge = reply if key_access.limits == limits else None
        return key_access, self._open_limiter().admit(key_access.limits, charge)

    def function(self, key_access: KeyAccess, name: str, area: str) -> Function:
        """Return one of the functions that a key opens.

        Raises:
            RequestError: 403, it is in another area; and what ``Registry.client_function`` raises.
        """
        function = self.registry.client_function(key_access, name)
        if function.area != area:
            raise RequestError(f"Function {function.name!r} is not in area {area!r}", status=403)
        return function


def open_admission(settings: Settings, artefact: str) -> Admission:
    """Return a deployment's admission, for the gateway whose artefact's root is this folder."""
    registry = open_registry(settings)

    @cache
    def open_limiter() -> "RateLimiter":
        from silvaengine.access.rate_limits import open_rate_limiter  # lazy: only a key with limits needs it

        return open_rate_limiter(settings, registry.budget)

    def authorization() -> "Authorization":
        # lazy: only a function with ``auth_required`` needs it, a handshake or a hook
        from silvaengine.authorization.authorization import open_authorization

        return open_authorization(artefact, registry.budget)

    return Admission(registry, open_limiter, authorization)


def check_access(key_access: KeyAccess, scope: str, name: str, context: Mapping[str, Any]) -> None:
    """Check that a key is used from an allowed address and has a scope, empty for none; raises RequestError.

    ``context`` is an event's requestContext, in which API Gateway says who sent the request; a refusal has
    the ``name`` of what is called.
    """
    if key_access.allowlist and not _is_listed(key_access.allowlist, context):
        raise RequestError("This API key is not allowed from this IP address", status=403)
    if scope and not key_access.may(scope):
        raise RequestError(f"This API key is not allowed to call {name}", status=403)


def _is_listed(allowlist: tuple[str, ...], context: Mapping[str, Any]) -> bool:
    """Return whether the caller's address is on a list; without an address it isn't."""
    from ipaddress import ip_address  # lazy: only a key with an allowlist needs it

    for name in ("identity", "http"):  # payload 1.0 and sockets, payload 2.0
        source = context.get(name)
        if isinstance(source, Mapping) and isinstance(text := source.get("sourceIp"), str):
            try:
                address = ip_address(text)
            except ValueError:
                return False
            address = getattr(address, "ipv4_mapped", None) or address
            return any(address in network for network in _networks(allowlist))
    return False


@lru_cache(maxsize=1024)
def _networks(allowlist: tuple[str, ...]) -> "list[IPv4Network | IPv6Network]":
    """Return the networks of a list; an entry that is neither an address nor a CIDR matches nothing."""
    from ipaddress import ip_network  # lazy: likewise

    networks = []
    for text in allowlist:
        with suppress(ValueError):
            networks.append(ip_network(text, strict=False))
    return networks
