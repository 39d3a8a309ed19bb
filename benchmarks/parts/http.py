"""The HTTP gateway's parts."""

from benchmarks.parts import choose
from benchmarks.parts.invoke import invoke_parts
from benchmarks.parts.unsent import RESULT, Answering
from benchmarks.peers.request import CONTEXT, EVENT
from silvaengine.authorization.admission import admit
from silvaengine.observability.logging import InvocationLog
from silvaengine.protocol.json_codec import encode
from silvaengine.protocol.messages import WorkerResponse
from silvaengine.registry.registry import open_registry
from silvaengine.settings import Settings
from silvaengine_http import app, gateway
from silvaengine_http.call import HttpCall, deadline
from silvaengine_http.request import read_method, read_request, read_response_format
from silvaengine_http.response import function_response, render

SETTINGS = Settings.from_environment()
REGISTRY = open_registry(SETTINGS)
GATEWAY = gateway.Gateway(SETTINGS, REGISTRY, Answering(), None, None, None)
REQUEST = read_request(EVENT, read_method(EVENT), SETTINGS.full_event_areas)


def _call():
    return HttpCall("0" * 32, EVENT, CONTEXT, deadline(CONTEXT, 1.8e9), InvocationLog("http", encode))


def _find():
    route = REQUEST.route
    connection, _ = admit(REGISTRY, None, route.endpoint_id, REQUEST.api_key, route.area, REQUEST.stage)
    function = REGISTRY.function(connection, route.function)
    gateway._check_function(REQUEST, function)
    return function


CALL = _call()
ANSWER = GATEWAY.serve(CALL, REQUEST)
FUNCTION = _find()
PAYLOAD = GATEWAY._worker_call(CALL, REQUEST, FUNCTION, CALL.deadline).encode()


def _log():
    log = InvocationLog("http", encode)
    for stage in ("resolve", "authorize", "invoke"):
        log.begin_step(stage)
    log.add(**CALL.ids(), status=200)
    log.emit()


PARTS = {
    "whole": lambda: app.handler(EVENT, CONTEXT),
    "reading the event": lambda: read_request(EVENT, read_method(EVENT), SETTINGS.full_event_areas),
    "limits, key, connection, function, method": _find,
    "the payload": lambda: GATEWAY._worker_call(CALL, REQUEST, FUNCTION, CALL.deadline).encode(),
    **invoke_parts(SETTINGS, FUNCTION.aws_lambda_arn, PAYLOAD),
    "the response": lambda: function_response(WorkerResponse.decode(RESULT)),
    "its form and headers": lambda: render(ANSWER, read_response_format(EVENT, REQUEST.method), "0" * 32),
    "the log line, and the time of each step": _log,
}
part = choose(PARTS)
