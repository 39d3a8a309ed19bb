"""Plain functions: what one can know and do about the call that it serves."""

import asyncio
from typing import Any

from silvaengine_base import FunctionError, current_invocation


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
    pause = min(float(seconds), 2.0)
    await asyncio.sleep(pause)
    return {"waited": pause}


def report(title: str = "untitled") -> None:
    """Work while nobody waits: registered as ``Event``, so the caller has its 202 already."""
    current_invocation().logger.info("Report %r is ready", title)
