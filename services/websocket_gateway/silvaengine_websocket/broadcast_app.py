"""The broadcaster's Lambda handler, composed from the environment."""

from functools import cache

from silvaengine.observability.handler import LambdaEvent, lambda_handler
from silvaengine.observability.logging import configure_logging
from silvaengine.settings import Settings
from silvaengine.websocket.broadcast_tokens import open_broadcast_tokens
from silvaengine_websocket.broadcast_handler import BroadcastHandler
from silvaengine_websocket.broadcaster import open_broadcaster


@cache
def _deployed() -> BroadcastHandler:
    settings = Settings.from_environment()
    configure_logging(settings)
    return BroadcastHandler(open_broadcaster(settings), open_broadcast_tokens(settings))


handler = lambda_handler("broadcaster", LambdaEvent, _deployed)
