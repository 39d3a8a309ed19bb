"""The options that say how a release comes to its tenants."""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, override

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


def canary_options[R](command: Callable[..., R]) -> Callable[..., R]:
    """Add the options of a canary; the command gets what a pointer says of it as ``canary``, or None."""

    @click.option("--canary", "whom", type=WHOM, help="Serve these tenants first: 10%, or acme,globex.")
    @click.option("--after", type=SECONDS, help="Time after which a canary may serve all.  [default: 30m]")
    @click.option("--manual", is_flag=True, help="Let a canary serve all by `promote` alone.")
    @wraps(command)
    def with_canary(
        *args: object,
        whom: Row | None,
        after: int | None,
        manual: bool,
        **options: Any,  # noqa: ANN401
    ) -> R:
        return command(*args, canary=_canary(whom, after, manual=manual), **options)

    return with_canary


def _canary(whom: Row | None, after: int | None, *, manual: bool) -> Row | None:
    if whom is None:
        if after is not None or manual:
            raise click.UsageError("--after and --manual are a canary's: add --canary")
        return None
    if manual and after is not None:
        raise click.UsageError("with --manual it goes forward by `promote` alone: leave out --after")
    return whom | ({"manual": True} if manual else {}) | ({"after": after} if after else {})
