"""``keys``: API keys whose secret is shown once and stands in no table."""

from datetime import UTC, datetime
from typing import Any

import click

from silvaengine.access.api_keys import IMPLIED_SCOPES, SCOPES
from silvaengine.tables import COMMON_ENDPOINT
from silvaengine_cli.api_keys import Keys, Made, entries_like, entries_of
from silvaengine_cli.output import json_option, print_json, print_table
from silvaengine_cli.registry.values import network
from silvaengine_cli.target import Deployment, target_options

COLUMNS = ("key", "endpoint", "label", "state", "may", "good for", "expires", "last used")

endpoint_option = click.option(
    "--endpoint", default=COMMON_ENDPOINT, show_default=True, help="Whose key; 1 is the common connection."
)
expires_option = click.option(
    "--expires", type=click.IntRange(1, 3650), metavar="DAYS", help="Until the secret ends."
)


def _networks(
    _context: click.Context, _parameter: click.Parameter, texts: tuple[str, ...]
) -> tuple[str, ...]:
    try:
        return tuple(map(network, texts))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.group()
def keys() -> None:
    """Make, list, rotate and revoke API keys.

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
@click.option("--function", "functions", multiple=True, help="What it opens; any number of times.")
@click.option("--like", metavar="KEY", help="It opens what this one does, from the same addresses.")
@click.option("--grant", "grants", multiple=True, type=click.Choice(SCOPES), help="[default: invoke, jobs]")
@click.option(
    "--only", "endpoints", multiple=True, help="Of a common key: the endpoints that it is good for."
)
@click.option(
    "--from",
    "whitelist",
    multiple=True,
    metavar="CIDR",
    callback=_networks,
    help="Addresses from which it may be used.",
)
@click.option("--label", default="", help="What it is for.")
@expires_option
@json_option
@target_options
def create(
    target: Deployment,
    endpoint: str,
    functions: tuple[str, ...],
    like: str | None,
    grants: tuple[str, ...],
    endpoints: tuple[str, ...],
    whitelist: tuple[str, ...],
    label: str,
    expires: int | None,
    as_json: bool,
) -> None:
    """Make a key and show it, this once. Without --expires it never ends.

    \b
    Examples:
      silvaengine keys create --endpoint acme --function hello --function whoami --expires 90
      silvaengine keys create --endpoint acme --like demo-key-acme --grant invoke --local
      silvaengine keys create --only shop --only farm --function hello --from 203.0.113.0/24
    """
    if bool(functions) == bool(like):
        raise click.UsageError("name what it opens: functions by --function, or another key by --like")
    if endpoint == COMMON_ENDPOINT and not endpoints:
        raise click.UsageError(
            "a key of the common connection needs the endpoints that it is good for: --only"
        )
    if endpoint != COMMON_ENDPOINT and endpoints:
        raise click.UsageError(f"--only is for keys of the common connection; this one is for {endpoint!r}")
    tables = target.tables()
    row: dict[str, Any] = entries_like(tables, endpoint, like) if like else {}
    if functions:
        row["functions"] = entries_of(tables, functions, target.worker_arn)
    row |= {"grants": list(grants) or sorted(IMPLIED_SCOPES), "label": label}
    row |= {"endpoints": list(endpoints)} if endpoints else {}
    row |= {"whitelist": list(whitelist)} if whitelist else {}
    _show(Keys(target).create(endpoint, row, expires), as_json=as_json)


@keys.command()
@click.argument("key_id")
@endpoint_option
@click.option(
    "--overlap",
    default=24,
    show_default=True,
    type=click.IntRange(0, 8760),
    metavar="HOURS",
    help="The old secret's.",
)
@expires_option
@json_option
@target_options
def rotate(
    target: Deployment, key_id: str, endpoint: str, overlap: int, expires: int | None, as_json: bool
) -> None:
    """Return a key a new secret and show it, this once. The old one ends after the overlap.

    Without --expires the new one lives as long as the old one was made for, from now.

    \b
    Examples:
      silvaengine keys rotate sek_3f2a… --endpoint acme --stack silvaengine
      silvaengine keys rotate sek_3f2a… --overlap 0 --expires 90 --local
    """
    _show(Keys(target).rotate(endpoint, key_id, expires, overlap), as_json=as_json)


@keys.command()
@click.argument("key_id")
@endpoint_option
@json_option
@target_options
def revoke(target: Deployment, key_id: str, endpoint: str, as_json: bool) -> None:
    """End a key everywhere within 5 seconds, with Redis at the next request. It can't be undone.

    \b
    Examples:
      silvaengine keys revoke sek_3f2a… --endpoint acme --stack silvaengine
      silvaengine keys revoke sek_3f2a… --local
    """
    Keys(target).revoke(endpoint, key_id)
    if as_json:
        print_json({"key_id": key_id, "revoked": True})
    else:
        click.echo(f"{key_id} is revoked")


@keys.command("list")
@click.option("--endpoint", help="Only keys of this endpoint.")
@json_option
@target_options
def list_(target: Deployment, endpoint: str | None, as_json: bool) -> None:
    """List keys: whose they are, how they stand, what they may, when they end and were used last.

    Of keys that are their own secret (raw) only the beginning is shown, and their use is noted nowhere.

    \b
    Examples:
      silvaengine keys list --stack silvaengine
      silvaengine keys list --endpoint acme --json --local
    """
    found = list(Keys(target).listed(endpoint))
    if as_json:
        print_json(found)
    else:
        print_table(f"{len(found)} keys", COLUMNS, map(_cells, found))


def _show(made: Made, *, as_json: bool) -> None:
    if as_json:
        print_json(made._asdict())
    else:
        click.echo(made.api_key)
        end = "never ends" if made.expires_at is None else f"ends at {_time(made.expires_at)}"
        click.echo(f"Keep it now: it is shown this once. It {end}.", err=True)


def _cells(facts: dict[str, Any]) -> tuple[Any, ...]:
    return (
        facts["key"],
        facts["endpoint"],
        facts["label"],
        facts["state"],
        facts["grants"],
        _good_for(facts),
        _time(facts["expires_at"]),
        _time(facts["last_used_at"]),
    )


def _good_for(facts: dict[str, Any]) -> Any:  # noqa: ANN401 - a cell
    if facts["endpoint"] != COMMON_ENDPOINT:
        return ""
    return "every endpoint" if facts["endpoints"] is None else facts["endpoints"] or "none"


def _time(seconds: int | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(int(seconds), UTC).isoformat(timespec="minutes")
