"""The period that usage and cost are of: whole hours, in UTC."""

import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import wraps
from typing import Any, NamedTuple

import click

from silvaengine_cli.client_options import checked
from silvaengine_tasks.usage.rows import HOUR, hour_text, month_of


class Period(NamedTuple):
    """Hours, numbered since 1970, from ``first`` up to and without ``end``."""

    first: int
    end: int

    def months(self) -> Iterator[str]:
        """Return the months that it touches, as ``2026-11``."""
        return iter(dict.fromkeys(month_of(hour) for hour in range(self.first, self.end)))

    def texts(self) -> tuple[str, str]:
        """Return its ends as ISO 8601 has them."""
        return f"{hour_text(self.first)}:00Z", f"{hour_text(self.end)}:00Z"


def period_options[R](command: Callable[..., R]) -> Callable[..., R]:
    """Add ``--month``, ``--since`` and ``--until``; the command gets them as ``period``."""
    month = click.option("--month", callback=checked(_check_month), help="As 2026-11.  [default: this one]")
    since = click.option("--since", callback=checked(_check_hour), help="From this day or hour on, in UTC.")
    until = click.option("--until", callback=checked(_check_hour), help="Before this day or hour, in UTC.")

    @wraps(command)
    def with_period(
        *args: object,
        month: str | None,
        since: str | None,
        until: str | None,
        **options: Any,  # noqa: ANN401 - click's values
    ) -> R:
        if month and (since or until):
            raise click.UsageError("--month goes without --since and --until")
        if until and not since:
            raise click.UsageError("--until needs --since")
        return command(*args, period=_period(month, since, until), **options)

    return month(since(until(with_period)))


def month_period(text: str | None) -> Period:
    """Return the hours of a month, this one by default; raise ClickException for a text that is none."""
    try:
        return _period(_check_month(text), None, None)
    except ValueError as error:
        raise click.ClickException(str(error)) from None


def _period(month: str | None, since: str | None, until: str | None) -> Period:
    now = int(time.time()) // HOUR + 1
    if not since:
        first = datetime.strptime(month or month_of(now - 1), "%Y-%m").replace(tzinfo=UTC)
        after = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
        return Period(_hour(first), _hour(after))
    period = Period(_hour(_moment(since)), _hour(_moment(until)) if until else now)
    if period.first >= period.end:
        raise click.UsageError("--since has to be before --until, and before now")
    return period


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}:00" if "T" in text else text).replace(tzinfo=UTC)


def _hour(moment: datetime) -> int:
    return int(moment.timestamp()) // HOUR


def _check_month(text: str | None) -> str | None:
    if text is None or re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", text):
        return text
    raise ValueError(f"{text!r}: expected a month such as 2026-11")


def _check_hour(text: str | None) -> str | None:
    try:
        if text is None or (re.fullmatch(r"20\d\d-\d\d-\d\d(T\d\d)?", text) and _moment(text)):
            return text
    except ValueError:  # the 31st of February
        pass
    raise ValueError(f"{text!r}: expected a day or an hour in UTC, such as 2026-11-30 or 2026-11-30T13")


refresh_option = click.option(
    "--refresh", is_flag=True, help="First roll up what was logged until now; with --local it always is."
)
