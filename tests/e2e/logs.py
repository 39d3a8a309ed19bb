"""Whole logs of the local engine."""

from collections.abc import Iterator
from typing import Any


def written(logs: Any, part: str) -> str:
    """Return all that was logged in groups whose names have this part."""
    groups = [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]]
    return "\n".join(message for group in groups if part in group for message in _messages(logs, group))


def _messages(logs: Any, group: str) -> Iterator[str]:
    """Return all messages of a log group; the engine gives 10,000 at once, and no token for more."""
    start, seen = 0, set[tuple[Any, ...]]()
    while True:
        events = logs.filter_log_events(logGroupName=group, startTime=start)["events"]
        new = [
            event
            for event in events
            if (event["logStreamName"], event["timestamp"], event["message"]) not in seen
        ]
        if not new:
            return
        seen = {(event["logStreamName"], event["timestamp"], event["message"]) for event in events}
        start = events[-1]["timestamp"]
        yield from (event["message"] for event in new)
