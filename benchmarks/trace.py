"""How far a reader travels with one call: calls, moves between modules, modules.

The Lambdas run in one process, over the tests' tables in memory. A call is one of a function of the product;
a move is a call in another module than the call before it.
"""

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from itertools import count, pairwise
from types import FrameType
from typing import Any

from tests.security.platform import Platform, rest_event
from tests.unit.tasks.world import World as Tasks
from tests.unit.tasks.world import message
from tests.unit.websocket.conftest import World as Sockets
from tests.unit.websocket.conftest import event as socket_event

from benchmarks.harness import PROJECT
from benchmarks.harness.report import table
from silvaengine import clock, context
from silvaengine.observability import logging
from silvaengine.protocol import json_codec

FUNCTIONS = PROJECT / "tests/unit/worker/packages"
PRODUCT = "silvaengine"  # what the names of its import packages begin with
LEAVES = {module.__name__ for module in (logging, json_codec, context, clock)}
"""The log line, JSON, the clock and the context of a call: every journey passes them, and nobody follows."""


def run(*, quick: bool) -> str:
    """Return the section; it is short enough to be the same when it has to be quick."""
    rows = []
    for name, travel in journeys().items():
        with redirect_stdout(StringIO()):  # the log lines
            for _ in range(3):
                travel()
            modules = trace(travel)
        own = [module for module in modules if module not in LEAVES]
        rows.append((name, *distances(modules), *distances(own)))
    columns = ("calls", "moves", "modules")
    return table(("warm", *columns, *(f"{column} without leaves" for column in columns)), rows)


def journeys() -> dict[str, Callable[[], object]]:
    """Return what travels, by name; each may travel again and again."""
    ask, tasks, numbers = http_client(), Tasks(), count()
    return {
        "HTTP, gateway and worker": ask,
        "the same with `Idempotency-Key`": lambda: ask(**{"idempotency-key": f"key-{next(numbers)}"}),
        "the same as a job, with the worker's run": lambda: ask(202, prefer="respond-async"),
        "one SQS record, without a worker": lambda: tasks.sqs(message(next(numbers))),
        "one WebSocket message, gateway alone": socket_client(),
    }


def http_client() -> Callable[..., None]:
    """Return what sends a request and looks at its status."""
    sys.path.append(str(FUNCTIONS))
    platform = Platform({"echo": {"module_name": "sample_functions.plain"}})
    platform.add_tenant("acme", "acme-key", {"greeting": "Hello"})
    caller = {"apiKey": "acme-key", "sourceIp": "192.0.2.1"}

    def ask(status: int = 200, /, **headers: str) -> None:
        body = json.dumps({"name": "Ada"})
        event = rest_event("POST", "/core/acme/echo", headers=headers, body=body, identity=caller)
        response = platform.call(event)
        assert response["statusCode"] == status, response

    return ask


def socket_client() -> Callable[[], None]:
    """Return what sends a message over an open connection."""
    with redirect_stdout(StringIO()):
        sockets = Sockets()
        text = json.dumps({"id": "1", "funct": "greet", "payload": {}})
        event = socket_event("$default", sockets.enter(), body=text)

    def send() -> None:
        assert sockets.handler(event, None) == {"statusCode": 200}

    return send


def trace(travel: Callable[[], object]) -> list[str]:
    """Return the module of each call of the product's functions, in the order in which they are made."""
    modules: list[str] = []

    def note(frame: FrameType, kind: str, _: Any) -> None:  # noqa: ANN401 - what a profiler is told
        module = frame.f_globals.get("__name__", "")
        if kind == "call" and module.startswith(PRODUCT):
            modules.append(module)

    with profiling(note):
        travel()
    return modules


@contextmanager
def profiling(note: Callable[[FrameType, str, Any], None]) -> Iterator[None]:
    """Have every call told to a function, those of threads that start meanwhile, too."""
    threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def distances(modules: list[str]) -> tuple[int, int, int]:
    """Return the number of calls, of moves, and of modules."""
    moves = sum(before != after for before, after in pairwise(modules))
    return len(modules), moves, len(set(modules))
