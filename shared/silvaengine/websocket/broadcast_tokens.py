"""Grants: what lets a call's function speak to the open connections of its tenant, and of no other.

All tenants' functions share the worker's role, so the role can't say for whom a worker asks the broadcaster.
A grant can: the gateways make it under a secret that the worker doesn't have, for one tenant and an hour or
two, and only for functions whose registry row says that they broadcast.
"""

import hmac
import time
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from silvaengine.errors import RequestError
from silvaengine.registry.model import Function

if TYPE_CHECKING:
    from silvaengine.ledger.digests import Digests
    from silvaengine.ledger.dispatch import TokenIssuer
    from silvaengine.settings import Settings

HOUR = 3600


class BroadcastTokens:
    """Makes and checks grants.

    Args:
        keys: makes digests under the deployment's secret.
        clock: epoch seconds.

    """

    def __init__(self, keys: "Digests", clock: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._clock = clock

    def of(self, endpoint_id: str) -> str:
        """Return a tenant's grant, good for an hour at the least."""
        end = (int(self._clock()) // HOUR + 2) * HOUR
        return f"{end}.{self._digest(endpoint_id, end)}"

    def check(self, endpoint_id: str, grant: str) -> None:
        """Refuse what isn't this tenant's grant.

        Raises:
            RequestError: 403.

        """
        end, _, digest = grant.partition(".")
        is_current = end.isdecimal() and len(end) < 12 and self._clock() < int(end)
        if not is_current or not hmac.compare_digest(
            digest.encode(), self._digest(endpoint_id, int(end)).encode()
        ):
            raise RequestError("This call may not broadcast for this endpoint", status=403)

    def _digest(self, endpoint_id: str, end: int) -> str:
        return self._keys.digest("broadcast", endpoint_id, str(end))


def broadcast_token_issuer(settings: "Settings") -> "TokenIssuer":
    """Return what makes the grants of a gateway's calls; the secret is read at the first one."""
    grants = cache(lambda: open_broadcast_tokens(settings))

    def grant(function: Function, endpoint_id: str) -> str | None:
        return grants().of(endpoint_id) if function.broadcasts else None

    return grant


def open_broadcast_tokens(settings: "Settings") -> BroadcastTokens:
    """Return the deployment's grants."""
    from silvaengine.ledger.digests import open_digests  # few functions broadcast

    return BroadcastTokens(open_digests(settings))
