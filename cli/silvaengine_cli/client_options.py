"""The API key and the parameters of commands that act as a client."""

import json
import re
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

import click

from silvaengine.protocol.json_codec import Json
from silvaengine.tables import DEFAULT_API_KEY

# A token, a colon and a value on one line: RFC 9110, sections 5.1 and 5.5.
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*")


def checked[T](check: Callable[[T], T]) -> Callable[[click.Context, click.Parameter, T], T]:
    """Return an option's callback that refuses the values for which the check raises ValueError."""

    def callback(_context: click.Context, _parameter: click.Parameter, value: T) -> T:
        try:
            return check(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None

    return callback


def _check_api_key(api_key: str) -> str:
    from silvaengine_cli.registry.values import check_api_key  # lazy: it is slow to import

    return check_api_key(api_key)


api_key_option = click.option(
    "--api-key",
    default=DEFAULT_API_KEY,
    callback=checked(_check_api_key),
    help="Key of the caller.  [default: none]",
)


def key_area_options[R](command: Callable[..., R]) -> Callable[..., R]:
    """Add what says which area of ENDPOINT is meant and whose key opens it, as ``read_key_area`` takes it."""
    url = click.option("--url", help="URL of the deployment.  [default: the stack's ApiUrl]")
    area = click.option("--area", help="Area of the functions.  [default: the only one]")
    return click.argument("endpoint")(area(api_key_option(url(command))))


def header_options[R](command: Callable[..., R]) -> Callable[..., R]:
    """Add the options for a client's headers, the API key's included; the command gets ``headers``.

    It gets ``api_key``, too, for the look-up of what the key opens.
    """

    @click.option(
        "--token",
        callback=checked(_check_token),
        help="Token of the caller, sent as `Authorization: Bearer TOKEN`.",
    )
    @click.option(
        "--header",
        "pairs",
        multiple=True,
        metavar="NAME:VALUE",
        callback=checked(_check_headers),
        help="A header; may be repeated.",
    )
    @api_key_option
    @wraps(command)
    def with_headers(
        *args: object,
        token: str | None,
        pairs: tuple[str, ...],
        api_key: str,
        **options: Any,  # noqa: ANN401 - click's values
    ) -> R:
        headers = key_headers(api_key)
        headers |= {"authorization": f"Bearer {token}"} if token else {}
        headers |= {name: value.strip() for name, _, value in (pair.partition(":") for pair in pairs)}
        return command(*args, headers=headers, api_key=api_key, **options)

    return with_headers


def key_headers(api_key: str) -> dict[str, str]:
    """Return the headers of a key's caller."""
    return {} if api_key == DEFAULT_API_KEY else {"x-api-key": api_key}


def _check_token(token: str | None) -> str | None:
    if token is not None and not _HEADER.fullmatch(f"authorization:{token}"):
        raise ValueError("expected a token on one line")
    return token


def _check_headers(pairs: tuple[str, ...]) -> tuple[str, ...]:
    for pair in pairs:
        if not _HEADER.fullmatch(pair):
            raise ValueError(
                f"{pair.partition(':')[0]!r} is not the beginning of NAME:VALUE"
            )  # values are secrets
    return pairs


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
