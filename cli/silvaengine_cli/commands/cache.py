"""``cache clear``, ``cache stats`` and ``cache keys``: the caches of a deployment."""

from collections.abc import Callable
from typing import Any

import click

from silvaengine_cli.operator import operate
from silvaengine_cli.output import json_option, print_json, print_table
from silvaengine_cli.target import Deployment, target_options


@click.group()
def cache() -> None:
    """Clear the caches of functions, and see what is in them."""


def _options[R](command: Callable[..., R]) -> Callable[..., R]:
    endpoint = click.option("--endpoint", help="Whose values.  [default: all endpoints']")
    name = click.option("--name", default="method", show_default=True, help="The cache.")
    return endpoint(name(json_option(target_options(command))))


@cache.command()
@click.option(
    "--key", default="*", show_default=True, help="Pattern of the keys: FUNCTION:ARGUMENTS with * and ?."
)
@_options
def clear(target: Deployment, key: str, name: str, endpoint: str | None, as_json: bool) -> None:
    """Clear what matches, on every instance.

    \b
    Examples:
      silvaengine cache clear --local
      silvaengine cache clear --name database --key 'get_user:*' --endpoint acme --stack silvaengine
    """
    answer = operate(target, "cache_clear", cache_name=name, cache_key=key, endpoint_id=endpoint)
    if as_json:
        print_json(answer)
    else:
        click.echo(f"cleared {key} in cache {name} of {endpoint or 'all endpoints'}")


@cache.command()
@_options
def stats(target: Deployment, name: str, endpoint: str | None, as_json: bool) -> None:
    """Show which tiers answer and what was counted; the fleet's counters need Redis and an endpoint.

    \b
    Examples:
      silvaengine cache stats --name database --endpoint acme --local
      silvaengine cache stats --stack silvaengine --json
    """
    answer = operate(target, "cache_stats", cache_name=name, endpoint_id=endpoint)
    if as_json:
        print_json(answer)
    else:
        print_table(f"cache {name}", ("", ""), _rows(answer))


@cache.command()
@_options
def keys(target: Deployment, name: str, endpoint: str | None, as_json: bool) -> None:
    """List up to 1,000 keys that lie in Redis, cleared ones too until their time is over.

    \b
    Examples:
      silvaengine cache keys --name database --endpoint acme --stack silvaengine
    """
    answer = operate(target, "cache_keys", cache_name=name, endpoint_id=endpoint)
    if as_json:
        print_json(answer)
    else:
        for key in answer["keys"]:
            click.echo(key)


def _rows(answer: dict[str, Any]) -> list[tuple[str, Any]]:
    hidden = ("success", "cache_name")
    return [(name, value) for name, value in answer.items() if name not in hidden and value is not None]
