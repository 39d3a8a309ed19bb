"""The tasks Lambda's door: each event goes to the source that knows it; one that none knows fails.

A failure is raised, so that the event's source keeps it: an answer would mean success. A new source is one
module and one line in ``sources_of``.
"""

from collections.abc import Callable, Mapping
from functools import cache
from os import urandom
from typing import Any

from silvaengine.aws.lambda_invoker import open_invoker
from silvaengine.errors import ConfigurationError, RequestError
from silvaengine.ledger.digests import open_digests
from silvaengine.ledger.dispatch import Dispatcher
from silvaengine.ledger.payload_store import open_payload_store
from silvaengine.ledger.store import open_ledger
from silvaengine.observability.alerts import open_alert_publisher
from silvaengine.observability.logging import InvocationLog, configure_logging
from silvaengine.protocol.json_codec import encode
from silvaengine.registry.registry import open_registry
from silvaengine.settings import Settings
from silvaengine.websocket.broadcast_tokens import broadcast_token_issuer
from silvaengine_tasks import sweeper
from silvaengine_tasks.bindings import Bindings
from silvaengine_tasks.calls import Caller
from silvaengine_tasks.claims import Claims
from silvaengine_tasks.dead_letters import open_dead_letters
from silvaengine_tasks.hooks import CallHooks
from silvaengine_tasks.sources import cognito, direct, eventbridge, lex, s3, sns, sqs, streams

type Event = Mapping[str, Any]
type Serve = Callable[[Event, Any, InvocationLog], Any]
type Source = tuple[Callable[[Event], bool], Serve]


def create_handler(sources: tuple[Source, ...]) -> Callable[[Event, Any], Any]:
    """Return a Lambda handler for these sources: what tells their events, and what serves them."""

    def handle(event: Event, context: Any) -> Any:  # noqa: ANN401 - Lambda's context, any result
        line = InvocationLog("tasks", encode)
        request_id = urandom(16).hex()
        line.add(request_id=request_id, status=500)
        try:
            for knows, serve in sources if isinstance(event, Mapping) else ():
                if knows(event):
                    answer = serve(event, context, line)
                    line.add(status=200)
                    return answer
            line.add(status=501)
            raise ConfigurationError(f"Event source not supported (request {request_id})")
        except RecursionError:
            raise RequestError("The event is nested too deeply") from None
        finally:
            line.emit()

    return handle


def sources_of(
    caller: Caller, routes: Bindings, queues: sqs.Queues, settings: Settings
) -> tuple[Source, ...]:
    """Return the sources of events; the first that knows one serves it."""
    return (
        (sqs.is_batch, queues.serve),
        (s3.is_notification, s3.Buckets(caller, routes).serve),
        (streams.is_batch, streams.Streams(caller, routes, settings.stream_endpoint_id).serve),
        (sns.is_notification, sns.Topics(caller, routes).serve),
        (eventbridge.is_event, eventbridge.Rules(caller, routes).serve),
        (cognito.is_trigger, cognito.UserPools(caller, settings.worker_arn).serve),
        (lex.is_turn, lex.Bots(caller).serve),
        (direct.is_call, direct.Direct(caller).serve),
    )


def _open_sources(settings: Settings) -> tuple[Source, ...]:
    ledger, registry = open_ledger(settings), open_registry(settings)
    invoker, alerts = open_invoker(settings), open_alert_publisher(settings)
    payloads, grant = open_payload_store(settings), broadcast_token_issuer(settings)
    dispatcher = Dispatcher(invoker, payloads, grant)
    sweep = sweeper.Sweeper(ledger, registry, dispatcher, open_dead_letters(settings), alerts)
    claims = Claims(ledger, open_digests(settings), payloads, settings.worker_timeout_seconds)
    routes, hooks = Bindings(registry), CallHooks(registry, invoker)
    caller = Caller(registry, invoker, dispatcher, claims, alerts, hooks, grant)
    queues = sqs.open_queues(settings, caller, routes)
    return ((sweeper.is_schedule, sweep.serve), *sources_of(caller, routes, queues, settings))


@cache
def _deployed() -> Callable[[Event, Any], Any]:
    settings = Settings.from_environment()
    configure_logging(settings)
    return create_handler(_open_sources(settings))


def handler(event: Event, context: Any) -> Any:  # noqa: ANN401 - Lambda hands over anything
    """Serve an event of a source; raises what its source shall take for a failure."""
    return _deployed()(event, context)
