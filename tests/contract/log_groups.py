"""Log groups of a deployment, as its Lambdas write them; see test_log_reader."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

STACK = "read"
GROUPS = {"Worker": f"/aws/lambda/{STACK}-Worker", "packages/shop": f"/aws/lambda/{STACK}-pkg-shop"} | {
    name: f"/aws/lambda/{STACK}-{name}" for name in ("HttpGateway", "Tasks")
}
OTHERS = ("/aws/lambda/read-only-Worker", "/aws/lambda/reading-Worker", "/aws/apigateway/read")


class Written:
    """Log groups of a stack, and of others whose names resemble its."""

    def __init__(self, logs: Any) -> None:
        self.now = int(time.time() * 1000)
        self._logs = logs
        for name in (*GROUPS.values(), *OTHERS):
            logs.create_log_group(logGroupName=name)
            logs.create_log_stream(logGroupName=name, logStreamName="one")

    def put(self, function: str, *messages: str, later: int = 0) -> None:
        """Write messages, each a millisecond after the one before, the first so many after ``now``."""
        events = [{"timestamp": self.now + later + at, "message": text} for at, text in enumerate(messages)]
        for start in range(0, len(events), 10_000):  # as PutLogEvents takes at once
            part = events[start : start + 10_000]
            self._logs.put_log_events(
                logGroupName=GROUPS.get(function, function), logStreamName="one", logEvents=part
            )

    def delete(self, *names: str) -> None:
        """Delete log groups, as a stack's deletion does."""
        for name in names:
            self._logs.delete_log_group(logGroupName=name)

    def put_records(self, function: str, *records: Mapping[str, Any], later: int = 0) -> None:
        """Write JSON lines, as ``put``."""
        self.put(function, *map(json.dumps, records), later=later)


@contextmanager
def written_logs(logs: Any) -> Iterator[Written]:
    """Make the stack's log groups, and others; until the block ends."""
    yield Written(logs)
    pages = logs.get_paginator("describe_log_groups").paginate()
    for group in [group["logGroupName"] for page in pages for group in page["logGroups"]]:
        logs.delete_log_group(logGroupName=group)
