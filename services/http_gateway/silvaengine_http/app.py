"""The HTTP gateway's Lambda handler: builds the gateway, reads events, and turns failures into responses."""

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from os import urandom
from posixpath import dirname
from typing import TYPE_CHECKING, Any

from silvaengine.authorization.admission import is_authorizer_call, process_limiter
from silvaengine.aws.lambda_invoker import Invoker, open_invoker
from silvaengine.errors import RequestError, SilvaEngineError
from silvaengine.ledger.digests import open_digests
from silvaengine.ledger.dispatch import Dispatcher, issue_no_token
from silvaengine.ledger.payload_store import open_payload_store
from silvaengine.ledger.store import open_ledger
from silvaengine.observability.alerts import AlertPublisher, open_alert_publisher
from silvaengine.observability.logging import InvocationLog, configure_logging
from silvaengine.protocol.json_codec import encode
from silvaengine.registry.registry import Registry, open_registry
from silvaengine.settings import Settings
from silvaengine.websocket.broadcast_tokens import broadcast_token_issuer
from silvaengine_http.call import HttpCall, deadline
from silvaengine_http.executions import Executions
from silvaengine_http.gateway import Gateway
from silvaengine_http.headers import cors_of
from silvaengine_http.path import read_path
from silvaengine_http.request import Request, read_method, read_request, read_response_format
from silvaengine_http.response import Response, error_response, render, with_headers

if TYPE_CHECKING:
    from silvaengine.access.rate_limits import RateLimiter
    from silvaengine.authorization.authorization import Authorization
    from silvaengine.authorization.model import Permission
    from silvaengine.ledger.dispatch import TokenIssuer

type Handler = Callable[[object, object], dict[str, Any]]

ARTEFACT = dirname(dirname(__file__))
OPERATION_MEMBER = "silvaengine"  # the member of an operator's event; API Gateway's have none of that name

_logger = logging.getLogger(__name__)


def deployed_authorization() -> "Authorization":
    """Return the authorization of this artefact and its operator's authorizers."""
    # lazy: only a function with ``auth_required`` needs it
    from silvaengine.authorization.authorization import open_authorization

    return open_authorization(ARTEFACT)


def create_handler(
    settings: Settings,
    registry: Registry,
    invoker: Invoker,
    alerts: AlertPublisher,
    executions: Executions,
    clock: Callable[[], float] = time.time,
    open_authorization: "Callable[[], Authorization]" = deployed_authorization,
    open_limiter: "Callable[[], RateLimiter]" = process_limiter,
    issue_token: "TokenIssuer" = issue_no_token,
) -> Handler:
    """Return a Lambda handler built from these parts; ``clock`` returns epoch seconds."""
    gateway = Gateway(settings, registry, invoker, executions, open_authorization, open_limiter, issue_token)

    def handle(event: object, context: object) -> dict[str, Any]:
        log = InvocationLog("http", encode)
        members = event if isinstance(event, Mapping) else {}
        call = HttpCall(urandom(16).hex(), members, context, deadline(context, clock()), log)
        if isinstance(event, dict) and OPERATION_MEMBER in event:
            return _serve_operator(registry, call)
        if is_authorizer_call(event):
            return _serve_authorizer_call(gateway, call)
        method = read_method(members)
        response = _respond(gateway, call, method)
        if response.status >= 500:
            _publish_alert(alerts, call, response.status)
        log.add(**call.ids(), method=method, status=response.status)
        log.emit()
        if call.rate_headers:
            response = with_headers(response, call.rate_headers)
        form = read_response_format(members, method)
        return render(response, form, call.request_id, cors_of(call, registry))

    return handle


def open_handler(settings: Settings, invoker: Invoker) -> Handler:
    """Return the deployment's handler; it invokes workers through ``invoker``."""
    payloads, issue_token = open_payload_store(settings), broadcast_token_issuer(settings)
    executions = Executions(
        open_ledger(settings),
        Dispatcher(invoker, payloads, issue_token),
        payloads,
        open_digests(settings),
        settings.worker_timeout_seconds,
    )
    return create_handler(
        settings,
        open_registry(settings),
        invoker,
        open_alert_publisher(settings),
        executions,
        issue_token=issue_token,
    )


