"""The WebSocket gateway refuses every connection for now: a handshake that it accepted would lead nowhere."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from silvaengine.settings import Settings
from silvaengine.telemetry import InvocationLog, configure_logging

configure_logging(Settings.from_environment())


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's
    """Answer API Gateway's event with 501, which refuses ``$connect``; ``context`` is Lambda's."""
    line = InvocationLog("websocket")
    request_id = uuid4().hex
    route = (event.get("requestContext") or {}).get("routeKey")
    line.fields(request_id=request_id, route=route, status=501)
    line.emit()
    body = {"error": "WebSocket connections are not supported yet", "request_id": request_id}
    return {
        "statusCode": 501,
        "headers": {"Content-Type": "application/json", "x-request-id": request_id},
        "body": json.dumps(body),
        "isBase64Encoded": False,
    }
