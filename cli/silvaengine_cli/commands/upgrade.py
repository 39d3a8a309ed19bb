"""``upgrade``: what the update of a deployed stack to this version takes, before it begins."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import click

from silvaengine_cli.commands.preflight import parameter_option
from silvaengine_cli.deployment import Deployment, operator_options
from silvaengine_cli.output import print_result
from silvaengine_cli.packages import PROJECT_FILE
from silvaengine_cli.platform_sources import is_clone

if TYPE_CHECKING:
    from silvaengine_cli.project import Project


@click.command()
@click.argument("environment", metavar="STAGE")
@parameter_option
@click.option("--quiet-time", is_flag=True, help="Accept that requests fail while layer and code change.")
@operator_options
def upgrade(
    deployment: Deployment, environment: str, given: tuple[str, ...], quiet_time: bool, as_json: bool
) -> None:
    """Show what updating a deployed stack to this version takes.

    It compares the stack of STAGE, one of silvaengine.toml or in a clone an environment of samconfig.toml,
    with the template: which parameters, resources, tables and outputs change, what callers may notice, and
    what to do in which order. Nothing is changed. Exits with 1 when the update can't begin.

    \b
    Examples:
      silvaengine upgrade prod
      silvaengine upgrade prod -p EarlierWorkers=true --quiet-time
    """
    from silvaengine_cli.preflight.template import load
    from silvaengine_cli.preflight.upgrade import (
        changes,
        contract_changes,
        next_stack,
        read_deployed,
        refusals,
        steps,
    )
    from silvaengine_cli.project import Project, parameters_given
    from silvaengine_cli.publishing.behind import packages_before_upgrade
    from silvaengine_cli.sam import import_sam
    from silvaengine_cli.stages import parameters_to_deploy, target_of

    project = Project.find(Path.cwd())
    platform, stage = project.platform(), project.stage(environment)
    target = target_of(stage, deployment)
    parameters = parameters_to_deploy(project, stage, target.endpoint_url) | parameters_given(given)
    import_sam(platform)
    try:
        deployed = read_deployed(stage.stack, target.client)
        after = next_stack(load(platform / "template.yaml"), deployed.stack, parameters)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    refused = list(refusals(deployed, after, platform, datetime.now(UTC), quiet_time=quiet_time))
    changed = changes(deployed.stack, after)
    changelog = (platform / "CHANGELOG.md").read_text()
    changed["contract"] = contract_changes(changelog, deployed.version, version("silvaengine-base"))
    todo = list(steps(deployed.stack, after, *_way_to_deploy(project, environment)))
    packages = packages_before_upgrade(target)
    refused += [
        f"package {package}: this version's gateways don't serve release {', '.join(map(str, numbers))}: "
        "run the deployed version's `silvaengine packages update` first"
        for package, numbers in packages.items()
        if numbers
    ]
    if packages:
        todo.append(
            f"silvaengine packages update --stack {stage.stack}, for its packages {', '.join(packages)}"
        )
    report = {"stack": stage.stack, "changes": changed, "steps": todo, "refusals": refused}
    print_result(report, "\n".join(_lines(changed, todo)), as_json=as_json)
    if refused:
        raise click.ClickException("\n".join(["the update can't begin:", *refused]))


def _way_to_deploy(project: "Project", stage: str) -> tuple[str, str]:
    """Return the command that deploys a stage, and the file with its parameters."""
    if is_clone(project.folder):
        return f"make build && sam deploy --config-env {stage}", "samconfig.toml"
    return f"silvaengine deploy --stage {stage}", PROJECT_FILE


def _lines(changed: Mapping[str, Sequence[str]], todo: Sequence[str]) -> Iterator[str]:
    for kind, names in changed.items():
        if kind == "contract":
            yield from (f"{kind}: {name}" for name in names)
        elif names:
            yield f"{kind}: {', '.join(names)}"
    for number, step in enumerate(todo, 1):
        yield f"{number}. {step}"
