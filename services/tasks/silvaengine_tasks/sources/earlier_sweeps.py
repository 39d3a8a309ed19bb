"""The schedule that invoked this Lambda in 0.2, to sweep: it still does until an update has cleaned up."""

from silvaengine.context import LambdaContext
from silvaengine.observability.logging import InvocationLog
from silvaengine_tasks.records import Event


class EarlierSweeps:
    """Events of that schedule, which need nothing: the sweeper has a schedule of its own."""

    @staticmethod
    def matches(event: Event) -> bool:
        """Return whether an event is that schedule's."""
        return event.get("silvaengine") == "sweep"

    def serve(self, event: Event, context: LambdaContext, log: InvocationLog) -> None:  # noqa: ARG002 - a source's
        """Do nothing, so that the schedule's event doesn't become a dead one."""
        log.add(source="schedule")
