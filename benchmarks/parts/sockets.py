"""This project's Lambdas for a WebSocket: a message from event to post, and a broadcast."""

import json
import os

import silvaengine_websocket.app
import silvaengine_websocket.broadcast_app
import silvaengine_worker.app
from benchmarks.peers.request import CONTEXT
from silvaengine.ledger.digests import Digests
from silvaengine.websocket.broadcast_tokens import BroadcastTokens

MESSAGE = json.loads(os.environ.get("BENCHMARK_EVENT", "null"))
CALL = json.loads(os.environ.get("BENCHMARK_PAYLOAD", "null"))
CONNECTIONS = int(os.environ["BENCHMARK_CONNECTIONS"])
ASKED = {
    "endpoint_id": "demo",
    "grant": BroadcastTokens(Digests(lambda: b"secret")).issue("demo"),
    "request_id": "0" * 32,
    "frame": '{"said":"Hello, everybody"}',
}


def echo():
    """Bring a message to the worker, and have the worker answer it."""
    if silvaengine_websocket.app.handler(MESSAGE, CONTEXT) != {"statusCode": 200}:
        raise AssertionError
    silvaengine_worker.app.handler(CALL, CONTEXT)


def fan_out():
    """Push a frame to all connections."""
    response = silvaengine_websocket.broadcast_app.handler(ASKED, CONTEXT)
    if response["value"] != {"sent": CONNECTIONS, "gone": 0, "failed": 0}:
        raise AssertionError(response)
