"""The tasks Lambda's parts of a direct call: what every source does for a record, but for its claim."""

import json
import os

from benchmarks.parts import choose
from benchmarks.parts.invoke import invoke_parts
from benchmarks.peers.request import CONTEXT
from silvaengine.observability.logging import InvocationLog
from silvaengine.protocol.json_codec import encode
from silvaengine.protocol.messages import Invocation, WorkerCall, WorkerResponse
from silvaengine.registry.registry import open_registry
from silvaengine.settings import Settings
from silvaengine_tasks import app
from silvaengine_tasks.calls import check_response
from silvaengine_tasks.hooks import CallHooks, HookedCall

EVENT = json.loads(os.environ["BENCHMARK_EVENT"])
RESULT = b'{"silvaengine": 1, "kind": "json", "value": {}, "status": 200, "error_type": ""}'
SETTINGS = Settings.from_environment()
REGISTRY = open_registry(SETTINGS)
SOURCES = app._open_sources(SETTINGS)
HOOKS = CallHooks(REGISTRY, None)


def _find():
    REGISTRY.refresh()
    return REGISTRY.resolve("demo", "#####", "", "hello")


FUNCTION = _find()
HEARD = HookedCall(FUNCTION, "demo", EVENT["params"], "0" * 32, 4e9)


def _payload():
    invocation = Invocation("0" * 32, "demo", FUNCTION.area, "hello", 4e9)
    return WorkerCall(FUNCTION.callee, EVENT["params"], invocation=invocation).encode()


def _hooks():
    HOOKS.run_before(HEARD)
    HOOKS.start_after(HEARD)


def _log():
    log = InvocationLog("tasks", encode)
    log.request_id = "0" * 32
    log.add(status=500)
    log.add(source="direct", endpoint_id="demo", function="hello")
    log.add(status=200)
    log.emit()


PARTS = {
    "whole": lambda: app.handler(EVENT, CONTEXT),
    "telling the source": lambda: [source.matches(EVENT) for source in SOURCES],
    "connection, function": _find,
    "hooks": _hooks,
    "the payload": _payload,
    **invoke_parts(SETTINGS, FUNCTION.aws_lambda_arn, _payload()),
    "the response": lambda: check_response(WorkerResponse.read(RESULT)),
    "the log line": _log,
}
part = choose(PARTS)
