"""``doctor``: what packages lack, and what is wrong with a deployment."""

from dataclasses import asdict
from pathlib import Path

import click
from click.core import ParameterSource

from silvaengine_cli.deployment import Deployment, operator_options
from silvaengine_cli.doctor import CHECKS
from silvaengine_cli.doctor import examine as examine_deployment
from silvaengine_cli.doctor.registry import behind, check_keys
from silvaengine_cli.output import print_json, print_result
from silvaengine_cli.packages import FUNCTIONS_FOLDER, functions_folder
from silvaengine_cli.packages.examine import Observation, examine, summarize
from silvaengine_cli.preflight.quotas import find_full_quotas
from silvaengine_cli.publishing.monitoring import ALARMS
from silvaengine_cli.publishing.releases import read_pointers

_folder = click.Path(path_type=Path, file_okay=False)  # a deployment is examined without one


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
@click.pass_context
def doctor(
    context: click.Context,
    deployment: Deployment,
    packages: Path,
    notes: bool,
    keys: bool,
    published: bool,
    as_json: bool,
) -> None:
    """Find what is wrong with a deployment, or with packages.

    With --stage, --stack or --local it examines that deployment: its stack, tables, keys, secrets, functions
    and packages, each asked in the Lambda where it runs, rights, queues, rules, Redis, names, quotas, and
    this machine's clock. Each finding says what to do. --keys checks only keys and settings, --published only
    packages and quotas. Else it reads function packages, without running them; what a package has in several
    places is one line, and with --json each place is there, and so are the notes, which change nothing.
    Exits with 1 when it has found something.

    \b
    Examples:
      silvaengine doctor --local
      silvaengine doctor --stage prod
      silvaengine doctor --keys --stack silvaengine
      silvaengine doctor --published --stack silvaengine
      silvaengine doctor --packages ../old/packages --notes
    """
    if keys or published:
        _examine_parts(deployment, keys=keys, published=published, as_json=as_json)
    elif _is_given(context, "stack", "stage", "local", "endpoint_url") and not _is_given(context, "packages"):
        complaints = examine_deployment(deployment)
        _report(complaints, f"all is well: {', '.join(CHECKS)}", as_json=as_json)
    else:
        _examine_packages(packages, notes=notes, as_json=as_json)


def _is_given(context: click.Context, *options: str) -> bool:
    return any(context.get_parameter_source(name) is ParameterSource.COMMANDLINE for name in options)


def _report(complaints: list[str], well: str, *, as_json: bool) -> None:
    """Print complaints, or that there are none; end with 1 if there are."""
    print_result(complaints, "\n".join(complaints) or well, as_json=as_json)
    if complaints:
        raise click.exceptions.Exit(1)


def _examine_packages(packages: Path, *, notes: bool, as_json: bool) -> None:
    if not packages.is_dir():
        raise click.BadParameter(f"Directory {str(packages)!r} does not exist.", param_hint="'--packages'")
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


def _examine_parts(deployment: Deployment, *, keys: bool, published: bool, as_json: bool) -> None:
    complaints, well = list[str](), list[str]()
    if keys:
        complaints += check_keys(deployment)
        well.append("no key opens too much")
    if published:
        pointers = read_pointers(deployment.client("dynamodb"), deployment.table_prefix)
        complaints += [*behind(deployment, pointers), *find_full_quotas(deployment.client)]
        well.append("no package is behind the platform, and no quota nearly full")
        has_alarms = deployment.has_output("PackageServiceRole") and deployment.parameter("SnsTopicArn")
        if pointers and has_alarms and not as_json:
            click.echo(f"alarms of {len(pointers)} packages: {_price_of_alarms(len(pointers))}")
    _report(complaints, "\n".join(well), as_json=as_json)


def _price_of_alarms(packages: int) -> str:
    from silvaengine_cli.costs.prices import cost, dated  # lazy: no other command here needs them

    price = cost({"alarm_months": packages * len(ALARMS)})
    return f"{price:.2f} USD a month (list prices of us-east-1, {dated()})"
