"""The same with the peers' model of pydantic's."""

from benchmarks.parts import typed
from benchmarks.peers.typed import Order


def place(body: Order) -> dict[str, str]:
    """Return the response."""
    return {"message": f"Hello, {body.title}!"}


whole = typed.whole
