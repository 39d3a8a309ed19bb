"""The options that say how a release comes to its tenants."""

import re
from typing import override

import click

from silvaengine.aws.table_client import Row
from silvaengine_cli.publishing.coverage import parse_coverage

_UNITS = {"s": 1, "m": 60, "h": 3600}


class _Seconds(click.ParamType):
    name = "time"

    @override
    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):  # the default
            return value
        if not re.fullmatch(r"[1-9]\d{0,5}[smh]", value):
            self.fail("must be a time such as 60s, 30m or 2h", param, ctx)
        return int(value[:-1]) * _UNITS[value[-1]]


class _Whom(click.ParamType):
    name = "whom"

    @override
    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Row:
        try:
            return parse_coverage(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


SECONDS = _Seconds()
WHOM = _Whom()

warm_option = click.option(
    "--warm",
    type=click.IntRange(0, 1_000),
    help="Environments to make ready before.  [default: the package's `warm`]",
)
ramp_option = click.option(
    "--ramp", type=SECONDS, default=0, help="Time in which it serves 10, 25 and 50 % before all."
)
