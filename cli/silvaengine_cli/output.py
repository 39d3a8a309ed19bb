"""What commands print: JSON for machines, tables and colours for people."""

import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from textwrap import TextWrapper

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

SHORT_ID = 8  # characters
UNLIMITED = 10_000  # columns
HIDDEN = "•••"  # for a value that nobody is shown
GAP = 2  # columns between those of a table
FRAME = 7  # columns around and between two of facts
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
UNBROKEN = 20  # characters: a column of text keeps so many for a part of a name

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")


def plain(text: str) -> str:
    """Return a text with escapes, as JSON has them, for what would drive a terminal or can't be printed.

    Names, messages and errors are clients' and functions' own: control characters but tabs and line ends,
    those that turn the direction of writing, and halves of surrogate pairs.
    """
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def print_json(value: object) -> None:
    """Print one JSON value on stdout."""
    click.echo(plain(json.dumps(value, indent=2, default=_to_json, ensure_ascii=False)))


def print_result(value: object, text: str, *, as_json: bool) -> None:
    """Print a value for machines, or a text about it for people."""
    if as_json:
        print_json(value)
    else:
        click.echo(text)


class Id(str):
    """An id in a cell: its beginning is shown, which the commands that take an id accept, too."""

    __slots__ = ()


class Moment(int):
    """Epoch seconds in a cell: month, day, hour and minute are shown, in UTC."""


class Day(int):
    """Epoch seconds in a cell, of which the date matters, in UTC."""


class Detail(str):
    """The name of a column that only --wide shows."""

    __slots__ = ()


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    value: object,
    *,
    as_json: bool,
    wide: bool = False,
) -> None:
    """Print a value for machines, or a table of it for people, whose cells are plain text and no markup.

    Columns without names make a table of facts, without a header. With ``wide``, and where nothing says how
    wide the reader's terminal is, nothing is shortened.
    """
    if as_json:
        print_json(value)
        return
    shown = [number for number, column in enumerate(columns) if wide or not isinstance(column, Detail)]
    names = [columns[number] for number in shown]
    values = [[row[number] for number in shown] for row in map(tuple, rows)]
    whole = wide or not (sys.stdout.isatty() or "COLUMNS" in os.environ)
    cells = [[plain(_cell(each, whole=whole)) for each in row] for row in values]
    screen = Console(highlight=False, width=UNLIMITED) if whole else console()
    if any(columns):
        table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
        widths = _widths(names, values, cells, screen.width)
    else:
        table = Table(show_header=False)
        longest = max((len(name) for name, _ in cells), default=0)
        widths = [longest, max(screen.width - longest - FRAME, 1)]
    for name, width in zip(names, widths, strict=True):
        table.add_column(_folded(name, width), overflow="fold", max_width=width)
    table.title, table.title_justify = title, "left"
    for row in cells:
        table.add_row(*(escape(_folded(*cell)) for cell in zip(row, widths, strict=True)))
    screen.print(table)


def _widths(
    names: Sequence[str], values: list[list[object]], cells: list[list[str]], available: int
) -> list[int]:
    """Return a width for each column: where not all fits, columns of text shrink, ids and times don't."""
    widths, least = [], []
    for number, name in enumerate(names):
        texts = [name, *(row[number] for row in cells)]
        widths.append(max(map(len, texts)))
        longest_part = max(len(part) for text in texts for part in _Wrapper.wordsep_re.split(text))
        is_fixed = any(isinstance(row[number], Id | Moment | Day) for row in values)
        least.append(widths[-1] if is_fixed else min(longest_part, UNBROKEN))
    while sum(widths) > max(available - GAP * len(widths), len(widths)):
        spare = [width - floor for width, floor in zip(widths, least, strict=True)]
        at = spare.index(max(spare)) if max(spare) > 0 else widths.index(max(widths))
        widths[at] -= 1
    return widths


class _Wrapper(TextWrapper):
    """Breaks lines between words, and after the signs that join the parts of a name."""

    wordsep_re = re.compile(r"(\s+|[^\s_:-]*[_:-]+)")


def _folded(text: str, width: int) -> str:
    wrapper = _Wrapper(width)
    return "\n".join("\n".join(wrapper.wrap(line)) for line in text.splitlines())


def utc_time(seconds: float, precision: str = "seconds") -> str:
    """Return epoch seconds as ISO 8601 text in UTC."""
    return datetime.fromtimestamp(int(seconds), UTC).isoformat(timespec=precision)


def console() -> Console:
    """Return a new console on the current stdout, which tests and pipes change."""
    return Console(highlight=False)


def _cell(value: object, *, whole: bool) -> str:
    match value:
        case Id():
            return value if whole or len(value) <= SHORT_ID + 1 else f"{value[:SHORT_ID]}…"
        case Moment() | Day() if whole:
            return utc_time(value)
        case Moment():
            return datetime.fromtimestamp(value, UTC).strftime("%m-%d %H:%M")
        case Day():
            return datetime.fromtimestamp(value, UTC).date().isoformat()
        case dict():
            return "\n".join(f"{name}: {member}" for name, member in value.items())
        case list():
            return " ".join(map(str, value))
        case bool():
            return "yes" if value else "no"
        case _:
            return str(value)


def _to_json(value: object) -> object:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return list(value) if isinstance(value, set | frozenset | tuple) else str(value)
