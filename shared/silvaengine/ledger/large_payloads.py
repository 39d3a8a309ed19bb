"""Payloads for workers that are larger than Lambda takes: settings and content go through the bucket.

The worker fetches them by a URL, as it does a content that is too large for an event.
"""

import json
from os import urandom
from typing import TYPE_CHECKING

from silvaengine.aws.lambda_invoker import LambdaInvoker, open_invoker, too_large
from silvaengine.errors import ConfigurationError
from silvaengine.protocol.json_codec import encode
from silvaengine.protocol.messages import SYNC_LIMIT
from silvaengine.settings import Settings

if TYPE_CHECKING:
    from silvaengine.ledger.payload_store import PayloadStore

PREFIX = "calls/payloads/"  # of the objects' keys: the bucket deletes them after a day
MOVED = ("setting", "params", "body", "context", "aws_event", "aws_context")


def open_worker_invoker(settings: Settings) -> LambdaInvoker:
    """Return the invoker of the deployment's workers."""

    def fit(payload: str, limit: int) -> str:
        from silvaengine.ledger.payload_store import open_payload_store  # lazy: few payloads are that large

        return move_settings(payload, limit, open_payload_store(settings))

    return open_invoker(settings, fit)


def move_settings(payload: str, limit: int, payloads: "PayloadStore") -> str:
    """Return a payload that has a URL in the place of its settings and content.

    Args:
        payload: JSON text of a call, larger than the limit.
        limit: bytes.
        payloads: where settings and content are stored.

    Raises:
        RequestError: 413, the content alone is too large for any payload.
        ConfigurationError: there is no bucket; ``detail`` names the function, and how large its settings are.
    """
    members = json.loads(payload)
    moved = {name: members.pop(name) for name in MOVED if name in members}
    settings_size = len(encode(moved.get("setting", "")).encode())
    content_size = len(payload.encode()) - settings_size
    if content_size > SYNC_LIMIT:
        raise too_large(content_size, SYNC_LIMIT)
    if not payloads.exists:
        detail = (
            f"{members['funct']!r}: its settings have {settings_size} bytes and its content {content_size},"
            f" together more than the {limit} that Lambda takes, and PAYLOAD_BUCKET is not set"
        )
        raise ConfigurationError("The function is misconfigured", detail=detail)
    key = PREFIX + urandom(16).hex()
    payloads.put(key, encode(moved))
    return encode({**members, "content_url": payloads.url(key)})
