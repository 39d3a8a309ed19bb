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
from silvaengine_tasks.canary.watching import Canaries, open_canaries
from silvaengine_tasks.sweeper import Sweeper, open_dead_letter_queue


def create_handler(open_parts: Callable[[], tuple[Canaries, Sweeper]]) -> Handler:
    """Return a Lambda handler that looks at canaries and sweeps, for any event; the first one opens both."""

    def serve(event: LambdaEvent) -> dict[str, int]:
        canaries, sweeper = open_parts()
        canaries.look()
        return sweeper.serve(event)

    return lambda_handler("sweeper", LambdaEvent, lambda: serve)


@cache
def _deployed() -> tuple[Canaries, Sweeper]:
    settings = Settings.from_environment()
    configure_logging(settings)
    dispatcher = Dispatcher(
        open_worker_invoker(settings), open_payload_store(settings), broadcast_token_issuer(settings)
    )
    alerts = open_alert_publisher(settings)
    sweeper = Sweeper(
        open_ledger(settings),
        open_registry(settings),
        dispatcher,
        open_dead_letter_queue(settings),
        alerts,
    )
    return open_canaries(settings, alerts), sweeper


handler = create_handler(_deployed)
