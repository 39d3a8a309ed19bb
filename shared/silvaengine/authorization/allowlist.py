"""The addresses from which an API key may be used."""

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from silvaengine.errors import RequestError

type Network = IPv4Network | IPv6Network


def check_address(allowlist: tuple[str, ...], context: Mapping[str, Any]) -> None:
    """Check that the caller's address is on a key's list.

    Args:
        allowlist: addresses and CIDRs; an entry that is neither matches nothing.
        context: an event's requestContext, in which API Gateway says who sent the request.

    Raises:
        RequestError: 403, the address isn't on the list, or there is none.
    """
    address = _address(context)
    if address is None or not any(address in network for network in _networks(allowlist)):
        raise RequestError("This API key is not allowed from this IP address", status=403)


def _address(context: Mapping[str, Any]) -> IPv4Address | IPv6Address | None:
    for name in ("identity", "http"):  # payload 1.0 and sockets, payload 2.0
        source = context.get(name)
        if isinstance(source, Mapping) and isinstance(text := source.get("sourceIp"), str):
            try:
                address = ip_address(text)
            except ValueError:
                return None
            return getattr(address, "ipv4_mapped", None) or address
    return None


@lru_cache(maxsize=1024)
def _networks(allowlist: tuple[str, ...]) -> tuple[Network, ...]:
    networks = []
    for text in allowlist:
        try:
            networks.append(ip_network(text, strict=False))
        except ValueError:
            continue
    return tuple(networks)
