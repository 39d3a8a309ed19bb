"""The options that say how a release comes to its tenants."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from silvaengine_cli.commands.rollout_options import SECONDS
from silvaengine_cli.main import cli


@pytest.mark.parametrize(("text", "seconds"), [("60s", 60), ("30m", 1800), ("2h", 7200)])
def test_a_time_has_a_unit(text: str, seconds: int) -> None:
    """Seconds, minutes or hours."""
    assert SECONDS.convert(text, None, None) == seconds


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--after", "30m"], "--after and --manual are a canary's: add --canary"),
        (["--manual"], "--after and --manual are a canary's: add --canary"),
        (["--canary", "10%", "--manual", "--after", "30m"], "leave out --after"),
        (["--canary", "10%", "--ramp", "60s"], "a canary has its own pace: leave out --ramp"),
        (["--canary", "0%"], "a share is a whole number from 1% to 100%"),
        (["--canary", "10%", "--after", "30"], "must be a time such as 60s, 30m or 2h"),
        (["--ramp", "0s"], "must be a time such as 60s, 30m or 2h"),
        (["--warm", "-1"], "-1 is not in the range 0<=x<=1000"),
    ],
)
def test_options_that_make_no_sense_are_refused(tmp_path: Path, options: list[str], message: str) -> None:
    """Before anything is read."""
    result = CliRunner().invoke(cli, ["publish", str(tmp_path), *options])
    assert result.exit_code == 2
    assert message in result.output
