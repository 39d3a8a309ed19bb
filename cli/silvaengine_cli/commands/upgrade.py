"""``upgrade``: what the update of a deployed stack to this version takes, before it begins."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from silvaengine_cli.commands.preflight import environment_of, parameter_option, parameters_given
from silvaengine_cli.deployment import Deployment, operator_options
from silvaengine_cli.output import print_result


@click.command()
@click.argument("environment")
@parameter_option
@click.option("--quiet-time", is_flag=True, help="Accept that requests fail while layer and code change.")
@operator_options
def upgrade(
    deployment: Deployment, environment: str, given: tuple[str, ...], quiet_time: bool, as_json: bool
) -> None:
    """Show what updating a deployed stack to this version takes.

    It compares the stack of ENVIRONMENT, one of samconfig.toml, with the template: what changes, and what to
    do in which order. Nothing is changed. Exits with 1 when the update can't begin.

    \b
    Examples:
      silvaengine upgrade prod
      silvaengine upgrade prod -p EarlierWorkers=true --quiet-time
    """
    from silvaengine_cli.dev import find_project
    from silvaengine_cli.preflight.template import load
    from silvaengine_cli.preflight.upgrade import changes, next_stack, read_deployed, refusals, steps
    from silvaengine_cli.publishing.behind import packages_before_upgrade

    project = find_project(Path.cwd())
    name, parameters = environment_of(project, environment)
    template = load(project / "template.yaml")
    try:
        deployed = read_deployed(name, deployment.client)
        after = next_stack(template, deployed.stack, {**parameters, **parameters_given(given)})
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    refused = list(refusals(deployed, after, project, datetime.now(UTC), quiet_time=quiet_time))
    changed, todo = changes(deployed.stack, after), list(steps(deployed.stack, after, environment))
    packages = packages_before_upgrade(
        Deployment(stack=name, region=deployment.region, endpoint_url=deployment.endpoint_url)
    )
    refused += [
        f"package {package}: this version's gateways don't serve release {', '.join(map(str, numbers))}: "
        "run the deployed version's `silvaengine packages update` first"
        for package, numbers in packages.items()
        if numbers
    ]
    if packages:
        todo.append(f"silvaengine packages update --stack {name}, for its packages {', '.join(packages)}")
    report = {"stack": name, "changes": changed, "steps": todo, "refusals": refused}
    print_result(report, "\n".join(_lines(changed, todo)), as_json=as_json)
    if refused:
        raise click.ClickException("\n".join(["the update can't begin:", *refused]))


def _lines(changed: Mapping[str, Sequence[str]], todo: Sequence[str]) -> Iterator[str]:
    for kind, names in changed.items():
        if names:
            yield f"{kind}: {', '.join(names)}"
    for number, step in enumerate(todo, 1):
        yield f"{number}. {step}"
