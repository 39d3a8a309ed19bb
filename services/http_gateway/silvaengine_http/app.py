"""The HTTP gateway's door: settings become objects, objects become the handler, failures become answers."""

import logging
import time
from collections.abc import Callable
from functools import cache
from os import urandom
from typing import TYPE_CHECKING, Any

from silvaengine.authorization.admission import process_limiter
from silvaengine.aws.lambda_invoker import LambdaInvoker, open_invoker
from silvaengine.errors import RequestError, SilvaEngineError
from silvaengine.ledger.digests import open_digests
from silvaengine.ledger.dispatch import Dispatcher
from silvaengine.ledger.payload_store import open_payload_store
from silvaengine.ledger.store import open_ledger
from silvaengine.observability.alerts import AlertPublisher, open_alert_publisher
from silvaengine.observability.logging import InvocationLog, configure_logging
from silvaengine.protocol.json_codec import encode
from silvaengine.registry.registry import Registry, open_registry
from silvaengine.settings import Settings
from silvaengine.websocket.broadcast_tokens import broadcast_token_issuer
from silvaengine_http.call import HttpCall, deadline
from silvaengine_http.cors import cors_of
from silvaengine_http.executions import Executions
from silvaengine_http.gateway import Gateway, deployed_authorization
from silvaengine_http.request import read_response_format
from silvaengine_http.response import Answer, error_answer, render, with_headers

if TYPE_CHECKING:
    from silvaengine.access.rate_limits import RateLimiter
    from silvaengine.authorization.authorize import Authorization
    from silvaengine.ledger.dispatch import TokenIssuer

type Handler = Callable[[Any, Any], dict[str, Any]]

AUTHORIZER_CALL = "REQUEST"  # the type of an event by which API Gateway asks for a policy alone
OPERATOR = "silvaengine"  # the member of an operator's event; API Gateway's have none of that name

_logger = logging.getLogger(__name__)


def create_handler(
    settings: Settings,
    registry: Registry,
    invoker: LambdaInvoker,
    alerts: AlertPublisher,
    executions: Executions,
    clock: Callable[[], float] = time.time,
    open_authorization: "Callable[[], Authorization]" = deployed_authorization,
    open_limiter: "Callable[[], RateLimiter]" = process_limiter,
    grant: "TokenIssuer | None" = None,
) -> Handler:
    """Return a Lambda handler made of these parts; ``clock`` gives epoch seconds."""
    gateway = Gateway(settings, registry, invoker, executions, open_authorization, open_limiter, grant)

    def handle(event: Any, context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda hands over anything
        if isinstance(event, dict) and OPERATOR in event:
            return operate(registry, event[OPERATOR])
        log = InvocationLog("http", encode)
        call = HttpCall(urandom(16).hex(), event, context, deadline(context, clock()), log)
        if isinstance(event, dict) and event.get("type") == AUTHORIZER_CALL:
            return _policy(gateway, call)
        answer = _answer(gateway, call)
        if answer.status >= 500:
            _notify(alerts, call, answer.status)
        log.add(**call.ids(), status=answer.status)
        log.emit()
        if call.rate:
            answer = with_headers(answer, call.rate)
        return render(answer, read_response_format(event), call.request_id, cors_of(call, registry))

    return handle


def open_handler(settings: Settings, invoker: LambdaInvoker) -> Handler:
    """Return the handler of a deployment; ``invoker`` sends its Invokes."""
    payloads, grant = open_payload_store(settings), broadcast_token_issuer(settings)
    executions = Executions(
        open_ledger(settings),
        Dispatcher(invoker, payloads, grant),
        payloads,
        open_digests(settings),
        settings.worker_timeout_seconds,
    )
    return create_handler(
        settings, open_registry(settings), invoker, open_alert_publisher(settings), executions, grant=grant
    )


@cache
def _deployed() -> Handler:
    settings = Settings.from_environment()
    configure_logging(settings)
    return open_handler(settings, open_invoker(settings))


def handler(event: Any, context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda hands over anything
    """Answer an HTTP event of API Gateway (payload 1.0 or 2.0) or of a Function URL."""
    return _deployed()(event, context)


def operate(registry: Registry, request: Any) -> dict[str, Any]:  # noqa: ANN401 - checked here
    """Carry out what an operator asks by invoking this Lambda; no client of an API can send such an event.

    Args:
        registry: is to be announced.
        request: ``operation`` (``cache_clear``, ``cache_stats``, ``cache_keys`` or ``registry_changed``),
            ``endpoint_id`` (absent for all tenants) and what ``manage_cache`` takes.

    Raises:
        SilvaEngineError: see ``manage_cache``.

    """
    from silvaengine_http.management import manage_cache  # clients' requests do without

    if not isinstance(request, dict):
        raise RequestError(f"{OPERATOR}: expected an object with an operation")
    if request.get("operation") == "registry_changed":
        registry.announce()
        return {"success": True}
    return manage_cache(str(request.get("operation")), request, request.get("endpoint_id"))


def _policy(gateway: Gateway, call: HttpCall) -> dict[str, Any]:
    from silvaengine.authorization.policies import answer_authorizer_call  # few APIs ask

    answer = answer_authorizer_call(call.event, lambda: gateway.permission(call))
    call.log.add(**call.ids(), policy=answer["policyDocument"]["Statement"][0]["Effect"])
    call.log.emit()
    return answer


def _answer(gateway: Gateway, call: HttpCall) -> Answer:
    extra = {"request_id": call.request_id}
    try:
        return gateway.serve(call)
    except SilvaEngineError as error:
        call.log.add(error=type(error).__name__)
        if error.status >= 500:
            _logger.error("%s (%s)", error.message, error.detail, extra=extra)  # noqa: TRY400 - detail says why
        return error_answer(error, call.request_id)
    except Exception as error:
        call.log.add(error=type(error).__name__)
        _logger.exception("Unexpected failure", extra=extra)
        return error_answer(SilvaEngineError("Internal server error"), call.request_id)


def _notify(alerts: AlertPublisher, call: HttpCall, status: int) -> None:
    """Tell the operator which function failed for whom, without what the request or the function said."""
    subject = call.function.aws_lambda_arn if call.function else "silvaengine http gateway"
    message = {"service": "http", "request_id": call.request_id, "status": status}
    if call.target:
        message |= {"endpoint_id": call.target.endpoint_id, "area": call.target.area}
    if call.function:
        message["function"] = call.function.name
    alerts.publish(subject, f"{subject} {message.get('function')} {status}", message)
