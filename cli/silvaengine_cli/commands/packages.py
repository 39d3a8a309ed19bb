"""``packages``: the packages that are published."""

import click

from silvaengine_cli.deployment import Deployment, list_options
from silvaengine_cli.output import Moment, print_table
from silvaengine_cli.publishing.releases import read_pointers

COLUMNS = ("package", "release", "changed", "pins")


@click.group()
def packages() -> None:
    """List published packages.

    \b
    Examples:
      silvaengine packages list --stack silvaengine
    """


@packages.command("list")
@list_options
def list_(deployment: Deployment, as_json: bool, wide: bool) -> None:
    """List published packages: which release serves, since when, and who is pinned to another. Times are UTC.

    \b
    Examples:
      silvaengine packages list --local
      silvaengine packages list --json
    """
    rows = read_pointers(deployment.client("dynamodb"), deployment.table_prefix)
    cells = [(row["package"], row["release"], Moment(row["changed_at"]), row["pins"]) for row in rows]
    print_table(f"{len(rows)} packages", COLUMNS, cells, rows, as_json=as_json, wide=wide)
