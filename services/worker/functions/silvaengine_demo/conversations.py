"""Over a WebSocket: a stream of items, and a message to all connected clients."""

import time
from collections.abc import Iterator, Mapping

from silvaengine_base import FunctionError, current_invocation


def countdown(start: int = 5, pause: float = 0.2) -> Iterator[dict[str, int]]:
    """Yield items, each sent to the client as it comes; over HTTP they are one list."""
    for left in range(min(int(start), 1000), 0, -1):
        yield {"left": left}
        time.sleep(min(float(pause), 1.0))


def say(text: str, name: str = "somebody") -> Mapping[str, int]:
    """Push to all open connections of the tenant, called by a socket or by HTTP; return how many."""
    connection = current_invocation().connection
    if connection is None:
        raise FunctionError("This deployment has no WebSocket API", status_code=501)
    return connection.broadcast({"said": text, "by": name}, area="core")
