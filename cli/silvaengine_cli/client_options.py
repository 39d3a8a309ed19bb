"""The API key and the parameters of commands that act as a client."""

import json
from collections.abc import Callable, Iterable

import click

from silvaengine.protocol.json_codec import Json
from silvaengine.tables import DEFAULT_API_KEY
from silvaengine_cli.registry.values import check_api_key


def checked[T](check: Callable[[T], T]) -> Callable[[click.Context, click.Parameter, T], T]:
    """Return an option's callback that refuses the values for which the check raises ValueError."""

    def callback(_context: click.Context, _parameter: click.Parameter, value: T) -> T:
        try:
            return check(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None

    return callback


api_key_option = click.option(
    "--api-key",
    default=DEFAULT_API_KEY,
    callback=checked(check_api_key),
    help="Key of the caller.  [default: none]",
)


def parse_parameters(pairs: Iterable[str]) -> dict[str, Json]:
    """Return the parameters for ``NAME=VALUE`` pairs, in which a VALUE that is JSON is read as JSON.

    Raises:
        ValueError: a text is not such a pair; the message quotes it.
    """
    values = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not (name and equals):
            raise ValueError(f"{pair!r} is not NAME=VALUE")
        values[name] = parse_json_or_text(text)
    return values


def parse_json_or_text(text: str) -> Json:
    """Return the value of JSON text, or any other text unchanged."""
    try:
        value: Json = json.loads(text)
    except ValueError:
        return text
    return value
