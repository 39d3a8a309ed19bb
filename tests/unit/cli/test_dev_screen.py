"""What `silvaengine dev` shows of the Lambdas' logs."""

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from silvaengine_cli.logs import Line
from silvaengine_cli.screen import NORMAL, QUIET, VERBOSE, Screen, own_frames

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


def test_a_functions_traceback_has_no_frames_of_the_worker() -> None:
    """A developer looks for the function's own lines; if there are none, the worker's stay."""
    assert (
        own_frames(TRACE.format(frame=FRAME))
        == f"Traceback (most recent call last):\n{FRAME}KeyError: 'name'"
    )
    assert own_frames(TRACE.format(frame="")) == TRACE.format(frame="")


REQUEST: dict[str, Any] = {
    "service": "http",
    "method": "GET",
    "area": "core",
    "endpoint_id": "demo",
    "function": "hello",
}
REQUEST |= {"status": 200, "total_ms": 12.34, "request_id": "r1", "cold_start": False}
RECORDS: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("HttpGateway", REQUEST),
    ("HttpGateway", {**REQUEST, "function": "long_name_of_a_function_that_does_much", "status": 404}),
    ("WebsocketGateway", {"service": "websocket", "route": "authorizer", "status": 200, "total_ms": 1}),
    ("WebsocketGateway", {**REQUEST, "service": "websocket", "method": None, "route": "$default"}),
    ("Tasks", {"service": "tasks", "status": 200, "total_ms": 3, "accepted": 0}),
    (
        "Tasks",
        {"level": "ERROR", "message": "Function 'heard' failed: late", "request_id": "r2"},
    ),
    ("Tasks", {"service": "tasks", "source": "sqs", "records": 2, "failed": 1, "status": 200, "total_ms": 5}),
    ("HttpGateway", {"level": "ERROR", "message": "Bad settings (no such module)", "request_id": "r3"}),
    ("Worker", {"message": "printed"}),
    (
        "Worker",
        {"level": "ERROR", "message": "It failed", "request_id": "r4", "traceback": "KeyError: 1"},
    ),
    ("HttpGateway", {"level": "ERROR", "message": "The function failed", "request_id": "r4"}),
    ("Worker", {"service": "worker", "function": "fail", "status": 500, "total_ms": 4}),
)

SHOWN = """\
HH:MM:SS GET        /core/demo/hello                     demo       200    12 ms
HH:MM:SS GET        /core/demo/long_name_of_a_function_… demo       404    12 ms
         request_id=r1
HH:MM:SS default    /core/demo/hello                     demo       200    12 ms
  Tasks: Function 'heard' failed: late
HH:MM:SS sqs        2 records, 1 failed                  -          200     5 ms
  HttpGateway: Bad settings (no such module)
  printed
  It failed
request r4
KeyError: 1
"""


def shown(level: int, width: int = 80) -> str:
    """Return what a level shows of the records; hours are digits that tests don't know."""
    printed = io.StringIO()
    screen = Screen(Console(file=printed, width=width, soft_wrap=True, highlight=False), Path(), level)
    for function, record in RECORDS:
        screen.show(Line(function, 0, record, "", ""))
    return re.sub(r"^\d\d:\d\d:\d\d", "HH:MM:SS", printed.getvalue(), flags=re.MULTILINE)


def test_events_and_failures_are_shown() -> None:
    """A request, a message and an event is a line of 80 characters, a failure has its cause, once."""
    assert shown(NORMAL) == SHOWN


HOSTILE = "\x1b[31m\x1b]0;title\x07 \x9b2J \r \u202egnp \ud800"
ESCAPED = r"\u001b[31m\u001b]0;title\u0007 \u009b2J \u000d \u202egnp \ud800"


@pytest.mark.parametrize("level", [NORMAL, VERBOSE])
def test_what_others_wrote_drives_no_terminal(level: int) -> None:
    """Names are clients', messages functions': what is no printable text is shown as an escape."""
    lines = (
        {**REQUEST, "endpoint_id": HOSTILE, "function": f"{HOSTILE}\n", "error": HOSTILE, "status": 500},
        {"message": HOSTILE},
        {"message": "x", "request_id": HOSTILE, "traceback": f'File "/var/task/**/\0/[" {HOSTILE}'},
    )
    printed = io.StringIO()
    screen = Screen(Console(file=printed, width=400, soft_wrap=True, highlight=False), Path(), level)
    for record in lines:
        screen.show(Line("Worker", 0, record, "", ""))
    assert printed.getvalue().replace("\n", "").isprintable()
    assert printed.getvalue().count(ESCAPED) >= 5


def test_a_message_of_several_lines_looks_like_no_other() -> None:
    """A function may print what looks like a request's line: it stands indented, under what it belongs to."""
    printed = io.StringIO()
    screen = Screen(Console(file=printed, soft_wrap=True, highlight=False), Path(), NORMAL)
    screen.show(Line("Worker", 0, {"message": "x\n10:00:00 GET /core/victim/hello"}, "", ""))
    assert printed.getvalue() == "  x\n  10:00:00 GET /core/victim/hello\n"


@pytest.mark.parametrize("width", [80, 120])
def test_lines_fit(width: int) -> None:
    """The columns fill the width, and what is too long is cut with a mark."""
    lines = [line for line in shown(NORMAL, width).splitlines() if line.startswith("HH")]
    assert {len(line) for line in lines} == {width}
    assert "…" in shown(NORMAL, 80)
    assert "long_name_of_a_function_that_does_much" in shown(NORMAL, 120)


def test_quiet_shows_failures_alone() -> None:
    """Neither what went well nor what functions print is shown, causes are."""
    printed = shown(QUIET)
    assert [line for line in printed.splitlines() if line.startswith("HH")] == [SHOWN.splitlines()[5]]
    assert "no such module" in printed
    assert "printed" not in printed


def test_verbose_shows_all() -> None:
    """Every record is shown with its request id, repeated causes and the worker's own lines, too."""
    printed = shown(VERBOSE)
    for words in ("authorizer", "accepted=0", "The function failed", "request_id=r1", "service=worker"):
        assert words in printed


def test_a_packages_log_is_shown_as_a_workers(tmp_path: Path) -> None:
    """What it prints has no prefix, and its traceback names its own sources, without the worker's."""
    own, worker = "packages/shop/models.py", "services/worker/silvaengine_worker/app.py"
    for name in (own, worker, "packages/depot/models.py"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    printed = io.StringIO()
    screen = Screen(Console(file=printed, soft_wrap=True, highlight=False), tmp_path, NORMAL)
    frame = '  File "{}", line 1, in call\n    call()\n'
    modules = ("silvaengine_worker/app.py", "models.py")
    trace = "".join(frame.format(f"/engine/code/{module}") for module in modules)
    failed = {"level": "ERROR", "message": "It failed", "request_id": "r1", "traceback": trace}
    for record in ({"message": "printed"}, failed):
        screen.show(Line("packages/shop", 0, record, "", ""))
    assert printed.getvalue() == f"  printed\n  It failed\nrequest r1\n{frame.format(own)}\n"
