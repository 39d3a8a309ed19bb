"""``releases``, ``rollback``, ``pin`` and ``unpin``: which release of a package serves whom."""

import time
from dataclasses import asdict
from typing import Any

import click

from silvaengine.aws.table_client import Row
from silvaengine_cli.commands.rollout_options import ramp_option, warm_option
from silvaengine_cli.deployment import Deployment, list_options, operator_options
from silvaengine_cli.output import Detail, Moment, print_result, print_table
from silvaengine_cli.publishing.coverage import outcomes_text, read_releases, share_text
from silvaengine_cli.publishing.patience import Patience
from silvaengine_cli.publishing.prune import KEPT_SECONDS, Pruned, Pruning
from silvaengine_cli.publishing.releases import PackageReleases
from silvaengine_cli.publishing.rollback import Pointing
from silvaengine_cli.publishing.rollout import Rollout
from silvaengine_cli.publishing.versions import Versions

COLUMNS = ("release", "serves", "published", "commit", "message", "memory", Detail("by"), Detail("digest"))

package_argument = click.argument("package")


@click.group()
def releases() -> None:
    """List and prune the releases of a package.

    \b
    Examples:
      silvaengine releases list shop --stack silvaengine
      silvaengine releases prune shop --dry-run --stack silvaengine
    """


@releases.command("list")
@package_argument
@list_options
def list_(deployment: Deployment, package: str, as_json: bool, wide: bool) -> None:
    """List a package's releases, the newest first, and whom they serve. Times are UTC.

    \b
    Examples:
      silvaengine releases list shop --local
      silvaengine releases list shop --json
    """
    pointer, facts = read_releases(deployment, package)
    print_table(f"{len(facts)} releases", COLUMNS, map(_cells, facts), facts, as_json=as_json, wide=wide)
    if "canary" in pointer and not as_json:
        click.echo(f"\ncanary: {outcomes_text(pointer['canary'])}")


@releases.command()
@package_argument
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@operator_options
def prune(deployment: Deployment, package: str, dry_run: bool, as_json: bool) -> None:
    """Delete what has served nobody for fifteen days and has no job: releases, versions, objects.

    \b
    Examples:
      silvaengine releases prune shop --dry-run --stack silvaengine
      silvaengine releases prune shop --stack silvaengine
    """
    found = PackageReleases(deployment, package)
    versions = Versions(deployment.client("lambda"), found.function_name, Patience(say))
    pruned = Pruning(deployment, found, versions, time.time() - KEPT_SECONDS).run(dry_run=dry_run)
    print_result(asdict(pruned), _pruned(pruned, dry_run=dry_run), as_json=as_json)


@click.command()
@package_argument
@click.option("--to", type=click.IntRange(1), help="A release.  [default: the one that served before]")
@click.option("--move-jobs", is_flag=True, help="Let jobs that wait go on with it, too.")
@warm_option
@ramp_option
@operator_options
def rollback(
    deployment: Deployment,
    package: str,
    to: int | None,
    move_jobs: bool,
    warm: int | None,
    ramp: int,
    as_json: bool,
) -> None:
    """Let an earlier release of a package serve again.

    While a canary runs, it takes that back.
    It is seen within seconds, with Redis at the next request. It takes back code, memory and environment;
    resources and permissions stay as they are, and so do pins.
    Calls that a release has accepted end with it, unless --move-jobs moves those that wait.

    \b
    Examples:
      silvaengine rollback shop --stack silvaengine
      silvaengine rollback shop --to 12 --move-jobs --local
    """
    turn = Pointing(deployment, package, say).roll_back(
        to, move_jobs=move_jobs, rollout=Rollout(warm=warm, ramp=ramp)
    )
    print_result(asdict(turn), str(turn), as_json=as_json)


@click.command()
@package_argument
@click.argument("release", type=click.IntRange(1))
@click.option("--endpoint", required=True, help="The tenant.")
@operator_options
def pin(deployment: Deployment, package: str, release: int, endpoint: str, as_json: bool) -> None:
    """Pin one tenant to a release of a package.

    \b
    Examples:
      silvaengine pin shop 12 --endpoint acme --stack silvaengine
    """
    pointer = Pointing(deployment, package, say).pin(release, endpoint)
    print_result(_pointing(pointer), f"{endpoint} has release {release} of {package}", as_json=as_json)


@click.command()
@package_argument
@click.option("--endpoint", required=True, help="The tenant.")
@operator_options
def unpin(deployment: Deployment, package: str, endpoint: str, as_json: bool) -> None:
    """Unpin a tenant: it has what the others have.

    \b
    Examples:
      silvaengine unpin shop --endpoint acme --stack silvaengine
    """
    pointer = Pointing(deployment, package, say).unpin(endpoint)
    text = f"{endpoint} has release {pointer['release']} of {package}, as the others"
    print_result(_pointing(pointer), text, as_json=as_json)


def say(line: str) -> None:
    """Show a line of progress."""
    click.echo(line, err=True)


def _cells(facts: dict[str, Any]) -> tuple[object, ...]:
    serves = ["all"] if facts["serves"] else []
    serves += [f"canary: {share_text(facts['canary'])}"] if "canary" in facts else []
    return (
        facts["release"],
        [*serves, *facts["pins"]],
        Moment(facts["created_at"]),
        facts.get("commit", "")[:7] + ("-dirty" if facts.get("commit", "").endswith("-dirty") else ""),
        facts.get("message", ""),
        facts["memory"],
        facts["by"],
        facts["digest"],
    )


def _pointing(pointer: Row) -> dict[str, Any]:
    return {name: pointer[name] for name in ("package", "release", "pins")}


def _pruned(pruned: Pruned, *, dry_run: bool) -> str:
    would = "would go" if dry_run else "deleted"
    kinds: dict[str, list[int] | list[str]] = {
        "releases": pruned.releases,
        "versions": pruned.versions,
        "objects": pruned.objects,
    }
    lines = [f"{kind} {would}: {', '.join(map(str, those)) or 'none'}" for kind, those in kinds.items()]
    lines += [f"releases that jobs need stay: {', '.join(map(str, pruned.busy))}"] if pruned.busy else []
    return "\n".join(lines)
