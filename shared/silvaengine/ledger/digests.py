"""Digests under a secret that the gateways and tasks share, but not the worker.

So functions can't forge a row's id.
"""

import hmac
import json
from collections.abc import Callable
from functools import cache
from hashlib import sha256

from silvaengine.aws.secrets import open_lookups
from silvaengine.settings import Settings, require


class Digests:
    """Digests under a secret.

    Args:
        secret: returns the secret; called at the first use.
    """

    def __init__(self, secret: Callable[[], bytes]) -> None:
        self._secret = secret

    def digest(self, *parts: str | None) -> str:
        """Return 64 hex digits that belong to these parts alone."""
        return hmac.new(self._secret(), json.dumps(parts).encode(), sha256).hexdigest()


def plain_digest(*parts: str | None) -> str:
    """Return 64 hex digits for these parts without a secret, where a forged digest does no harm."""
    return sha256(json.dumps(parts).encode()).hexdigest()


def open_digests(settings: Settings) -> Digests:
    """Return digests under the deployment's secret, which is read once."""

    @cache
    def secret() -> bytes:
        secret_id = require(settings.ledger_secret, "LEDGER_SECRET")
        return open_lookups(settings.region)["secretsmanager"](secret_id).encode()

    return Digests(secret)
