"""The sources of events, one module each: which events are its own, and how they become calls."""

from typing import Protocol

from silvaengine.context import LambdaContext
from silvaengine.observability.logging import InvocationLog
from silvaengine_tasks.records import Event


class Source(Protocol):
    """A source of events."""

    def matches(self, event: Event) -> bool:
        """Return whether an event is from this source."""

    def serve(self, event: Event, context: LambdaContext, log: InvocationLog) -> object:
        """Serve an event: return what Lambda hands to the source, or raise, so that the source keeps it."""
