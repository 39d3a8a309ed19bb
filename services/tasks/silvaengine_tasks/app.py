"""The tasks Lambda, composed: a new source is one module and one line in ``create_sources``."""

from functools import cache, partial

from silvaengine.aws.table_client import open_table_writer
from silvaengine.ledger.digests import open_digests
from silvaengine.ledger.dispatch import Dispatcher
from silvaengine.ledger.large_payloads import open_worker_invoker
from silvaengine.ledger.payload_store import open_payload_store
from silvaengine.ledger.store import open_ledger
from silvaengine.observability.alerts import open_alert_publisher
from silvaengine.observability.logging import configure_logging
from silvaengine.registry.generation import raise_generation
from silvaengine.registry.registry import open_registry
from silvaengine.settings import Settings
from silvaengine.websocket.broadcast_tokens import broadcast_token_issuer
from silvaengine_tasks.bindings import Bindings
from silvaengine_tasks.calls import FunctionCaller
from silvaengine_tasks.claims import Claims
from silvaengine_tasks.events import create_handler
from silvaengine_tasks.hooks import CallHooks
from silvaengine_tasks.sources import AliasSource, Source
from silvaengine_tasks.sources.cognito import CognitoSource
from silvaengine_tasks.sources.direct import DirectSource
from silvaengine_tasks.sources.earlier_sweeps import EarlierSweeps
from silvaengine_tasks.sources.eventbridge import EventBridgeSource
from silvaengine_tasks.sources.lex import LexSource
from silvaengine_tasks.sources.s3 import S3Source
from silvaengine_tasks.sources.sns import SnsSource
from silvaengine_tasks.sources.sqs import SqsQueues, SqsSource
from silvaengine_tasks.sources.streams import StreamSource


def create_sources(
    functions: FunctionCaller, bindings: Bindings, sqs_source: SqsSource, settings: Settings
) -> tuple[Source, ...]:
    """Return the sources of events; the first one that matches an event serves it."""
    sources: tuple[Source, ...] = (
        sqs_source,
        S3Source(functions, bindings),
        StreamSource(functions, bindings, settings.stream_endpoint_id),
        SnsSource(functions, bindings),
        EventBridgeSource(functions, bindings),
        CognitoSource(functions, settings.worker_arn),
        LexSource(functions),
    )
    if settings.announces_rows:
        from silvaengine_tasks.sources.registry import RegistrySource  # lazy: only such a stack needs it

        announce = partial(raise_generation, open_table_writer(settings))
        sources = (RegistrySource(settings.table_prefix, announce), *sources)
    if not settings.events_by_name:
        sources = tuple(map(AliasSource, sources))
    return (*sources, DirectSource(functions), EarlierSweeps())


def _open_sources(settings: Settings) -> tuple[Source, ...]:
    ledger, registry = open_ledger(settings), open_registry(settings)
    invoker, alerts = open_worker_invoker(settings), open_alert_publisher(settings)
    payloads, issue_token = open_payload_store(settings), broadcast_token_issuer(settings)
    dispatcher = Dispatcher(invoker, payloads, issue_token, registry.function_for_entry)
    claims = Claims(ledger, open_digests(settings), payloads, settings.worker_timeout_seconds)
    bindings, hooks = Bindings(registry), CallHooks(registry, invoker)
    functions = FunctionCaller(registry, invoker, dispatcher, claims, alerts, hooks, issue_token)
    queues = SqsSource(functions, bindings, SqsQueues(settings.region))
    return create_sources(functions, bindings, queues, settings)


@cache
def _deployed_sources() -> tuple[Source, ...]:
    settings = Settings.from_environment()
    configure_logging(settings)
    return _open_sources(settings)


handler = create_handler(_deployed_sources)
