"""What commands print: JSON for machines, tables and colours for people."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")


def print_json(value: object) -> None:
    """Print one JSON value on stdout."""
    click.echo(json.dumps(value, indent=2, default=_to_json, ensure_ascii=False))


def print_result(value: object, text: str, *, as_json: bool) -> None:
    """Print a value for machines, or a text about it for people."""
    if as_json:
        print_json(value)
    else:
        click.echo(text)


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], value: object, *, as_json: bool
) -> None:
    """Print a value for machines, or a table of it for people, whose cells are plain text and no markup.

    It has no header if the columns have no names.
    """
    if as_json:
        print_json(value)
        return
    table = Table(title=title, title_justify="left", header_style="bold", show_header=any(columns))
    for number, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=number == 0)
    for row in rows:
        table.add_row(*(escape(_cell(value)) for value in row))
    console().print(table)


def utc_time(seconds: float, precision: str = "seconds") -> str:
    """Return epoch seconds as ISO 8601 text in UTC."""
    return datetime.fromtimestamp(int(seconds), UTC).isoformat(timespec=precision)


def console() -> Console:
    """Return a new console on the current stdout, which tests and pipes change."""
    return Console(highlight=False)


def _cell(value: object) -> str:
    match value:
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
