"""A running call, without a worker."""

from collections.abc import Iterator
from contextlib import contextmanager

from silvaengine.context import CurrentInvocation, _current, begin_call, end_call, tenant


@contextmanager
def running_call(current: CurrentInvocation, meters: dict[str, float] | None = None) -> Iterator[None]:
    """Make ``current`` the running call within a block, as a worker does in a context of its own."""
    tokens = _current.set((current, {})), tenant.set(current.endpoint_id)
    begin_call(current, {} if meters is None else meters)
    try:
        yield
    finally:
        end_call()
        _current.reset(tokens[0])
        tenant.reset(tokens[1])
