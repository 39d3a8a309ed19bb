"""The sweeper's handler: a Lambda of its own, so that it and functions' calls don't wait for each other."""

from collections.abc import Callable
from functools import cache

from silvaengine.ledger.dispatch import Dispatcher
from silvaengine.ledger.large_payloads import open_worker_invoker
from silvaengine.ledger.payload_store import open_payload_store
from silvaengine.ledger.store import open_ledger
from silvaengine.observability.alerts import open_alert_publisher
from silvaengine.observability.handler import Handler, LambdaEvent, lambda_handler
from silvaengine.observability.logging import configure_logging
from silvaengine.registry.registry import open_registry
from silvaengine.settings import Settings
from silvaengine.websocket.broadcast_tokens import broadcast_token_issuer
from silvaengine_tasks.sweeper import Sweeper, open_dead_letter_queue


def create_handler(open_sweeper: Callable[[], Sweeper]) -> Handler:
    """Return a Lambda handler that runs a sweeper, which is opened at its first event, for any event."""
    return lambda_handler("sweeper", LambdaEvent, lambda: open_sweeper().serve)


@cache
def _deployed_sweeper() -> Sweeper:
    settings = Settings.from_environment()
    configure_logging(settings)
    dispatcher = Dispatcher(
        open_worker_invoker(settings), open_payload_store(settings), broadcast_token_issuer(settings)
    )
    return Sweeper(
        open_ledger(settings),
        open_registry(settings),
        dispatcher,
        open_dead_letter_queue(settings),
        open_alert_publisher(settings),
    )


handler = create_handler(_deployed_sweeper)
