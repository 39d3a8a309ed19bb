"""``publish``: a package's folder becomes the release that serves."""

from dataclasses import asdict
from pathlib import Path

import click

from silvaengine.aws.table_client import Row
from silvaengine_cli.commands.rollout_options import canary_options, ramp_option, warm_option
from silvaengine_cli.deployment import Deployment, operator_options
from silvaengine_cli.output import print_result
from silvaengine_cli.publishing.coverage import share_text
from silvaengine_cli.publishing.publisher import Published
from silvaengine_cli.publishing.publisher import publish as publish_package
from silvaengine_cli.publishing.rollout import Rollout


@click.command()
@click.argument("path", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--message", "-m", default="", help="What is new, for `releases list`.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@canary_options
@warm_option
@ramp_option
@click.option("--allow-breaking", is_flag=True, help="Let it break what the release that serves promises.")
@operator_options
def publish(
    deployment: Deployment,
    path: Path,
    message: str,
    dry_run: bool,
    canary: Row | None,
    warm: int | None,
    ramp: int,
    allow_breaking: bool,
    as_json: bool,
) -> None:
    """Publish a package: build it, try it, and let it serve.

    Whatever fails, what served before serves on, and the next publication goes on from what is there. A
    function, route or member that went, a narrower type or another status is refused, with a list.
    With --canary it serves some of the tenants, and is judged: it is taken back if its calls fail more often
    than theirs did before, and serves all if not.

    \b
    Examples:
      silvaengine publish packages/shop --stack silvaengine
      silvaengine publish packages/shop --message "cheaper postage" --local
      silvaengine publish packages/shop --canary 10% --after 1h --stack silvaengine
      silvaengine publish packages/shop --warm 5 --ramp 60s --stack silvaengine
      silvaengine publish packages/shop --dry-run --json
    """

    def say(line: str) -> None:
        click.echo(f"  {line}", err=True)

    rollout = Rollout(canary, warm, ramp)
    if canary and ramp:
        raise click.UsageError("a canary has its own pace: leave out --ramp")
    published = publish_package(
        deployment, path, message, say, dry_run=dry_run, rollout=rollout, allow_breaking=allow_breaking
    )
    text = _said(published, share_text(canary) if canary else "", dry_run=dry_run)
    print_result(asdict(published), text, as_json=as_json)


def _said(published: Published, share: str, *, dry_run: bool) -> str:
    package, release = published.package, published.release
    serves = f"be a canary for {share}" if share and dry_run else "serve"
    if not published.is_new:
        lines = [f"release {release} of {package} serves already"]
    elif dry_run:
        lines = [f"a new release of {package} would {serves}"]
    elif share:
        lines = [f"release {release} of {package} is a canary for {share}, after {published.seconds} s"]
    else:
        lines = [f"release {release} of {package} serves, after {published.seconds} s"]
    if published.tenants is not None:
        lines += [f"tenants: {', '.join(published.tenants)}"]
    lines += [f"stack: {published.stack}", *(f"  {change}" for change in published.changes)]
    lines += [f"+ function {name}" for name in published.added]
    return "\n".join(lines + [f"- function {name}" for name in published.removed])
