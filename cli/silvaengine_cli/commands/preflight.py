"""``preflight``: check a deployment before it is one."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from silvaengine_cli.deployment import DEFAULT_STACK, Deployment, operator_options
from silvaengine_cli.output import print_table

if TYPE_CHECKING:
    from silvaengine_cli.preflight.stack import Stack

_SETS = Path(__file__).parents[1] / "preflight" / "parameter_sets.toml"


parameter_option = click.option(
    "--parameter", "-p", "given", multiple=True, metavar="NAME=VALUE", help="A template parameter."
)


@click.command()
@click.argument("environment", metavar="[STAGE]", required=False)
@parameter_option
@click.option("--account", is_flag=True, help="Ask the account, too, what it has and lacks.")
@operator_options
def preflight(
    deployment: Deployment, environment: str | None, given: tuple[str, ...], account: bool, as_json: bool
) -> None:
    """Check on paper what AWS would refuse of a deployment.

    STAGE is one of silvaengine.toml, or in a clone an environment of samconfig.toml. Without it, a table of
    parameter sets is checked, and the update to each from a stack with the defaults. The columns say how much
    of AWS's limits the largest role and function use.

    \b
    Examples:
      silvaengine preflight
      silvaengine preflight prod -p MakeFifoQueue=true
      silvaengine preflight prod --account
    """
    from silvaengine_cli.preflight.account import find_in_account
    from silvaengine_cli.preflight.rules import ENVIRONMENT, ROLE_POLICIES
    from silvaengine_cli.preflight.stack import Stack
    from silvaengine_cli.preflight.template import load
    from silvaengine_cli.project import Project, parameters_given
    from silvaengine_cli.stages import target_of

    if account and not environment:
        raise click.UsageError("--account needs the STAGE that is to be deployed")
    project = Project.find(Path.cwd())
    template = load(project.platform() / "template.yaml")
    more = parameters_given(given)
    stack_name, sets = DEFAULT_STACK, parameter_sets()
    if environment:
        stage = project.stage(environment)
        stack_name, sets = stage.stack, {environment: stage.parameters}
        deployment = target_of(stage, deployment)
    try:
        stacks = {
            each: Stack.of(template, stack_name, {**parameters, **more}) for each, parameters in sets.items()
        }
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    first = next(iter(stacks.values()))
    reports = [_report(each, stack, first) for each, stack in stacks.items()]
    if account:
        reports[0]["findings"] += find_in_account(first, deployment.client)
    sizes = (f"policy characters of {ROLE_POLICIES:,}", f"environment bytes of {ENVIRONMENT:,}")
    columns = ("set", "resources", *sizes, "findings")
    rows = [(*list(report.values())[:-1], len(report["findings"])) for report in reports]
    print_table("", columns, rows, reports, as_json=as_json)
    findings = [f"{report['set']}: {each}" for report in reports for each in report["findings"]]
    if findings:
        raise click.ClickException("\n".join(findings))


def parameter_sets() -> Mapping[str, Mapping[str, str]]:
    """Return the sets of parameters that are checked where no environment is asked for."""
    return tomllib.loads(_SETS.read_text())


def _report(name: str, stack: "Stack", first: "Stack") -> dict[str, Any]:
    from silvaengine_cli.preflight.rules import RULES, environment_size, role_policies_size
    from silvaengine_cli.preflight.updates import conflicts

    return {
        "set": name,
        "resources": len(stack.resources),
        "policy": max(role_policies_size(stack, role) for role in stack.of_type("AWS::IAM::Role")),
        "environment": max(environment_size(stack, each) for each in stack.of_type("AWS::Lambda::Function")),
        "findings": [*(each for rule in RULES for each in rule(stack)), *conflicts(first, stack)],
    }
