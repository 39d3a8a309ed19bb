"""``cache``: clear a deployment's caches, and look into them."""

from collections.abc import Callable

import click

from silvaengine_cli.deployment import Deployment, operator_options
from silvaengine_cli.operator import operate
from silvaengine_cli.output import print_json, print_result, print_table


@click.group()
def cache() -> None:
    """Clear the caches of functions, and look into them."""


def _options[R](command: Callable[..., R]) -> Callable[..., R]:
    endpoint = click.option("--endpoint", help="Only values of this endpoint.  [default: all]")
    name = click.option("--name", default="method", show_default=True, help="Name of the cache.")
    return endpoint(name(operator_options(command)))


@cache.command()
@click.option(
    "--key", default="*", show_default=True, help="Pattern of the keys: FUNCTION:ARGUMENTS with * and ?."
)
@_options
def clear(deployment: Deployment, key: str, name: str, endpoint: str | None, as_json: bool) -> None:
    """Clear matching values on every instance.

    Instances see it at their next request with Redis, and within 5 seconds without.

    \b
    Examples:
      silvaengine cache clear --local
      silvaengine cache clear --name database --key 'get_user:*' --endpoint acme --stack silvaengine
    """
    response = operate(deployment, "cache_clear", cache_name=name, cache_key=key, endpoint_id=endpoint)
    text = f"cleared {key} in cache {name} of {endpoint or 'all endpoints'}"
    print_result(response, text, as_json=as_json)


@cache.command()
@_options
def stats(deployment: Deployment, name: str, endpoint: str | None, as_json: bool) -> None:
    """Show which tiers answer, and the counters; those of all instances need Redis and an endpoint.

    \b
    Examples:
      silvaengine cache stats --name database --endpoint acme --local
      silvaengine cache stats --stack silvaengine --json
    """
    response = operate(deployment, "cache_stats", cache_name=name, endpoint_id=endpoint)
    hidden = ("success", "cache_name")
    rows = [(key, value) for key, value in response.items() if key not in hidden and value is not None]
    print_table(f"cache {name}", ("", ""), rows, response, as_json=as_json)


@cache.command()
@_options
def keys(deployment: Deployment, name: str, endpoint: str | None, as_json: bool) -> None:
    """List up to 1,000 keys in Redis, cleared ones included until they expire.

    \b
    Examples:
      silvaengine cache keys --name database --endpoint acme --stack silvaengine
    """
    response = operate(deployment, "cache_keys", cache_name=name, endpoint_id=endpoint)
    if as_json:
        print_json(response)
    else:
        for key in response["keys"]:
            click.echo(key)
