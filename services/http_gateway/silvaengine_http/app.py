"""The HTTP gateway's Lambda handler, composed from the environment."""

from functools import cache
from posixpath import dirname

from silvaengine.authorization.admission import open_admission
from silvaengine.aws.lambda_invoker import Invoker, open_invoker
from silvaengine.ledger.digests import open_digests
from silvaengine.ledger.dispatch import Dispatcher
from silvaengine.ledger.payload_store import open_payload_store
from silvaengine.ledger.store import open_ledger
from silvaengine.observability.alerts import open_alert_publisher
from silvaengine.observability.handler import lambda_handler
from silvaengine.observability.logging import configure_logging
from silvaengine.protocol.json_codec import encode
from silvaengine.settings import Settings
from silvaengine.websocket.broadcast_tokens import broadcast_token_issuer
from silvaengine_http.executions import Executions
from silvaengine_http.gateway import Gateway
from silvaengine_http.handler import HttpHandler
from silvaengine_http.request import HttpCall

ARTEFACT = dirname(dirname(__file__))


def compose(settings: Settings, invoker: Invoker) -> HttpHandler:
    """Return what serves the deployment's events; it invokes workers through ``invoker``."""
    payloads, issue_token = open_payload_store(settings), broadcast_token_issuer(settings)
    executions = Executions(
        open_ledger(settings),
        Dispatcher(invoker, payloads, issue_token),
        payloads,
        open_digests(settings),
        settings.worker_timeout_seconds,
    )
    admission = open_admission(settings, ARTEFACT)
    gateway = Gateway(settings, admission, invoker, executions, issue_token)
    return HttpHandler(settings, admission.registry, gateway, open_alert_publisher(settings))


@cache
def _deployed() -> HttpHandler:
    settings = Settings.from_environment()
    configure_logging(settings)
    return compose(settings, open_invoker(settings))


handler = lambda_handler("http", HttpCall, _deployed, encode)
