"""``keys``: API keys whose secret is shown once and stored in no table."""

from typing import Any

import click

from silvaengine.access.api_keys import SCOPES
from silvaengine.tables import COMMON_ENDPOINT, CONNECTIONS
from silvaengine_cli.api_keys import ApiKeyAdmin, NewKey
from silvaengine_cli.client_options import checked
from silvaengine_cli.deployment import Deployment, list_options, operator_options
from silvaengine_cli.output import Day, Id, print_json, print_result, print_table
from silvaengine_cli.registry.values import check_network

COLUMNS = ("key", "endpoint", "state", "expires", "last used", "may", "good for", "label")

endpoint_option = click.option(
    "--endpoint", default=COMMON_ENDPOINT, show_default=True, help="Its endpoint; 1 is the common key row."
)
expires_option = click.option(
    "--expires", type=click.IntRange(1, 3650), metavar="DAYS", help="Lifetime of the secret."
)


def _check_networks(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(check_network, texts))


@click.group()
def keys() -> None:
    """Create, list, rotate and revoke API keys.

    A key is `sek_<id>.<secret>`. The tables hold its id and a digest of the secret.

    \b
    Examples:
      silvaengine keys create --endpoint acme --function hello --expires 90 --stack silvaengine
      silvaengine keys list --local
      silvaengine keys rotate sek_3f2a… --endpoint acme --overlap 24
      silvaengine keys revoke sek_3f2a… --endpoint acme
    """


@keys.command()
@endpoint_option
@click.option("--function", "functions", multiple=True, help="A function that it may call; may be repeated.")
@click.option("--package", "packages", multiple=True, help="A published package, likewise.")
@click.option("--like", metavar="KEY", help="Copy functions, packages and addresses from this key.")
@click.option("--grant", "grants", multiple=True, type=click.Choice(SCOPES), help="[default: invoke, jobs]")
@click.option(
    "--only", "endpoints", multiple=True, help="For a common key: an endpoint that it opens; may be repeated."
)
@click.option(
    "--from",
    "whitelist",
    multiple=True,
    metavar="CIDR",
    callback=checked(_check_networks),
    help="Addresses from which it may be used; may be repeated.",
)
@click.option("--label", default="", help="What it is for.")
@expires_option
@operator_options
def create(
    deployment: Deployment,
    endpoint: str,
    functions: tuple[str, ...],
    packages: tuple[str, ...],
    like: str | None,
    grants: tuple[str, ...],
    endpoints: tuple[str, ...],
    whitelist: tuple[str, ...],
    label: str,
    expires: int | None,
    as_json: bool,
) -> None:
    """Create a key and show it, this once. Without --expires it never ends.

    \b
    Examples:
      silvaengine keys create --endpoint acme --function hello --function whoami --expires 90
      silvaengine keys create --endpoint acme --like demo-key-acme --grant invoke --local
      silvaengine keys create --only shop --only farm --function hello --from 203.0.113.0/24
    """
    admin = ApiKeyAdmin(deployment)
    row = admin.rights(
        endpoint,
        functions=functions,
        packages=packages,
        like=like,
        endpoints=endpoints,
        whitelist=whitelist,
        grants=grants,
        label=label,
    )
    _show(admin.create(endpoint, row, expires), as_json=as_json)


@keys.command()
@click.argument("key_id")
@endpoint_option
@click.option(
    "--overlap",
    default=24,
    show_default=True,
    type=click.IntRange(0, 8760),
    metavar="HOURS",
    help="How long the old secret stays valid.",
)
@expires_option
@operator_options
def rotate(
    deployment: Deployment, key_id: str, endpoint: str, overlap: int, expires: int | None, as_json: bool
) -> None:
    """Add a new secret to a key and show it, this once. The old one ends after the overlap.

    Without --expires the new one gets the lifetime of the old one, from now.

    \b
    Examples:
      silvaengine keys rotate sek_3f2a… --endpoint acme --stack silvaengine
      silvaengine keys rotate sek_3f2a… --overlap 0 --expires 90 --local
    """
    _show(ApiKeyAdmin(deployment).rotate(endpoint, key_id, expires, overlap), as_json=as_json)


@keys.command()
@click.argument("key_id")
@endpoint_option
@operator_options
def revoke(deployment: Deployment, key_id: str, endpoint: str, as_json: bool) -> None:
    """End a key everywhere within 5 seconds, with Redis at the next request. It can't be undone.

    \b
    Examples:
      silvaengine keys revoke sek_3f2a… --endpoint acme --stack silvaengine
      silvaengine keys revoke sek_3f2a… --local
    """
    key_id = ApiKeyAdmin(deployment).revoke(endpoint, key_id)
    print_result({"key_id": key_id, "revoked": True}, f"{key_id} is revoked", as_json=as_json)


@keys.command("list")
@click.option("--endpoint", help="Only keys of this endpoint.")
@list_options
def list_(deployment: Deployment, endpoint: str | None, as_json: bool, wide: bool) -> None:
    """List keys: endpoint, state, rights, end and last use.

    Of keys that are their own secret (raw) only the beginning is shown, and their use is not recorded.

    \b
    Examples:
      silvaengine keys list --stack silvaengine
      silvaengine keys list --endpoint acme --json --local
    """
    tables = deployment.tables()
    key_rows = tables.scan(CONNECTIONS) if endpoint is None else tables.query(CONNECTIONS, endpoint)
    rows = list(ApiKeyAdmin(deployment).facts([*key_rows]))
    print_table(f"{len(rows)} keys", COLUMNS, map(_cells, rows), rows, as_json=as_json, wide=wide)


def _show(key: NewKey, *, as_json: bool) -> None:
    if as_json:
        print_json(key._asdict())
    else:
        click.echo(key.api_key)
        click.echo(key.told(), err=True)


def _cells(facts: dict[str, Any]) -> tuple[Any, ...]:
    times = ("" if facts[name] is None else Day(facts[name]) for name in ("expires_at", "last_used_at"))
    identity = (Id(facts["key"]), facts["endpoint"], facts["state"])
    return (*identity, *times, facts["grants"], _endpoints_cell(facts), facts["label"])


def _endpoints_cell(facts: dict[str, Any]) -> object:
    if facts["endpoint"] != COMMON_ENDPOINT:
        return ""
    return "every endpoint" if facts["endpoints"] is None else facts["endpoints"] or "none"
