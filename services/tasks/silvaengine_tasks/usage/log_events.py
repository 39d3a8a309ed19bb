"""The lines of the stack's log groups, by FilterLogEvents.

docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html: it is free, at 5 to 25
requests a second of 1 MB each, by Region; Logs Insights scans for $0.005 per GB, and each hour four times.
"""

from collections.abc import Callable, Iterator
from typing import Any

from silvaengine.aws.client import open_client
from silvaengine.aws.json_api import JsonApi
from silvaengine.aws.table_client import DynamoDbApi
from silvaengine.named_tuple import NamedTuple
from silvaengine.settings import PACKAGE_MARK, Settings, require

TARGET = "Logs_20140328"
LINES = "{ $.total_ms >= 0 }"
"""The pattern of invocations' lines; the engine evaluates none of JSON, and returns everything.

docs.aws.amazon.com/AmazonCloudWatch/latest/logs/matching-terms-json-log-events.html
"""
PAGE_EVENTS = 10_000
READ_SECONDS = 30.0
ATTEMPTS = 12  # FilterLogEvents is throttled for all of an account
WORKER = "worker"
SERVICES = {
    "HttpGateway": "http",
    "WebsocketGateway": "websocket",
    "Broadcaster": "broadcaster",
    "Tasks": "tasks",
    "Sweeper": "sweeper",
    "Usage": "usage",
    "Worker": WORKER,
    "WorkerIsolated": WORKER,
}
"""The service of each of a stack's Lambdas; that of a package's is the worker's."""


class LogEvent(NamedTuple):
    """A line, and when Lambda had it, in epoch milliseconds."""

    timestamp: int
    message: str


class LogEvents:
    """Reads the log groups of a stack's Lambdas and of its published packages.

    ``open_api`` returns the API of CloudWatch Logs.
    """

    def __init__(self, open_api: Callable[[], DynamoDbApi], stack: str) -> None:
        self._open_api = open_api
        self._prefix = f"/aws/lambda/{stack}"

    def service_of(self, group: str) -> str:
        """Return the one service whose lines count in a group: functions print what they like into theirs."""
        return SERVICES.get(group.removeprefix(f"{self._prefix}-"), WORKER)

    def groups(self) -> dict[str, int]:
        """Return the names of the groups that there are, and when each was made, in epoch milliseconds."""
        own = {f"{self._prefix}-{name}" for name in SERVICES}
        pages = self._pages("DescribeLogGroups", {"logGroupNamePrefix": f"{self._prefix}-"})
        found = [group for page in pages for group in page["logGroups"]]
        groups = {group["logGroupName"]: int(group["creationTime"]) for group in found}
        packages = self._prefix + PACKAGE_MARK  # another stack's name may begin as this one's
        return {name: groups[name] for name in groups if name in own or name.startswith(packages)}

    def read(self, group: str, start: int, end: int) -> Iterator[LogEvent]:
        """Return a group's lines from ``start`` up to and without ``end``, in epoch milliseconds.

        Raises:
            UnavailableError: CloudWatch Logs throttles, or can't be reached.
        """
        request = {"logGroupName": group, "startTime": start, "endTime": end - 1, "filterPattern": LINES}
        for page in self._pages("FilterLogEvents", request):
            events = page["events"]
            if len(events) >= PAGE_EVENTS and "nextToken" not in page and end - start > 1:
                # The engine has no tokens: a full page may not be all.
                middle = (start + end) // 2
                yield from self.read(group, start, middle)
                yield from self.read(group, middle, end)
                return
            yield from (LogEvent(event["timestamp"], event["message"]) for event in events)

    def _pages(self, operation: str, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        token: dict[str, str] | None = {}
        while token is not None:
            page = self._open_api().call(operation, {**request, **token}, "", repeatable=True)
            yield page
            token = {"nextToken": page["nextToken"]} if page.get("nextToken") else None


def open_log_events(settings: Settings) -> LogEvents:
    """Return the stack's log groups; raises ConfigurationError without STACK_NAME."""
    client = open_client("logs", settings.region)
    api = JsonApi(client, TARGET, "1.1", read_seconds=READ_SECONDS, attempts=ATTEMPTS)
    return LogEvents(lambda: api, require(settings.stack_name, "STACK_NAME"))
