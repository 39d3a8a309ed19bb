"""The times that ``--since`` takes."""

import time
from datetime import datetime, timedelta
from typing import Any

import click
import pytest

from silvaengine_cli.logs.times import Since

DAY = 86_400


def since(text: str) -> float:
    """Return epoch seconds for a text."""
    return Since().convert(text, None, None) / 1000


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("10m", 600), ("2h", 7200), ("1d", DAY), (" 90m ", 5400)]
)
def test_how_long_ago(text: str, seconds: int) -> None:
    """A number and its unit count back from now."""
    assert since(text) == pytest.approx(time.time() - seconds, abs=5)


def test_a_time_of_day_is_the_last_one() -> None:
    """One that is still to come today was yesterday's."""
    for minutes in (-30, 30):
        then = datetime.now().astimezone() + timedelta(minutes=minutes)
        assert 0 <= time.time() - since(f"{then:%H:%M}") <= DAY
    assert datetime.fromtimestamp(since("0:00")).astimezone().strftime("%H:%M") == "00:00"


@pytest.mark.parametrize(
    ("now", "text", "expected"),
    [
        ("2026-10-25T12:00+01:00", "00:30", "2026-10-25T00:30+02:00"),
        ("2026-10-25T12:00+01:00", "13:00", "2026-10-24T13:00+02:00"),
        ("2026-03-29T12:00+02:00", "01:30", "2026-03-29T01:30+01:00"),
        ("2026-03-29T12:00+02:00", "13:00", "2026-03-28T13:00+01:00"),
    ],
)
def test_a_time_of_day_is_that_of_the_clock_on_the_wall_where_it_was_changed(
    now: str, text: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In Berlin clocks go back on 25 October, and forth on 29 March."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Clock":
            return cls.fromtimestamp(time.time(), tz)

    try:
        with monkeypatch.context() as patch:
            patch.setenv("TZ", "Europe/Berlin")
            time.tzset()
            patch.setattr(time, "time", datetime.fromisoformat(now).timestamp)
            patch.setattr("silvaengine_cli.logs.times.datetime", Clock)
            assert since(text) == datetime.fromisoformat(expected).timestamp()
    finally:
        time.tzset()


def test_nothing_is_asked_for_before_the_epoch() -> None:
    """AWS takes no negative time."""
    assert since("999999d") == 0


def test_a_date_is_on_this_machines_clock_unless_it_says_a_zone() -> None:
    """ISO 8601, with a zone or without."""
    assert since("2026-11-01T10:00:00Z") == datetime.fromisoformat("2026-11-01T10:00:00+00:00").timestamp()
    assert since("2026-11-01") == datetime.fromisoformat("2026-11-01T00:00").timestamp()


@pytest.mark.parametrize("text", ["", "10", "10x", "yesterday", "25:00", "-5m"])
def test_another_text_is_refused_with_what_is_expected(text: str) -> None:
    """The message shows each form."""
    with pytest.raises(click.BadParameter, match="expected 10m, 2h, 1d, 10:00"):
        since(text)


def test_what_is_still_to_come_is_refused() -> None:
    """A year's wrong digit doesn't end in an empty answer."""
    with pytest.raises(click.BadParameter, match="still to come"):
        since("2999-01-01")
