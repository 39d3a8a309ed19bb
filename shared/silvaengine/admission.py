"""The connection that a call comes by, once limits, addresses and grants of its tenant and key let it in.

What is known of the limits goes to Redis with the look at the registry, so that counting takes no round trip
of its own; only an instance's first call of a key, and the first one after a change, does.
"""

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from silvaengine.errors import RequestError
from silvaengine.registry import Connection, Registry
from silvaengine.settings import Settings

if TYPE_CHECKING:
    from silvaengine.limits import Limiter

UNLIMITED: Mapping[str, str] = MappingProxyType({})


def admitted(
    registry: Registry,
    open_limiter: "Callable[[], Limiter] | None",
    endpoint_id: str,
    api_key: str,
    area: str,
    stage: str | None = None,
    *,
    is_known: bool = False,
) -> tuple[Connection, Mapping[str, str]]:
    """Give what a key opens at an endpoint, and the headers that say how much is left of its limits.

    Args:
        registry: looks whether it has changed, and finds the connection.
        open_limiter: gives what counts; not called for those without a limit. None counts nothing.
        endpoint_id: the tenant.
        api_key: the caller's.
        area: with stage and endpoint it names the gateway's own settings.
        stage: the API's; the deployment's when absent.
        is_known: whether ``api_key`` is what a checked key's row is named by, as a socket's is.

    Raises:
        RequestError: 429, a limit is reached; and what ``Registry.connection`` raises.
    """
    known = registry.known_limits(endpoint_id, api_key)
    reply = registry.refresh(open_limiter().command(known) if open_limiter and known else None)
    find = registry.known_connection if is_known else registry.connection
    connection = find(endpoint_id, api_key, area, stage)
    if open_limiter is None or not connection.limits:
        return connection, UNLIMITED
    counted = reply if connection.limits == known else None
    return connection, open_limiter().admit(connection.limits, counted)


def check_access(connection: Connection, grant: str, what: str, context: Mapping[str, Any]) -> None:
    """Let a key pass that may do what it is about to do, and from where it is used.

    Args:
        connection: what the key opens.
        grant: that it needs, empty for none.
        what: names what it asks for in the refusal.
        context: an event's requestContext, in which API Gateway says who sent the request.

    Raises:
        RequestError: 403.
    """
    if connection.whitelist:
        from silvaengine.whitelist import check_address  # noqa: PLC0415 - few keys have one

        check_address(connection.whitelist, context)
    if grant and not connection.may(grant):
        raise RequestError(f"This API key may not call {what}", status=403)


@cache
def deployed_limiter() -> "Limiter":
    """Give what counts this deployment's calls."""
    from silvaengine.limits import open_limiter  # noqa: PLC0415 - most tenants have no limit

    return open_limiter(Settings.from_environment())