@cache
def _deployed() -> Handler:
    settings = Settings.from_environment()
    configure_logging(settings)
    return open_handler(settings, open_invoker(settings))


def handler(event: object, context: object) -> dict[str, Any]:
    """Serve an HTTP event of API Gateway (payload 1.0 or 2.0) or of a Function URL."""
    return _deployed()(event, context)


def _serve_operator(registry: Registry, call: HttpCall) -> dict[str, Any]:
    """Serve an operator's event, which no client of an API can send; raises like ``_run_operation``."""
    call.log.add(request_id=call.request_id)
    try:
        response = _run_operation(registry, call.event[OPERATION_MEMBER], call.log)
        call.log.add(status=200)
    except Exception as error:
        _log_failure(call, error)
        raise
    finally:
        call.log.emit()
    return response


def _run_operation(registry: Registry, request: object, log: InvocationLog) -> dict[str, Any]:
    """Carry out an operator's request and log what it is.

    Args:
        registry: announces changes of its tables.
        request: ``operation`` (``cache_clear``, ``cache_stats``, ``cache_keys`` or ``registry_changed``),
            ``endpoint_id`` (absent for all tenants) and the parameters of ``manage_cache``.
        log: the invocation's.

    Raises:
        SilvaEngineError: see ``manage_cache``.

    """
    if not isinstance(request, dict):
        raise RequestError(f"{OPERATION_MEMBER}: expected an object with an operation")
    operation, endpoint_id = str(request.get("operation")), request.get("endpoint_id")
    log.add(operation=operation)
    if endpoint_id is not None:
        log.add(endpoint_id=str(endpoint_id))
    if operation == "registry_changed":
        registry.announce()
        return {"success": True}
    from silvaengine_http.management import manage_cache  # lazy: only an operator's event needs it

    return manage_cache(operation, request, endpoint_id)


def _serve_authorizer_call(gateway: Gateway, call: HttpCall) -> dict[str, Any]:
    # lazy: only an authorizer call needs it
    from silvaengine.authorization.policies import answer_authorizer_call

    def decide() -> "Permission":
        try:
            return gateway.permission(call, _read(gateway, call, read_method(call.event)))
        except Exception as error:
            _log_failure(call, error)
            raise

    call.log.add(status=200)
    response = answer_authorizer_call(call.event, decide)
    call.log.add(**call.ids(), policy=response["policyDocument"]["Statement"][0]["Effect"])
    call.log.emit()
    return response


def _respond(gateway: Gateway, call: HttpCall, method: str) -> Response:
    extra = {"request_id": call.request_id}
    if method == "OPTIONS":
        return Response(204)
    try:
        return gateway.serve(call, _read(gateway, call, method))
    except SilvaEngineError as error:
        _log_failure(call, error)
        if error.status >= 500:
            _logger.error("%s (%s)", error.message, error.detail, extra=extra)  # noqa: TRY400 - detail says why
        return error_response(error, call.request_id)
    except Exception as error:
        _log_failure(call, error)
        _logger.exception("Unexpected failure", extra=extra)
        return error_response(SilvaEngineError("Internal server error"), call.request_id)


def _read(gateway: Gateway, call: HttpCall, method: str) -> Request:
    settings = gateway.settings
    try:
        request = read_request(call.event, method, settings.full_event_areas, takes_gzip=settings.takes_gzip)
    except RequestError:
        with suppress(RequestError):  # the log names its tenant as far as the path does
            call.route = read_path(call.event)
        raise
    call.request, call.route = request, request.route
    return request


def _log_failure(call: HttpCall, error: Exception) -> None:
    status = error.status if isinstance(error, SilvaEngineError) else 500
    call.log.add(status=status, error=type(error).__name__)


def _publish_alert(alerts: AlertPublisher, call: HttpCall, status: int) -> None:
    """Alert the operator: which function failed for whom, without any content of request or response."""
    subject = call.function.aws_lambda_arn if call.function else "silvaengine http gateway"
    message = {"service": "http", "request_id": call.request_id, "status": status}
    if call.route:
        message |= {"endpoint_id": call.route.endpoint_id, "area": call.route.area}
    if call.function:
        message["function"] = call.function.name
    alerts.publish(subject, f"{subject} {message.get('function')} {status}", message)
