"""Broadcast tokens: a call's proof that it may push to its tenant's open connections, and to no other's.

All tenants' functions share the worker's role, so the role can't say for which tenant a worker calls the
broadcaster. A token can: the gateways and tasks sign it with a secret that the worker doesn't have, for one
tenant and an hour or two, and only for functions with ``broadcasts`` in their registry row.
"""

import hmac
import time
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from silvaengine.errors import RequestError

if TYPE_CHECKING:
    from silvaengine.ledger.digests import Digests
    from silvaengine.ledger.dispatch import TokenIssuer
    from silvaengine.settings import Settings

HOUR = 3600


class BroadcastTokens:
    """Issues and checks tokens.

    Args:
        digests: digests under the deployment's secret.
        clock: returns epoch seconds.

    """

    def __init__(self, digests: "Digests", clock: Callable[[], float] = time.time) -> None:
        self._digests = digests
        self._clock = clock

    def issue(self, endpoint_id: str) -> str:
        """Return a token for a tenant, valid for at least an hour."""
        end = (int(self._clock()) // HOUR + 2) * HOUR
        return f"{end}.{self._digest(endpoint_id, end)}"

    def check(self, endpoint_id: str, token: str) -> None:
        """Check that a token is valid for a tenant.

        Raises:
            RequestError: 403.

        """
        end, _, digest = token.partition(".")
        is_current = end.isdecimal() and len(end) < 12 and self._clock() < int(end)
        if not is_current or not hmac.compare_digest(
            digest.encode(), self._digest(endpoint_id, int(end)).encode()
        ):
            raise RequestError("This call is not allowed to broadcast for this endpoint", status=403)

    def _digest(self, endpoint_id: str, end: int) -> str:
        return self._digests.digest("broadcast", endpoint_id, str(end))


def broadcast_token_issuer(settings: "Settings") -> "TokenIssuer":
    """Return what issues tokens of tenants; the secret is read at the first one."""
    tokens = cache(lambda: open_broadcast_tokens(settings))
    return lambda endpoint_id: tokens().issue(endpoint_id)


def open_broadcast_tokens(settings: "Settings") -> BroadcastTokens:
    """Return the deployment's broadcast tokens."""
    from silvaengine.ledger.digests import open_digests  # lazy: only a function that broadcasts needs it

    return BroadcastTokens(open_digests(settings))
