"""The worker's parts, a whole call of it, and the same function called directly."""

import json
import logging
import os
from contextvars import copy_context

from silvaengine_demo.greetings import Greetings

from benchmarks.parts import choose
from benchmarks.peers.request import CONTEXT
from silvaengine.observability.logging import InvocationLog, encode_shared
from silvaengine.protocol.messages import WorkerCall
from silvaengine_worker import worker
from silvaengine_worker.app import handler
from silvaengine_worker.arguments import fit_arguments
from silvaengine_worker.event import WorkerEvent
from silvaengine_worker.loader import Loader
from silvaengine_worker.process_state import run_with_deadline
from silvaengine_worker.results import complete, to_json_text, to_response

PAYLOAD = json.loads(os.environ["BENCHMARK_PAYLOAD"])
LOGGER = logging.getLogger("silvaengine_demo.greetings")
CALL = WorkerCall.decode(PAYLOAD)
RESULT = handler(PAYLOAD, CONTEXT)
PARAMETERS = Loader(["silvaengine_demo"]).load(*CALL.callee[:3]).parameters
CURRENT = worker._current_invocation(CALL, 4e9, "", LOGGER, None, None)


def whole():
    """From payload to result."""
    if handler(PAYLOAD, CONTEXT)["status"] != 200:
        raise AssertionError


def bare():
    """The function alone."""
    Greetings(LOGGER, greeting="Hello").hello(name="Ada")


def _log():
    log = InvocationLog("worker", encode_shared)
    WorkerEvent(PAYLOAD, CONTEXT, log, None)
    log.begin_step("invoke")
    log.emit()


def _isolate():
    copy_context().run(worker._run_alone, CURRENT, {}, bool)


def _answer():
    response = to_response(complete({"message": "Hello, Ada!"}))
    to_json_text(response.value)
    response.encode()


PARTS = {
    "whole": lambda: handler(PAYLOAD, CONTEXT),
    "the function": bare,
    "reading the payload": lambda: WorkerCall.decode(PAYLOAD),
    "arguments, fitted to the function": lambda: fit_arguments(CALL, PARAMETERS),
    "settings and what the function may ask of its call": lambda: worker._current_invocation(
        CALL, 4e9, "", LOGGER, None, None
    ),
    "binding the call, its deadline, environment, folder and logging put back": _isolate,
    "of it the deadline's alarm": lambda: run_with_deadline(20.0, int),
    "size and form of the result": _answer,
    "the log line, its ids and times": _log,
}
part = choose(PARTS)
