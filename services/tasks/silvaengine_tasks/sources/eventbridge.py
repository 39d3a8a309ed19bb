"""EventBridge: events of rules and schedules; a failure is raised, so that Lambda retries the event.

An event doesn't say which rule matched it. A schedule's does (``resources``); the target of another rule
sends ``{"rule": name, "event": event}`` by its input transformer, as the template's does. An event without a
rule names its function itself: ``detail`` is ``{endpoint_id, funct, params}``. A schedule of EventBridge
Scheduler sends ``{"schedule": "<aws.scheduler.schedule-arn>", "time": "<aws.scheduler.scheduled-time>"}``.
docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html and
docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html.
"""

from collections.abc import Mapping
from typing import cast, override

from silvaengine.errors import ConfigurationError
from silvaengine.ledger.execution import DAY
from silvaengine.protocol.json_codec import Json
from silvaengine_tasks.records import BatchItem, Event, RecordCall, member, named_call, text
from silvaengine_tasks.sources import RecordSource

# 24 hours of retries, then 6 of Lambda's: see the user guide's eb-rule-retry-policy.html
KEEP_SECONDS = 2 * DAY
SCHEDULED = "Scheduled Event"


class EventBridgeSource(RecordSource):
    """Events of rules and schedules; each is one record."""

    name = "events"

    @override
    @classmethod
    def matches(cls, event: Event) -> bool:
        if "rule" in event:
            return isinstance(event.get("event"), Mapping)
        return ("detail-type" in event and "source" in event) or {"schedule", "time"} <= event.keys()

    @override
    def items(self, event: Event) -> list[BatchItem]:
        return [BatchItem(event)]

    @override
    def read_calls(self, item: BatchItem) -> list[RecordCall]:
        sent = cast("Event", item.record)
        kind, name = _rule_or_schedule(sent)
        event = sent["event"] if "rule" in sent else sent
        call = RecordCall(_id(event), {"event": event}, KEEP_SECONDS, is_swept=True)
        bound = self.bindings.calls(kind, name, call, event) if name else []
        if bound:
            return bound
        detail, params = member(event, "detail"), member(event, "detail", "params")
        if kind == "schedule" or not isinstance(params, dict):
            raise ConfigurationError("No function is bound to this event", detail=repr(f"{kind}:{name}"))
        return [named_call(call, params, detail)]


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
