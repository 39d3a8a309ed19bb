"""Plain functions: what one can know and do about the call that it serves."""

import asyncio
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from silvaengine_base import FunctionError, current_invocation

_DATABASE = Path(tempfile.gettempdir()) / "silvaengine_demo.db"


def whoami() -> dict[str, Any]:
    """Tell whose call this is; no parameter can forge it."""
    call = current_invocation()
    return {"endpoint_id": call.endpoint_id, "area": call.area, "request_id": call.request_id}


def divide(a: float, b: float) -> float:
    """Refuse with a status and a message that the client reads; any other exception is a bare 500.

    A value of the query string is text, one of a JSON body has its type; ``float()`` takes both.
    """
    try:
        return float(a) / float(b)
    except (ValueError, ZeroDivisionError):
        raise FunctionError("a and b must be numbers, and b not 0", status_code=400) from None


async def wait(seconds: float = 0.1) -> dict[str, float]:
    """Wait without blocking, at most two seconds; a coroutine is run to its end."""
    try:
        pause = min(float(seconds), 2.0)
    except ValueError:  # what comes by the query string is text
        raise FunctionError("seconds must be a number", status_code=400) from None
    await asyncio.sleep(pause)
    return {"waited": pause}


def book(item: str = "seat") -> dict[str, Any]:
    """Have an effect once, however often one is called: write it only where this call has not yet.

    The file stands for your database. Two attempts of a call have the same ``effect``, and a later one the
    larger ``number``: a condition on the first refuses the repetition, one on the second a late writer.
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
    """Work while nobody waits: registered as ``Event``, so the caller has its 202 already."""
    current_invocation().logger.info("Report %r is ready", title)
