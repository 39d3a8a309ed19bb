"""``publish``: a package's folder becomes the release that serves."""

from dataclasses import asdict
from pathlib import Path

import click

from silvaengine_cli.deployment import Deployment, operator_options
from silvaengine_cli.output import print_result
from silvaengine_cli.publishing.publisher import Published
from silvaengine_cli.publishing.publisher import publish as publish_package


@click.command()
@click.argument("path", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--message", "-m", default="", help="What is new, for `releases list`.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--allow-breaking", is_flag=True, help="Let it break what the release that serves promises.")
@operator_options
def publish(
    deployment: Deployment, path: Path, message: str, dry_run: bool, allow_breaking: bool, as_json: bool
) -> None:
    """Publish a package: build it, try it, and let it serve.

    Whatever fails, what served before serves on, and the next publication goes on from what is there. A
    function, route or member that went, a narrower type or another status is refused, with a list.

    \b
    Examples:
      silvaengine publish packages/shop --stack silvaengine
      silvaengine publish packages/shop --message "cheaper postage" --local
      silvaengine publish packages/shop --dry-run --json
    """

    def say(line: str) -> None:
        click.echo(f"  {line}", err=True)

    published = publish_package(
        deployment, path, message, say, dry_run=dry_run, allow_breaking=allow_breaking
    )
    print_result(asdict(published), _said(published, dry_run=dry_run), as_json=as_json)


def _said(published: Published, *, dry_run: bool) -> str:
    package, release = published.package, published.release
    if not published.is_new:
        lines = [f"release {release} of {package} serves already"]
    elif dry_run:
        lines = [f"a new release of {package} would serve"]
    else:
        lines = [f"release {release} of {package} serves, after {published.seconds} s"]
    lines += [f"stack: {published.stack}", *(f"  {change}" for change in published.changes)]
    lines += [f"+ function {name}" for name in published.added]
    return "\n".join(lines + [f"- function {name}" for name in published.removed])
