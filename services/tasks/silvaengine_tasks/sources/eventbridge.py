"""EventBridge: events of rules and schedules; a failure is raised, so that Lambda retries the event.

An event doesn't say which rule matched it. A schedule's does (``resources``); the target of another rule
sends ``{"rule": name, "event": event}`` by its input transformer, as the template's does. An event without a
rule names its function itself: ``detail`` is ``{endpoint_id, funct, params}``. A schedule of EventBridge
Scheduler sends ``{"schedule": "<aws.scheduler.schedule-arn>", "time": "<aws.scheduler.scheduled-time>"}``.
docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html and
docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from silvaengine.context import LambdaContext
from silvaengine.errors import ConfigurationError
from silvaengine.ledger.execution import DAY
from silvaengine.observability.logging import InvocationLog
from silvaengine.protocol.json_codec import Json
from silvaengine_tasks.batches import serve_or_raise
from silvaengine_tasks.bindings import Binding, Bindings, bound_calls
from silvaengine_tasks.calls import FunctionCaller
from silvaengine_tasks.records import Event, RecordCall, member, named_call, text

# 24 hours of retries, then 6 of Lambda's: see the user guide's eb-rule-retry-policy.html
KEEP_SECONDS = 2 * DAY
SCHEDULED = "Scheduled Event"


class EventBridgeSource(NamedTuple):
    """Events of rules and schedules.

    Args:
        functions: calls functions.
        bindings: of rules and schedules.
    """

    functions: FunctionCaller
    bindings: Bindings

    @staticmethod
    def matches(event: Event) -> bool:
        """Return whether an event is from a rule or a schedule."""
        if "rule" in event:
            return isinstance(event.get("event"), Mapping)
        return ("detail-type" in event and "source" in event) or {"schedule", "time"} <= event.keys()

    def serve(self, event: Event, context: LambdaContext, log: InvocationLog) -> None:
        """Call the event's functions; raises InvocationError when one failed."""
        serve_or_raise(self.functions, "events", [event], lambda _: self._read_calls(event), context, log)

    def _read_calls(self, event: Event) -> list[RecordCall]:
        kind, name = _rule_or_schedule(event)
        return read_calls(event, self.bindings.find(kind, name) if name else [])


def read_calls(event: Event, bindings: Sequence[Binding] = ()) -> list[RecordCall]:
    """Return an event's calls; raises RequestError or ConfigurationError when it leads to no function."""
    kind, name = _rule_or_schedule(event)
    inner = event["event"] if "rule" in event else event
    template = RecordCall(_id(inner), "", "", {"event": inner}, KEEP_SECONDS, is_swept=True)
    if bindings:
        return bound_calls(bindings, template, template.record_id[-1], inner)
    detail, params = member(inner, "detail"), member(inner, "detail", "params")
    if kind == "schedule" or not isinstance(params, dict):
        raise ConfigurationError("No function is bound to this event", detail=repr(f"{kind}:{name}"))
    return [named_call(template, params, member(detail, "endpoint_id"), member(detail, "funct"))]


def _rule_or_schedule(event: Event) -> tuple[str, str]:
    """Return the kind and the name of an event's sender; an empty name where the event doesn't say it."""
    if "rule" in event:
        return "rule", text(event, "rule")
    if "schedule" in event:
        return "schedule", text(event, "schedule").rpartition("/")[2]
    resources = event.get("resources")
    if event.get("detail-type") == SCHEDULED and isinstance(resources, list) and resources:
        return "schedule", str(resources[0]).rpartition("/")[2]
    return "rule", ""


def _id(event: Json) -> tuple[str, ...]:
    if member(event, "schedule") is not None:
        return "schedule", text(event, "schedule"), text(event, "time")
    return "events", str(member(event, "account")), text(event, "id")
