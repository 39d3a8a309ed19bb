"""The HTTP gateway's parts."""

from benchmarks.parts import choose
from benchmarks.parts.invoke import invoke_parts
from benchmarks.parts.unsent import RESULT, Answering
from benchmarks.peers.request import CONTEXT, EVENT
from silvaengine.authorization.admission import open_admission
from silvaengine.observability.logging import InvocationLog
from silvaengine.protocol.json_codec import encode
from silvaengine.settings import Settings
from silvaengine.websocket.broadcast_tokens import broadcast_token_issuer
from silvaengine_http import app, gateway
from silvaengine_http.path import read_path
from silvaengine_http.request import HttpCall, read_method, read_request
from silvaengine_http.response import ResponseFormat, read_json_response, render

SETTINGS = Settings.from_environment()
ADMISSION = open_admission(SETTINGS, app.ARTEFACT)
GATEWAY = gateway.Gateway(SETTINGS, ADMISSION, Answering(), None, broadcast_token_issuer(SETTINGS))


def _read():
    return read_request(EVENT, read_method(EVENT), read_path(EVENT))


REQUEST = _read()


def _find():
    route = REQUEST.route
    connection, _ = ADMISSION.admit(
        route.endpoint_id, REQUEST.api_key, route.area, REQUEST.stage, is_counted=False
    )
    function = ADMISSION.function(connection, route.function, route.area)
    gateway._check_method(REQUEST.method, function)
    return function


CALL = HttpCall(EVENT, CONTEXT, InvocationLog("http", encode))
CALL.deadline = 1.8e9
ANSWER = GATEWAY.serve(CALL, REQUEST)
FORM = ResponseFormat(is_v2=EVENT.get("version") == "2.0", is_head=False)
FUNCTION = _find()
PAYLOAD = GATEWAY.functions._payload(CALL, REQUEST, FUNCTION, is_brief=True)


def _log():
    log = InvocationLog("http", encode)
    for stage in ("resolve", "authorize", "invoke"):
        log.begin_step(stage)
    log.request_id = "0" * 32
    log.add(area="core", endpoint_id="demo", function="hello")
    log.add(function="hello", key_id="public")
    log.add(status=200)
    log.emit()


PARTS = {
    "whole": lambda: app.handler(EVENT, CONTEXT),
    "reading the event": _read,
    "limits, key, connection, function, method": _find,
    "the payload": lambda: GATEWAY.functions._payload(CALL, REQUEST, FUNCTION, is_brief=True),
    **invoke_parts(SETTINGS, FUNCTION.aws_lambda_arn, PAYLOAD),
    "the response": lambda: read_json_response(RESULT),
    "its form and headers": lambda: render(ANSWER, FORM, "0" * 32),
    "the log line, and the time of each step": _log,
}
part = choose(PARTS)
