"""The WebSocket gateway's parts of a message."""

import json
import os

from benchmarks.parts import choose
from benchmarks.parts.invoke import invoke_parts
from benchmarks.peers.request import CONTEXT
from silvaengine.authorization.admission import open_admission
from silvaengine.observability.logging import InvocationLog
from silvaengine.protocol.json_codec import encode
from silvaengine.settings import Settings
from silvaengine.websocket.broadcast_tokens import broadcast_token_issuer
from silvaengine_websocket import app, gateway
from silvaengine_websocket.event import SocketEvent, read_context, read_route
from silvaengine_websocket.message import read_message, read_object, read_ref, read_text

MESSAGE = json.loads(os.environ["BENCHMARK_EVENT"])
SETTINGS = Settings.from_environment()
ADMISSION = open_admission(SETTINGS, app.ARTEFACT)
GRANT = broadcast_token_issuer(SETTINGS)
SOCKET = read_context(MESSAGE)


def _read():
    members = read_object(read_text(MESSAGE["body"], is_base64=False))
    return read_message(members, read_ref(members))


def _find():
    connection, _ = ADMISSION.admit(
        SOCKET.endpoint_id, SOCKET.api_key, SOCKET.area, SOCKET.stage, is_row_key=True, is_counted=False
    )
    return ADMISSION.function(connection, "hello", SOCKET.area)


CALL = SocketEvent(MESSAGE, CONTEXT, InvocationLog("websocket", encode))
CALL.socket = SOCKET
SENT = _read()
FUNCTION = _find()


def _payload():
    grant = GRANT(SOCKET.endpoint_id) if FUNCTION.broadcasts else None
    call, socket = gateway._worker_call(CALL, SENT, FUNCTION, SOCKET.context, grant)
    return call._replace(socket=socket).encode()


def _log():
    log = InvocationLog("websocket", encode)
    log.request_id = "0" * 32
    log.add(status=200, route="$default", endpoint_id="demo", area="core")
    log.add(function="hello")
    for stage in ("resolve", "authorize", "invoke"):
        log.begin_step(stage)
    log.emit()


PARTS = {
    "whole": lambda: app.handler(MESSAGE, CONTEXT),
    "reading the event": lambda: (read_route(MESSAGE), read_context(MESSAGE)),
    "reading and checking the message": _read,
    "limits, connection, function": _find,
    "the payload": _payload,
    **invoke_parts(SETTINGS, FUNCTION.aws_lambda_arn, _payload(), event=True),
    "the log line, and the time of each step": _log,
}
part = choose(PARTS)
