"""What `silvaengine dev` shows of the Lambdas' logs: a line for each event, and the cause of each failure."""

import logging
import re
import time
from glob import escape
from pathlib import Path

from rich.console import Console
from rich.text import Text

from silvaengine_cli.logs import Line
from silvaengine_cli.logs.choice import has_failed, is_event, level_of
from silvaengine_cli.logs.groups import RUN_FUNCTIONS
from silvaengine_cli.logs.reader import Record
from silvaengine_cli.output import plain

QUIET, NORMAL, VERBOSE = range(3)
_WIDTHS = {"time": 8, "kind": 10, "tenant": 10, "status": 3, "ms": 8}
_DEPLOYED_PATH = re.compile(r'"/(?:[^"]*/code|var/task|opt/python)/([^"]+)"')
_WORKER_FRAME = re.compile(r'^  File "[^"]*/silvaengine_worker/.*\n(?:    .*\n)*', re.MULTILINE)
_SOURCES = ("functions", "services/worker/functions", "services/*", "authorizers", "shared", "packages/*")
_INDENT = " " * (_WIDTHS["time"] + 1)


class Screen:
    """Shows records on a console, in columns that fit its width.

    Args:
        console: 80 columns or more, for the columns.
        project: the folder of the sources, which tracebacks name instead of what was deployed.
        level: QUIET shows failures alone, VERBOSE every record and all that it holds.
    """

    def __init__(self, console: Console, project: Path, level: int = NORMAL) -> None:
        self._console = console
        self._project = project
        self._level = level
        self._traced: set[str] = set()  # requests whose traceback was shown

    def show(self, line: Line) -> None:
        """Show what a Lambda has written, if the level wants it."""
        record = line.record
        if line.is_invocation:
            if self._wants_line(record):
                self.show_line(line)
        elif record.get("message") and self._wants_message(line.function, record):
            self._show_message(line)

    def _wants_line(self, record: Record) -> bool:
        if self._level == VERBOSE or record["service"] == "worker":  # whatever called it has a line, too
            return self._level == VERBOSE
        return has_failed(record) or (self._level == NORMAL and is_event(record))

    def _wants_message(self, function: str, record: Record) -> bool:
        if self._level == VERBOSE:
            return True
        if level_of(record) < logging.WARNING:
            return self._level == NORMAL and function.startswith(RUN_FUNCTIONS)
        # A gateway repeats in a line what the worker's traceback says.
        return "traceback" in record or record.get("request_id") not in self._traced

    def show_line(self, line: Line) -> None:
        """Show the line of an invocation, whatever the level."""
        record = line.record
        tone = tone_of(line)
        cells = {
            "time": time.strftime("%H:%M:%S", time.localtime(line.timestamp / 1000)),
            "kind": kind_of(record),
            "path": path_of(record),
            "tenant": str(record.get("endpoint_id", "-")),
            "status": str(record.get("status", "")),
            "ms": f"{record.get('total_ms', 0):.0f} ms",
        }
        widths = _WIDTHS | {"path": max(20, self._console.width - sum(_WIDTHS.values()) - len(_WIDTHS))}
        fitted = {name: _fit(cell, widths[name], full=self._level == VERBOSE) for name, cell in cells.items()}
        fitted["ms"] = cells["ms"].rjust(widths["ms"])
        self._console.print(Text(" ".join(fitted.values()), tone))
        rest = _rest(record, all_of_it=self._level == VERBOSE)
        if rest and (tone or self._level == VERBOSE):
            self._print(f"{_INDENT}{rest}", "dim")

    def _show_message(self, line: Line) -> None:
        function, record = line.function, line.record
        prefix = "" if function.startswith(RUN_FUNCTIONS) else f"{function}: "
        message = str(record["message"]).rstrip().replace("\n", "\n  ")  # a line's own begins with its time
        self._print(f"  {prefix}{message}", tone_of(line))
        if trace := record.get("traceback"):
            self._traced.add(str(record.get("request_id")))
            shown = own_frames(in_sources(trace, function, self._project))
            self._print(f"request {record.get('request_id')}\n{shown}", "red")

    def _print(self, text: str, style: str) -> None:
        self._console.print(Text(plain(text), style), soft_wrap=True)


def in_sources(text: str, folder: Path | str, project: Path) -> str:
    """Return a text in which the paths of deployed files are those of a project's, best in ``folder``."""

    def source_path(deployed: re.Match[str]) -> str:
        name = escape(deployed[1])  # a traceback quotes what it failed on, too
        found = (path for each in (folder, *_SOURCES) for path in project.glob(f"{each}/{name}"))
        path = next(found, None)
        return f'"{path.relative_to(project)}"' if path else deployed[0]

    return _DEPLOYED_PATH.sub(source_path, text)


def own_frames(trace: str) -> str:
    """Return a traceback without the worker's frames, or unchanged if it has no others."""
    shorter = _WORKER_FRAME.sub("", trace)
    return shorter if "  File " in shorter else trace


def tone_of(line: Line) -> str:
    """Return the colour of what failed, of what is refused or warns, and an empty text for all else."""
    record = line.record
    if line.is_invocation:
        is_refused = 400 <= int(record.get("status", 0)) < 500
        return "red" if has_failed(record) else "yellow" if is_refused else ""
    level = level_of(record)
    return "red" if level >= logging.ERROR else "yellow" if level >= logging.WARNING else ""


def kind_of(record: Record) -> str:
    """Return what came: an HTTP method, a WebSocket's route, the source of an event, or else the service."""
    names = ("method", "route", "source", "service")
    return str(next(record[name] for name in names if record.get(name))).removeprefix("$")


def path_of(record: Record) -> str:
    """Return what it is for: area, tenant and function, or how many records."""
    parts = [record.get(name) for name in ("area", "endpoint_id", "function")]
    path = "/" + "/".join(str(part or "-") for part in parts) if any(parts) else ""
    records = record.get("records")
    return path if records is None else f"{records} records, {record.get('failed', 0)} failed"


def _fit(text: str, width: int, *, full: bool) -> str:
    text = plain(text).replace("\n", "\\n")
    cut = text if full or len(text) <= width else f"{text[: width - 1]}…"
    return cut.ljust(width)


def _rest(record: Record, *, all_of_it: bool) -> str:
    """Return what a line has besides its columns: the error and the request id, or all."""
    in_columns = ("area", "endpoint_id", "function", "method", "status", "total_ms")
    names = [name for name in record if name not in in_columns]
    shown = names if all_of_it else ("error", "error_type", "request_id")
    return " ".join(f"{name}={record[name]}" for name in shown if record.get(name) is not None)
