"""Since when: the time that options take."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, override

import click

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DAY_SECONDS = 86_400


class Since(click.ParamType):
    """A time before now, as epoch milliseconds: how long ago, or when on this machine's clock."""

    name = "time"

    @override
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        begin = _begin(value.strip())
        if begin is None:
            self.fail(f"{value!r}: expected 10m, 2h, 1d, 10:00 or 2026-11-30T10:00", param, ctx)
        if begin > time.time():
            self.fail(f"{value!r} is still to come", param, ctx)
        return int(begin * 1000)


def _begin(text: str) -> float | None:
    """Return epoch seconds; None for a text that is no time. A time of day is the last one that there was."""
    if ago := re.fullmatch(r"(\d{1,6})([smhd])", text):
        return time.time() - timedelta(**{_UNITS[ago[2]]: int(ago[1])}).total_seconds()
    try:
        if re.fullmatch(r"\d{1,2}:\d\d", text):
            hours, minutes = map(int, text.split(":"))
            today = datetime.now(UTC).astimezone().replace(second=0, microsecond=0)
            begin = today.replace(hour=hours, minute=minutes).timestamp()
            return begin if begin <= time.time() else begin - _DAY_SECONDS
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


def since_option[R](default: str) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Return the option ``--since``, which the command gets as ``since``, in epoch milliseconds."""
    return click.option(
        "--since",
        type=Since(),
        default=default,
        show_default=True,
        metavar="TIME",
        help="From when on: 10m, 2h, 1d ago, 10:00 on this machine's clock, or 2026-11-30T10:00.",
    )
