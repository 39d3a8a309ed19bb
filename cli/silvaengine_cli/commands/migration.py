"""``import`` and ``doctor``: function packages of the predecessor, taken over."""

from dataclasses import asdict
from pathlib import Path

import click
import yaml

from silvaengine.tables import COMMON_ENDPOINT
from silvaengine_cli.api_keys import complaints
from silvaengine_cli.commands.registry import FUNCTIONS_FOLDER, print_plan
from silvaengine_cli.operator import announce
from silvaengine_cli.output import json_option, print_json
from silvaengine_cli.packages.examine import examine
from silvaengine_cli.packages.importing import make_import, make_remap
from silvaengine_cli.packages.metadata import functions_of, read_metadata
from silvaengine_cli.registry.apply import carry_out
from silvaengine_cli.registry.model import Function
from silvaengine_cli.registry.plan import Plan
from silvaengine_cli.target import Deployment, target_options

_folder = click.Path(path_type=Path, file_okay=False, exists=True)


@click.command("import")
@click.argument("package", required=False)
@click.option("--endpoint", default=COMMON_ENDPOINT, show_default=True, help="Whose connections get it.")
@click.option("--area", default="core", show_default=True, help="Area of the functions.")
@click.option("--folder", type=_folder, default=FUNCTIONS_FOLDER, show_default=True, help="Of the packages.")
@click.option("--yaml", "as_yaml", is_flag=True, help="Print a registry.yaml instead; nothing is written.")
@click.option("--remap", metavar="ARN", help="Let rows of this former worker (ARN or name) name the stack's.")
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@target_options
def import_(
    target: Deployment,
    package: str | None,
    endpoint: str,
    area: str,
    folder: Path,
    as_yaml: bool,
    remap: str | None,
    yes: bool,
) -> None:
    """Register what a package's deploy() names.

    Each connection of the endpoint gets the functions that it doesn't have; its entries and whitelist stay.

    \b
    Examples:
      silvaengine import shop_engine --endpoint 1 --area core --stack silvaengine
      silvaengine import shop_engine --yaml
      silvaengine import --remap silvaengine_agenttask_worker --stack silvaengine
    """
    if (package is None) == (remap is None):
        raise click.UsageError("name a PACKAGE, or a former worker by --remap")
    if package is None:
        _carry_out(target, make_remap(str(remap), target.tables(), target.worker_arn), yes=yes)
        return
    functions = functions_of(package, area, read_metadata(folder, package))
    if as_yaml:
        click.echo("# Give each of the settings its variables before you apply this.")
        click.echo(_document(functions, endpoint), nl=False)
    else:
        _carry_out(target, make_import(functions, endpoint, target.tables(), target.worker_arn), yes=yes)


@click.command()
@click.option(
    "--packages",
    type=_folder,
    is_flag=False,
    flag_value=str(FUNCTIONS_FOLDER),
    default=FUNCTIONS_FOLDER,
    show_default=True,
    help="Their folder.",
)
@click.option("--keys", is_flag=True, help="Look at a deployment's API keys instead.")
@json_option
@target_options
def doctor(target: Deployment, packages: Path, keys: bool, as_json: bool) -> None:
    """Find what packages lack, or keys that open too much.

    It says what function packages need before anything is deployed; nothing of them is run. With --keys it
    looks at a deployment's API keys instead. Exit code 1 when something would fail or a key opens every
    endpoint; notes name settings and parameters read.

    \b
    Examples:
      silvaengine doctor --packages
      silvaengine doctor --packages ../old/packages --json
      silvaengine doctor --keys --stack silvaengine
    """
    if keys:
        _examine_keys(target, as_json=as_json)
        return
    found = examine(packages)
    if as_json:
        print_json([asdict(observation) for observation in found])
    else:
        for observation in found:
            click.echo(observation.text())
    if any(observation.wrong for observation in found):
        raise click.exceptions.Exit(1)


def _examine_keys(target: Deployment, *, as_json: bool) -> None:
    found = list(complaints(target.tables()))
    if as_json:
        print_json(found)
    else:
        click.echo("\n".join(found) or "no key opens too much")
    if found:
        raise click.exceptions.Exit(1)


def _carry_out(target: Deployment, plan: Plan, *, yes: bool) -> None:
    print_plan(plan)
    if not plan:
        return
    if not yes:
        click.confirm("Write these rows?", abort=True)
    try:
        carry_out(plan, target.tables())
    finally:
        announce(target)
    click.echo(f"imported: {len(plan.changes)} rows written")


def _document(functions: dict[str, Function], endpoint: str) -> str:
    settings = sorted({str(function.settings) for function in functions.values()})
    connection = {"functions": list(functions)} | (
        {} if endpoint == COMMON_ENDPOINT else {"endpoint": endpoint}
    )
    own = {} if endpoint == COMMON_ENDPOINT else {"endpoints": {endpoint: {"connection": "own"}}}
    document = own | {
        "functions": {
            name: function.model_dump(mode="json", by_alias=True, exclude_none=True)
            for name, function in functions.items()
        },
        "connections": [connection],
        "settings": {setting: {} for setting in settings},
    }
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
