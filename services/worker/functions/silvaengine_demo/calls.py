"""Plain functions: what one can learn and do about its call."""

import asyncio
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from silvaengine_base import FunctionError, current_invocation

_DATABASE = Path(tempfile.gettempdir()) / "silvaengine_demo.db"


def whoami() -> dict[str, Any]:
    """Return the call's tenant, area and request id; no parameter can forge them."""
    call = current_invocation()
    return {"endpoint_id": call.endpoint_id, "area": call.area, "request_id": call.request_id}


def divide(a: float, b: float) -> float:
    """Return a quotient, or fail with a status and a message for the client; other exceptions are a bare 500.

    A value of the query string is text, one of a JSON body has its type; ``float()`` takes both.
    """
    try:
        return float(a) / float(b)
    except (ValueError, ZeroDivisionError):
        raise FunctionError("a and b must be numbers, and b not 0", status_code=400) from None


async def wait(seconds: float = 0.1) -> dict[str, float]:
    """Wait without blocking, at most two seconds; a coroutine is awaited."""
    try:
        pause = min(float(seconds), 2.0)
    except ValueError:  # a value of the query string is text
        raise FunctionError("seconds must be a number", status_code=400) from None
    await asyncio.sleep(pause)
    return {"waited": pause}


def book(item: str = "seat") -> dict[str, Any]:
    """Book once, however often the call is attempted: insert the row only if this call has not done so.

    The file stands for your database. Two attempts of a call have the same ``effect``, and a later one the
    larger ``number``: a condition on the first refuses a repetition, one on the second a late writer.
    """
    token = current_invocation().fencing_token
    if token is None:
        raise FunctionError("Send an Idempotency-Key, or Prefer: respond-async", status_code=400)
    with closing(sqlite3.connect(_DATABASE, timeout=5)) as bookings, bookings:
        bookings.execute("CREATE TABLE IF NOT EXISTS booking (effect PRIMARY KEY, number, item)")
        bookings.execute(
            "INSERT INTO booking VALUES (?, ?, ?) ON CONFLICT (effect) DO NOTHING",
            (token.effect, token.number, item),
        )
        booked = bookings.execute("SELECT number, item FROM booking WHERE effect = ?", (token.effect,))
        number, kept = booked.fetchone()
    return {"booked": kept, "by_attempt": number}


def report(title: str = "untitled") -> None:
    """Work in the background: registered as ``Event``, so the client already has its 202."""
    current_invocation().logger.info("Report %r is ready", title)
