"""The HTTP gateway's Lambda handler, composed from the environment."""

from functools import cache
from posixpath import dirname
from typing import TYPE_CHECKING

from silvaengine.authorization.admission import open_admission
from silvaengine.aws.lambda_invoker import Invoker
from silvaengine.ledger.large_payloads import open_worker_invoker
from silvaengine.observability.alerts import open_alert_publisher
from silvaengine.observability.handler import lambda_handler
from silvaengine.observability.logging import configure_logging
from silvaengine.protocol.json_codec import encode
from silvaengine.settings import Settings
from silvaengine.websocket.broadcast_tokens import broadcast_token_issuer
from silvaengine_http.gateway import Gateway
from silvaengine_http.handler import HttpHandler
from silvaengine_http.request import HttpCall

if TYPE_CHECKING:
    from silvaengine_http.executions import Executions

ARTEFACT = dirname(dirname(__file__))


def compose(settings: Settings, invoker: Invoker) -> HttpHandler:
    """Return what serves the deployment's events; it invokes workers through ``invoker``."""
    admission, issue_token = open_admission(settings, ARTEFACT), broadcast_token_issuer(settings)

    @cache
    def open_executions() -> "Executions":
        from silvaengine_http import executions  # lazy: only what the ledger holds needs it

        return executions.open_executions(settings, invoker, issue_token, admission.registry)

    gateway = Gateway(settings, admission, invoker, open_executions, issue_token)
    return HttpHandler(settings, admission.registry, gateway, open_alert_publisher(settings))


@cache
def _deployed() -> HttpHandler:
    settings = Settings.from_environment()
    configure_logging(settings)
    return compose(settings, open_worker_invoker(settings))


handler = lambda_handler("http", HttpCall, _deployed, encode)
