"""A deployed Lambda's log, read while it is written."""

import time
from collections.abc import Mapping
from typing import Any

from silvaengine_cli.client_options import parse_json_or_text
from silvaengine_cli.engine import EngineError, LocalEngine

_OVERLAP_MS = 5_000  # lines may appear later than their timestamp says
_PLATFORM_LINES = ("INIT_START ", "START RequestId: ", "END RequestId: ", "REPORT RequestId: ")

type Record = Mapping[str, Any]


class LogGoneError(EngineError):
    """A Lambda's log is gone, as after `silvaengine destroy`."""


class LogTail:
    """The records that a Lambda writes from now on."""

    def __init__(self, engine: LocalEngine, function_arn: str) -> None:
        configuration = engine.client("lambda").get_function_configuration(FunctionName=function_arn)
        default = f"/aws/lambda/{configuration['FunctionName']}"
        self._engine = engine
        self._group = configuration.get("LoggingConfig", {}).get("LogGroup", default)
        self._logs = engine.client("logs")
        self._from = int(time.time() * 1000)
        self._seen: set[tuple[str, int, str]] = set()
        self.new_records()

    def new_records(self) -> list[Record]:
        """Return what was written since the last call, oldest first; text becomes a message.

        A record has its time as ``timestamp``, in epoch milliseconds.

        Raises:
            LogGoneError: the Lambda's log is gone.
            EngineError: the engine is.
        """
        from botocore.exceptions import EndpointConnectionError  # lazy: slow, and `--help` reads this module

        pages = self._logs.get_paginator("filter_log_events").paginate(
            logGroupName=self._group, startTime=self._from - _OVERLAP_MS
        )
        try:
            # The engine's events have no `eventId`.
            lines = [
                (event["logStreamName"], event["timestamp"], event["message"])
                for page in pages
                for event in page["events"]
            ]
        except self._logs.exceptions.ResourceNotFoundException:
            raise LogGoneError("the stack was deleted; start again to deploy it") from None
        except EndpointConnectionError:
            raise EngineError(f"the engine ended; its log: {self._engine.log}; start again") from None
        new = [line for line in lines if line not in self._seen]
        self._seen.update(new)
        self._from = max([self._from, *(timestamp for _, timestamp, _ in new)])
        return [
            {"timestamp": timestamp, **_record(message)}
            for _, timestamp, message in new
            if not message.startswith(_PLATFORM_LINES)
        ]


def _record(line: str) -> Record:
    record = parse_json_or_text(line)
    return record if isinstance(record, dict) else {"message": line.rstrip()}
