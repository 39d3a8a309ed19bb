"""Mends the logs of MiniStack, which loses lines of a busy function and shows 10,000 events at most.

The launcher beside this file runs it, by the engine's own interpreter.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from queue import Empty
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

from ministack.core import lambda_runtime  # type: ignore[import-not-found]
from ministack.services import cloudwatch_logs, lambda_svc  # type: ignore[import-not-found]

END = "\x1e"  # written to a process's log when an invocation is over
END_SECONDS = 5.0  # until a process that has answered must have been read so far
PAGE = 10_000  # docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html


def mend(change_worker_script: Callable[[str, str], None]) -> None:
    """Mend the logs; ``change_worker_script`` replaces a part of the program that runs a function."""
    keep_logs_of_sockets()
    keep_late_lines(change_worker_script)
    name_events()
    page_events()


def keep_logs_of_sockets() -> None:
    """Write the logs of functions that a WebSocket API invokes, as those of all others are."""
    get_worker = lambda_runtime.get_or_create_worker
    write_logs = lambda_svc._emit_lambda_logs

    def get_logged_worker(name: str, config: Mapping[str, Any], code: bytes, **options: str) -> object:
        worker = get_worker(name, config, code, **options)

        def invoke(event: object, request_id: str) -> Mapping[str, Any]:
            start = time.monotonic()
            result: Mapping[str, Any] = worker.invoke(event, request_id)
            milliseconds = int((time.monotonic() - start) * 1000)
            has_failed = result["status"] == "error"
            write_logs({"config": config}, request_id, result.get("log", ""), has_failed, milliseconds)
            # The engine makes a 500 of it, which may as well be the function's own.
            failure = {"statusCode": 502, "body": result.get("error", "")}
            return {"status": "done", "result": failure} if has_failed else result

        return SimpleNamespace(invoke=invoke)

    lambda_runtime.get_or_create_worker = get_logged_worker


def keep_late_lines(change_worker_script: Callable[[str, str], None]) -> None:
    """Wait for all that an invocation has written; the engine waits 50 ms for a line, and 5 for another.

    What it hasn't read by then is the next invocation's, and lost if there is none.
    """
    last = "        _real_stdout.flush()\n\nrun()\n"
    change_worker_script(
        last, f"        sys.__stderr__.write({END!r} + '\\n'); sys.__stderr__.flush()\n{last}"
    )
    drain = lambda_runtime.Worker._drain_stderr_bounded

    def drain_to_end(worker: Any, *arguments: float, **options: float) -> str:  # noqa: ANN401
        if type(worker) is not lambda_runtime.Worker:  # of another runtime
            text: str = drain(worker, *arguments, **options)
            return text
        if worker._proc is None:  # it was ended, and is read to its end
            worker._stderr_thread.join(END_SECONDS)
        return "\n".join(_lines_to_end(worker))

    lambda_runtime.Worker._drain_stderr_bounded = drain_to_end


def _lines_to_end(worker: Any) -> Iterable[str]:  # noqa: ANN401
    with suppress(Empty):
        while True:
            line = worker._stderr_queue.get(timeout=END_SECONDS if worker._proc else 0)
            if text := line.removesuffix(END):
                yield text
            if line.endswith(END):
                return


def name_events() -> None:
    """Name each event by an id, which the engine does only for those of PutLogEvents."""
    append = cloudwatch_logs._append_log_events

    def append_named(stream: object, events: Iterable[Mapping[str, Any]]) -> None:
        append(stream, [{"eventId": uuid4().hex, **event} for event in events])

    cloudwatch_logs._append_log_events = append_named


def page_events() -> None:
    """Add a token for what FilterLogEvents has left out: how far it came, and with how many of that time."""
    filter_events = cloudwatch_logs._filter_log_events

    def filter_page(request: Mapping[str, Any]) -> tuple[int, object, bytes]:
        start, past = map(int, request.get("nextToken", f"{request.get('startTime', 0)}:0").split(":"))
        status, headers, body = filter_events({**request, "startTime": start, "limit": PAGE})
        found = json.loads(body)
        if status == 200:
            end = past + request.get("limit", PAGE)
            seen, is_full = found["events"][:end], len(found["events"]) == PAGE
            if (is_full or len(found["events"]) > end) and seen[past:]:
                time_of_last = seen[-1]["timestamp"]
                same = sum(event["timestamp"] == time_of_last for event in seen)
                found["nextToken"] = f"{time_of_last}:{same}"
            found["events"] = seen[past:]
        return status, headers, json.dumps(found).encode()

    cloudwatch_logs._filter_log_events = filter_page
