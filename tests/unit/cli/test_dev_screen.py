"""What `silvaengine dev` shows of a Lambda's log."""

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from silvaengine_cli.dev import own_frames
from silvaengine_cli.tail import LogTail

if TYPE_CHECKING:
    from silvaengine_cli.engine import LocalEngine

TRACE = """\
Traceback (most recent call last):
  File "services/worker/silvaengine_worker/app.py", line 49, in __call__
    return self._run(event, context)
           ~~~~~~~~~^^^^^^^^^^^^^^^^
{frame}KeyError: 'name'"""
FRAME = """\
  File "services/worker/functions/shop.py", line 18, in greet
    raise KeyError("name")
"""


class Logs:
    """An engine whose one Lambda has written these lines."""

    exceptions = SimpleNamespace(ResourceNotFoundException=LookupError)

    def __init__(self) -> None:
        self.lines: list[str] = []

    def client(self, _service: str) -> Any:
        return self

    def get_function_configuration(self, **_: Any) -> dict[str, Any]:
        return {"FunctionName": "worker"}

    def get_paginator(self, _operation: str) -> Any:
        events = [
            {"logStreamName": "s", "timestamp": number, "message": line}
            for number, line in enumerate(self.lines)
        ]
        return SimpleNamespace(paginate=lambda **_: [{"events": events}])


def test_what_a_function_prints_is_shown_as_a_message() -> None:
    """Text is shown like log records; Lambda's own lines about a request are not."""
    logs = Logs()
    tail = LogTail(cast("LocalEngine", logs), "arn")
    logs.lines = [
        "START RequestId: 1 Version: $LATEST",
        "printed\n",
        '{"message": "logged"}',
        "12",
        "END RequestId: 1",
        "REPORT RequestId: 1\tDuration: 6 ms",
    ]
    assert tail.new_records() == [{"message": "printed"}, {"message": "logged"}, {"message": "12"}]
    assert tail.new_records() == []


def test_a_functions_traceback_has_no_frames_of_the_worker() -> None:
    """A developer looks for the function's own lines; if there are none, the worker's stay."""
    assert (
        own_frames(TRACE.format(frame=FRAME))
        == f"Traceback (most recent call last):\n{FRAME}KeyError: 'name'"
    )
    assert own_frames(TRACE.format(frame="")) == TRACE.format(frame="")
