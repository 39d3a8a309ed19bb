"""Since when: the time that options take."""

import re
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, override

import click

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


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
        return max(int(begin * 1000), 0)  # before the epoch nothing was written


def _begin(text: str) -> float | None:
    """Return epoch seconds; None for a text that is no time. A time of day is the last one that there was."""
    if ago := re.fullmatch(r"(\d{1,6})([smhd])", text):
        return time.time() - timedelta(**{_UNITS[ago[2]]: int(ago[1])}).total_seconds()
    try:
        if re.fullmatch(r"\d{1,2}:\d\d", text):
            hours, minutes = map(int, text.split(":"))
            # Without a zone: the offset is that day's and hour's own, not this moment's.
            today = datetime.now().replace(hour=hours, minute=minutes, second=0, microsecond=0)  # noqa: DTZ005
            is_over = today.timestamp() <= time.time()
            return (today if is_over else today - timedelta(days=1)).timestamp()
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
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
