"""``import`` and ``doctor``: function packages of the predecessor, registered and examined."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click
import yaml

from silvaengine.aws.table_client import Row
from silvaengine.tables import COMMON_ENDPOINT
from silvaengine_cli.api_keys import find_unrestricted_keys
from silvaengine_cli.commands.registry import write_plan
from silvaengine_cli.deployment import Deployment, deployment_options, operator_options
from silvaengine_cli.output import print_json, print_result
from silvaengine_cli.packages import FUNCTIONS_FOLDER, functions_folder
from silvaengine_cli.packages.examine import Observation, examine, summarize
from silvaengine_cli.packages.importing import make_import, make_remap
from silvaengine_cli.packages.metadata import functions_of, read_metadata
from silvaengine_cli.preflight.quotas import find_full_quotas
from silvaengine_cli.publishing.behind import packages_behind
from silvaengine_cli.publishing.releases import read_pointers
from silvaengine_cli.publishing.stack_template import ALARMS
from silvaengine_cli.registry.collisions import colliding_settings
from silvaengine_cli.registry.model import FunctionSpec
from silvaengine_cli.registry.plan import REGISTRY_TABLES

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


@click.command()
@click.option(
    "--packages",
    type=_folder,
    is_flag=False,
    flag_value=str(FUNCTIONS_FOLDER),
    default=functions_folder,
    show_default=str(FUNCTIONS_FOLDER),
    help="Folder of the packages.",
)
@click.option("--notes", is_flag=True, help="Show what settings and parameters the packages read, too.")
@click.option("--keys", is_flag=True, help="Check a deployment's API keys and gateway settings instead.")
@click.option("--published", is_flag=True, help="Check published packages and the account's quotas instead.")
@operator_options
def doctor(
    deployment: Deployment, packages: Path, notes: bool, keys: bool, published: bool, as_json: bool
) -> None:
    """Find what packages lack, or keys and settings that open too much.

    Reads function packages before anything is deployed, without running them. With --keys it checks a
    deployment's API keys and gateway settings instead, and with --published which published packages are
    behind the platform, and what of the account's quotas is nearly used. Exits with 1 when something would
    fail, a key opens every endpoint, two endpoints have the same settings, a package is behind or a quota
    nearly full; notes, which name the settings and parameters that packages read, change nothing. What a
    package has in several places is one line; with --json each place is there, and so are the notes.

    \b
    Examples:
      silvaengine doctor --packages
      silvaengine doctor --notes
      silvaengine doctor --packages ../old/packages --json
      silvaengine doctor --keys --stack silvaengine
      silvaengine doctor --published --stack silvaengine
    """
    if keys or published:
        _examine_deployment(deployment, keys=keys, published=published, as_json=as_json)
        return
    if (packages / "__init__.py").is_file():
        raise click.UsageError(f"{packages} is a package: name the folder that it is in")
    if not any(packages.rglob("*.py")):
        raise click.UsageError(f"{packages} has no packages")
    observations = examine(packages)
    findings = [observation for observation in observations if observation.wrong]
    if as_json:
        print_json([asdict(observation) for observation in observations])
    else:
        for line in summarize(findings):
            click.echo(line)
        if not findings:
            click.echo(f"{packages}: all is well: nothing would fail when deployed")
        _print_notes([each for each in observations if not each.wrong], shown=notes)
    if findings:
        raise click.exceptions.Exit(1)


def _print_notes(notes: list[Observation], *, shown: bool) -> None:
    lines = list(summarize(notes))
    if shown:
        for line in lines:
            click.echo(line)
    elif lines:
        click.echo(f"{len(lines)} notes on settings and parameters: --notes shows them")


def _examine_deployment(deployment: Deployment, *, keys: bool, published: bool, as_json: bool) -> None:
    complaints, well = list[str](), list[str]()
    if keys:
        complaints += _examine_keys(deployment)
        well.append("no key opens too much")
    if published:
        pointers = read_pointers(deployment.client("dynamodb"), deployment.table_prefix)
        complaints += [*_behind(deployment, pointers), *find_full_quotas(deployment.client)]
        well.append("no package is behind the platform, and no quota nearly full")
        has_alarms = deployment.has_output("PackageServiceRole") and deployment.parameter("SnsTopicArn")
        if pointers and has_alarms and not as_json:
            click.echo(f"alarms of {len(pointers)} packages: {_price_of_alarms(len(pointers))}")
    print_result(complaints, "\n".join(complaints or well), as_json=as_json)
    if complaints:
        raise click.exceptions.Exit(1)


def _examine_keys(deployment: Deployment) -> list[str]:
    tables = deployment.tables()
    rows = ((table, row) for table in REGISTRY_TABLES for row in tables.scan(table))
    collisions = [f"settings {setting_id}: {complaint}" for setting_id, complaint in colliding_settings(rows)]
    return [*find_unrestricted_keys(tables), *collisions]


def _behind(deployment: Deployment, pointers: list[Row]) -> Iterator[str]:
    for package, releases in packages_behind(deployment, pointers).items():
        for number, lacks in releases.items():
            yield (
                f"package {package}: release {number} lacks {', '.join(lacks)}: "
                f"`silvaengine packages update {package}`"
            )


def _price_of_alarms(packages: int) -> str:
    from silvaengine_cli.costs.prices import cost, dated  # lazy: no other command here needs them

    filters = sum(name.endswith("Filter") for name in ALARMS)
    quantities = {"alarm_months": len(ALARMS) - filters, "metric_months": filters}
    return f"{packages * cost(quantities):.2f} USD a month at most (list prices of us-east-1, {dated()})"


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
