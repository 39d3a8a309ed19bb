"""EventBridge: a rule's events and schedules; a failure is raised, so that Lambda repeats it.

An event doesn't say which rule matched it. A schedule's does (``resources``); the target of another rule
hands over ``{"rule": name, "event": event}`` by its input transformer, as the template's does. An event that
comes as it is names its function itself: ``detail`` is ``{endpoint_id, funct, params}``. A schedule of
EventBridge Scheduler sends ``{"schedule": "<aws.scheduler.schedule-arn>", "time":
"<aws.scheduler.scheduled-time>"}``.
docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html and
docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from silvaengine.errors import ConfigurationError
from silvaengine.observability.logging import InvocationLog
from silvaengine_tasks.bindings import Bindings, calls_of
from silvaengine_tasks.calls import Caller
from silvaengine_tasks.independent import serve_whole
from silvaengine_tasks.named import own_call
from silvaengine_tasks.records import DAY, CallRecord, member, text

KEEP_SECONDS = (
    2 * DAY
)  # 24 hours of tries, then 6 of Lambda's: see the user guide's eb-rule-retry-policy.html
SCHEDULED = "Scheduled Event"


class Rules(NamedTuple):
    """Serves events of rules and schedules.

    Args:
        caller: calls functions.
        routes: knows what they are bound to.
    """

    caller: Caller
    routes: Bindings

    def serve(self, event: Mapping[str, Any], context: Any, line: InvocationLog) -> None:  # noqa: ANN401 - Lambda's
        """Call the event's functions; raises InvocationError when one failed."""
        serve_whole(self.caller, "events", [event], self._read, context, line)

    def _read(self, event: Mapping[str, Any]) -> list[CallRecord]:
        """Read an event; raises RequestError or ConfigurationError when it leads to no function."""
        kind, name = _origin(event)
        inner = event["event"] if kind == "rule" and "rule" in event else event
        like = CallRecord(_identity(inner), "", "", {"event": inner}, KEEP_SECONDS, swept=True)
        routes = self.routes.to(kind, name) if name else []
        if routes:
            return calls_of(routes, like, like.id[-1], inner)
        detail, params = member(inner, "detail"), member(inner, "detail", "params")
        if kind == "schedule" or not isinstance(params, dict):
            raise ConfigurationError("No function is bound to this event", detail=f"{kind}:{name}")
        return [own_call(like, params, member(detail, "endpoint_id"), member(detail, "funct"))]


def is_event(event: Mapping[str, Any]) -> bool:
    """Return whether an event is one of a rule or of a schedule."""
    if "rule" in event:
        return isinstance(event.get("event"), Mapping)
    return ("detail-type" in event and "source" in event) or {"schedule", "time"} <= event.keys()


def _origin(event: Mapping[str, Any]) -> tuple[str, str]:
    """Return the kind of what sent an event, and its name; an empty one where the event doesn't say."""
    if "rule" in event:
        return "rule", text(event, "rule")
    if "schedule" in event:
        return "schedule", text(event, "schedule").rpartition("/")[2]
    resources = event.get("resources")
    if event.get("detail-type") == SCHEDULED and isinstance(resources, list) and resources:
        return "schedule", str(resources[0]).rpartition("/")[2]
    return "rule", ""


def _identity(event: Any) -> tuple[str, ...]:  # noqa: ANN401 - what a rule hands over
    if member(event, "schedule") is not None:
        return "schedule", text(event, "schedule"), text(event, "time")
    return "events", str(member(event, "account")), text(event, "id")
