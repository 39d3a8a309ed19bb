"""``import``: function packages of the predecessor, registered."""

from pathlib import Path

import click
import yaml

from silvaengine.tables import COMMON_ENDPOINT
from silvaengine_cli.commands.registry import write_plan
from silvaengine_cli.deployment import Deployment, deployment_options
from silvaengine_cli.packages import FUNCTIONS_FOLDER, functions_folder
from silvaengine_cli.packages.importing import make_import, make_remap
from silvaengine_cli.packages.metadata import functions_of, read_metadata
from silvaengine_cli.registry.model import FunctionSpec

_folder = click.Path(path_type=Path, file_okay=False, exists=True)


@click.command("import")
@click.argument("package", required=False)
@click.option("--endpoint", default=COMMON_ENDPOINT, show_default=True, help="Endpoint to register it for.")
@click.option("--area", default="core", show_default=True, help="Area of the functions.")
@click.option(
    "--folder",
    type=_folder,
    default=functions_folder,
    show_default=str(FUNCTIONS_FOLDER),
    help="Packages' folder.",
)
@click.option("--yaml", "as_yaml", is_flag=True, help="Print a registry.yaml instead; nothing is written.")
@click.option("--remap", metavar="ARN", help="Point rows of this former worker (ARN or name) to the stack's.")
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@deployment_options
def import_(
    deployment: Deployment,
    package: str | None,
    endpoint: str,
    area: str,
    folder: Path,
    as_yaml: bool,
    remap: str | None,
    yes: bool,
) -> None:
    """Register the functions that a package's deploy() names.

    Each key row of the endpoint gets the functions that it lacks; its entries and whitelist stay.

    \b
    Examples:
      silvaengine import shop_engine --endpoint 1 --area core --stack silvaengine
      silvaengine import shop_engine --yaml
      silvaengine import --remap silvaengine_agenttask_worker --stack silvaengine
    """
    if (package is None) == (remap is None):
        raise click.UsageError("name a PACKAGE, or a former worker with --remap")
    question = "" if yes else "Write these rows?"
    if package is None:
        plan = make_remap(str(remap), deployment.tables(), deployment.worker_arn)
        write_plan(deployment, plan, "imported", question)
        return
    functions = functions_of(package, area, read_metadata(folder, package))
    if as_yaml:
        click.echo("# Give each of the settings its variables before you apply this.")
        click.echo(_document(functions, endpoint), nl=False)
    else:
        plan = make_import(functions, endpoint, deployment.tables(), deployment.worker_arn)
        write_plan(deployment, plan, "imported", question)


def _document(functions: dict[str, FunctionSpec], endpoint: str) -> str:
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
