"""Logs of the local engine."""

from typing import Any

from silvaengine.settings import PACKAGE_MARK
from silvaengine_cli.engine import LocalEngine
from silvaengine_cli.logs import LogReader, LogTail
from silvaengine_cli.logs.groups import PREFIX
from silvaengine_cli.logs.reader import Record


class FunctionLog:
    """What a function of any stack writes from now on."""

    def __init__(self, engine: LocalEngine, arn: str) -> None:
        name = arn.split(":")[6]  # a version may follow
        _, is_package, package = name.partition(PACKAGE_MARK)
        in_template = f"packages/{package}" if is_package else name.rpartition("-")[2]
        self._tail = LogTail(LogReader(engine.client("logs"), {in_template: PREFIX + name}))

    def new_records(self) -> list[Record]:
        """Return what was written since the last call, the oldest first, each with its ``timestamp``."""
        return [{"timestamp": line.timestamp, **line.record} for line in self._tail.new_lines()]


def written(logs: Any, part: str) -> str:
    """Return all that was logged in groups whose names have this part."""
    pages = logs.get_paginator("describe_log_groups").paginate()
    groups = [group["logGroupName"] for page in pages for group in page["logGroups"]]
    read = logs.get_paginator("filter_log_events").paginate
    events = (page["events"] for group in groups if part in group for page in read(logGroupName=group))
    return "\n".join(event["message"] for page in events for event in page)
