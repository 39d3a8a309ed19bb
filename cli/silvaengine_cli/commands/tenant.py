"""``tenant``: keep a tenant in a file, write it back, and delete it with everything that is its own."""

from pathlib import Path

import click

from silvaengine_cli.deployment import Deployment, deployment_options, operator_options
from silvaengine_cli.operator import announce_rows
from silvaengine_cli.output import print_json, print_result
from silvaengine_cli.output_file import check_new, output_options, write_private
from silvaengine_cli.tenants.deletion import TenantDeletion
from silvaengine_cli.tenants.file import read_tenant, write_tenant
from silvaengine_cli.tenants.restoring import forget_deletion, restore_rows
from silvaengine_cli.tenants.rows import all_rows, read_tenant_rows


@click.group()
def tenant() -> None:
    """Export, restore and delete a tenant.

    \b
    Examples:
      silvaengine tenant export acme -o acme.json --stack silvaengine
      silvaengine tenant restore acme.json --stack silvaengine
      silvaengine tenant delete acme --dry-run --stack silvaengine
    """


@tenant.command()
@click.argument("endpoint")
@output_options
@deployment_options
def export(deployment: Deployment, endpoint: str, output: Path | None, force: bool) -> None:
    """Write the rows of ENDPOINT: its own, API keys without secrets, settings, hooks, bindings and usage.

    Functions, jobs and cached values are not in it. It holds settings in clear text: mind where you put it.

    \b
    Examples:
      silvaengine tenant export acme -o acme.json --stack silvaengine
      silvaengine tenant export acme --local
    """
    check_new(output, force=force)
    rows = read_tenant_rows(deployment.tables(), endpoint)
    number = len(list(all_rows(rows)))
    if not number:
        raise click.ClickException(f"there is no tenant {endpoint!r}")
    text = write_tenant(endpoint, rows)
    if output:
        write_private(output, text)
        click.echo(f"{output}: {number} rows of {endpoint}", err=True)
    else:
        click.echo(text, nl=False)


@tenant.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@operator_options
def restore(deployment: Deployment, file: Path, as_json: bool) -> None:
    """Write the rows of FILE that are missing; what is there is not changed.

    API keys open nothing until each has a new secret, by the commands that it prints.

    \b
    Examples:
      silvaengine tenant restore acme.json --stack silvaengine
      silvaengine tenant restore acme.json --local --json
    """
    content = read_tenant(file.read_text(), str(file))
    try:
        done = restore_rows(deployment.tables(), content.rows)
        forget_deletion(deployment.tables(), content.tenant)
    finally:
        announce_rows(deployment)
    lines = [f"kept as it is: {name}" for name in done.kept]
    lines.append(f"{content.tenant} is restored: {len(done.written)} rows written")
    for endpoint, key_id in done.keys:
        days = content.lifetimes.get(key_id)
        expires = "" if days is None else f" --expires {days}"
        lines.append(f"needs a secret: silvaengine keys rotate {key_id} --endpoint {endpoint}{expires}")
    print_result({"tenant": content.tenant, **done._asdict()}, "\n".join(lines), as_json=as_json)


@tenant.command()
@click.argument("endpoint")
@click.option("--dry-run", is_flag=True, help="Only say what there is.")
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@operator_options
def delete(deployment: Deployment, endpoint: str, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Delete ENDPOINT with everything that is its own: it can't be undone.

    First no key opens it any more, then its connections are closed, and its jobs, usage, settings, keys and
    cached values are deleted. Parts of rows that other tenants share go, the rest stays. Where it breaks off,
    run it again; it exits with 1 while something is left.

    \b
    Examples:
      silvaengine tenant delete acme --dry-run --stack silvaengine
      silvaengine tenant delete acme --stack silvaengine
      silvaengine tenant delete acme --yes --json --local
    """
    deletion = TenantDeletion(deployment, endpoint)
    found = deletion.found()
    text = ", ".join(f"{number} {name}" for name, number in found.items() if number)
    if dry_run or not text:
        print_result(
            {"tenant": endpoint, "found": found, "left": found},
            f"{endpoint} has {text or 'nothing'}",
            as_json=as_json,
        )
        return
    if not yes:
        click.confirm(f"Delete {endpoint} with {text}?", abort=True, err=True)
    left = deletion.run()
    if as_json:
        print_json({"tenant": endpoint, "found": found, "left": left})
    else:
        click.echo(f"{endpoint} is deleted: {text}")
    if left:
        rest = ", ".join(f"{number} {name}" for name, number in left.items())
        raise click.ClickException(f"left, or written meanwhile: {rest}; run it again")
