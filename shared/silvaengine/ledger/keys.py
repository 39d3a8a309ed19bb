"""What becomes of an idempotency key: its row's id, which nobody can make without the gateways' secret."""

import hmac
import json
from collections.abc import Callable
from functools import cache
from hashlib import sha256

from silvaengine.secrets import open_lookups
from silvaengine.settings import Settings, needed


class Keys:
    """Makes digests under a secret.

    Args:
        secret: gives the secret; called at the first use.
    """

    def __init__(self, secret: Callable[[], bytes]) -> None:
        self._secret = secret

    def digest(self, *parts: str | None) -> str:
        """Give 64 hex digits for these parts; no other parts have the same."""
        return hmac.new(self._secret(), json.dumps(parts).encode(), sha256).hexdigest()


def plain_digest(*parts: str | None) -> str:
    """Give the same without a secret, for what nobody has to be kept from making."""
    return sha256(json.dumps(parts).encode()).hexdigest()


def open_keys(settings: Settings) -> Keys:
    """Give what makes digests under the deployment's secret, which is read once."""

    @cache
    def secret() -> bytes:
        secret_id = needed(settings.ledger_secret, "LEDGER_SECRET")
        return open_lookups(settings.region)["secretsmanager"](secret_id).encode()

    return Keys(secret)
