"""The worker's parts."""

from contextvars import copy_context
from decimal import localcontext

from benchmarks.parts import chosen
from benchmarks.peers.request import CONTEXT
from benchmarks.peers.worker_call import LOGGER, PAYLOAD, bare, handler
from silvaengine.context import bind
from silvaengine.observability.logging import InvocationLog
from silvaengine.protocol.messages import WorkerCall
from silvaengine_worker import app, worker
from silvaengine_worker.arguments import arguments
from silvaengine_worker.deadline import complete, run_with_deadline
from silvaengine_worker.process_state import ProcessStateGuard
from silvaengine_worker.results import check_size, envelope

CALL = WorkerCall.decode(PAYLOAD)
RESULT = handler(PAYLOAD, CONTEXT)
PARAMETERS = handler._worker._loader.load(*CALL.callee[:3]).parameters
CURRENT = worker._current(CALL, CALL.invocation, 4e9, LOGGER, None)


def _log():
    log = InvocationLog("worker")
    log.add(**app._ids(PAYLOAD, CONTEXT), status=200)
    log.begin_step("invoke")
    log.emit()


def _isolate():
    with bind(CURRENT), localcontext(), ProcessStateGuard():
        copy_context().run(complete, None)


def _answer():
    check_size(envelope({"message": "Hello, Ada!"}))


PARTS = {
    "whole": lambda: handler(PAYLOAD, CONTEXT),
    "the function": bare,
    "reading the payload": lambda: WorkerCall.decode(PAYLOAD),
    "arguments, fitted to the function": lambda: arguments(CALL, PARAMETERS),
    "settings and what the function may ask of its call": lambda: worker._current(
        CALL, CALL.invocation, 4e9, LOGGER, None
    ),
    "environment, folder, logging, decimal context put back": _isolate,
    "the deadline's alarm": lambda: run_with_deadline(20.0, int),
    "size and form of the result": _answer,
    "the log line, its ids and times": _log,
}
part = chosen(PARTS)
