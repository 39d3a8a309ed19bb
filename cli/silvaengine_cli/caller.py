"""Who calls: the option of all commands that act as a client."""

import click

from silvaengine.tables import DEFAULT_API_KEY
from silvaengine_cli.registry.values import check_api_key


def _checked(_context: click.Context, _parameter: click.Parameter, api_key: str) -> str:
    try:
        return check_api_key(api_key)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


api_key_option = click.option(
    "--api-key", default=DEFAULT_API_KEY, callback=_checked, help="Key of the caller.  [default: none]"
)
