"""Plain functions of every kind, and names that must not be callable."""

import asyncio
import decimal
import json
import logging
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from os import getpid  # noqa: F401 - a name that the module holds and doesn't define
from pathlib import Path
from threading import Thread  # noqa: F401 - the same, a class
from typing import Any

from unlisted_functions import reach  # type: ignore[import-not-found] # noqa: F401 - of no allowed package

from silvaengine_base import FunctionError, current_invocation, meter
from silvaengine_utility.calls import CallError

constant = "no function"
customer: ContextVar[str] = ContextVar("customer", default="nobody")
prefilled = partial(max, 1)


def nothing() -> None:
    """Return nothing."""


def echo(**values: Any) -> dict[str, Any]:
    """Return what came."""
    return {name: [type(value).__name__, str(value)] for name, value in values.items()}


def strict(a: str, b: str = "b") -> str:
    """Take two names and no others."""
    return f"{a}{b}"


def posonly(a: str, b: str = "b", /, *rest: str, c: str = "c") -> list[str]:
    """Take two values by position, one by name."""
    return [a, b, *rest, c]


def framed(endpoint_id: str, area: str, path: str = "", context: Any = None) -> list[Any]:
    """Take what the framework gives."""
    return [endpoint_id, area, path, context]


def wants_body(body: Any) -> Any:
    """Take a body that is no object."""
    return body


def full(aws_event: Any, aws_context: Any, endpoint_id: str) -> list[Any]:
    """Take a full event."""
    return [aws_event, aws_context, endpoint_id]


def mirror(aws_event: Any) -> dict[str, Any]:
    """Return what a client sent as headers: a header of a full event, and a text in its body."""
    headers = {"X-Header": aws_event["headers"].get("x-echo", ""), "X-Body": json.loads(aws_event["body"])}
    return {"statusCode": 200, "headers": headers}


def anything(value: Any = None) -> Any:
    """Return what a test put there."""
    return value


def blob() -> bytes:
    """Return bytes."""
    return b"\x00\xff"


def count(limit: int = 3) -> Iterator[int]:
    """Yield some numbers."""
    yield from range(limit)


async def wait() -> str:
    """Return after a turn of the loop."""
    await asyncio.sleep(0)
    return f"waited for {current_invocation().endpoint_id}"


async def stream() -> AsyncIterator[int]:
    """Yield in a coroutine."""
    yield 1
    yield 2


async def sleep_on() -> None:
    """Wait for longer than any deadline."""
    await asyncio.sleep(30)


def whoami() -> dict[str, Any]:
    """Return all that a function can learn about its call."""
    call = current_invocation()
    return {
        "request_id": call.request_id,
        "endpoint_id": call.endpoint_id,
        "area": call.area,
        "function": call.function,
        "attempt": call.attempt,
        "settings": dict(call.settings),
        "logger": call.logger.name,
        "has_deadline": call.deadline is not None,
    }


def fencing() -> dict[str, Any]:
    """Return the fencing token."""
    call = current_invocation()
    assert call.fencing_token is not None
    return {"job_id": call.job_id, "effect": call.fencing_token.effect, "number": call.fencing_token.number}


def look_for_end() -> None:
    """Count whether the outcome will be discarded."""
    meter("cancelled", int(current_invocation().cancelled))


def refuse(status: Any = 418, message: str = "a teapot") -> None:
    """Raise a FunctionError."""
    raise FunctionError(message, status_code=status)


UNSENDABLE: list[Any] = [{"a": 1j}, {"a": "x" * 16_384}, {"a": "\ud800"}, [1]]


def explain(code: str = "out_of_stock", details: Any = None, unsendable: int | None = None) -> None:
    """Raise a FunctionError that says more to programs."""
    if unsendable is not None:
        details = UNSENDABLE[unsendable]
    raise FunctionError("not enough", 409, code=code, details=details or {"left": decimal.Decimal("1.5")})


def crash(text: str = "it broke") -> None:
    """Fail with a text that no client may read."""
    raise RuntimeError(text)


def note(text: str) -> None:
    """Write to the log, as functions do."""
    current_invocation().logger.warning("seen: %s", text)


def leave() -> None:
    """End the process, or try to."""
    sys.exit(3)


def stubborn() -> None:
    """Go on over every Exception."""
    while True:
        with suppress(Exception):
            time.sleep(5)


def deaf(swallow: int = 1) -> str:
    """Swallow the first alarms, as a bare ``except`` does."""
    for _ in range(swallow):
        with suppress(BaseException):
            time.sleep(5)
    time.sleep(5)
    return "slept"


def untidy() -> None:
    """Change the state of the process."""
    os.environ["SAMPLE_LEFT"] = "acme"  # noqa: TID251 - as tenants' code does
    os.chdir("/")
    logging.getLogger().handlers.clear()
    logging.getLogger().setLevel(logging.CRITICAL)
    decimal.getcontext().prec = 3
    customer.set("acme")


def call_another() -> None:
    """Let a failure of another function through."""
    raise CallError("another", "words for the package")


def look() -> dict[str, Any]:
    """Return the state of the process."""
    root = logging.getLogger()
    return {
        "environment": os.environ.get("SAMPLE_LEFT"),  # noqa: TID251 - as tenants' code does
        "folder": str(Path.cwd()),
        "logging": [len(root.handlers), root.level],
        "precision": decimal.getcontext().prec,
        "customer": customer.get(),
    }


def _private() -> None:
    """Stay inside."""
