"""``preflight``: check a deployment before it is one."""

import shlex
import tomllib
from collections.abc import Iterable, Mapping
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
@click.argument("environment", required=False)
@parameter_option
@click.option("--account", is_flag=True, help="Ask the account, too, what it has and lacks.")
@operator_options
def preflight(
    deployment: Deployment, environment: str | None, given: tuple[str, ...], account: bool, as_json: bool
) -> None:
    """Check on paper what AWS would refuse of a deployment.

    ENVIRONMENT is one of samconfig.toml, which has its stack's name and parameters. Without it, a table of
    parameter sets is checked, and the update to each from a stack with the defaults. The columns say how much
    of AWS's limits the largest role and function use.

    \b
    Examples:
      silvaengine preflight
      silvaengine preflight prod -p MakeFifoQueue=true
      silvaengine preflight prod --account
    """
    from silvaengine_cli.dev import find_project
    from silvaengine_cli.preflight.account import find_in_account
    from silvaengine_cli.preflight.rules import ENVIRONMENT, ROLE_POLICIES
    from silvaengine_cli.preflight.stack import Stack
    from silvaengine_cli.preflight.template import load

    if account and not environment:
        raise click.UsageError("--account needs the ENVIRONMENT that is to be deployed")
    project = find_project(Path.cwd())
    template = load(project / "template.yaml")
    more = parameters_given(given)
    stack_name, sets = DEFAULT_STACK, parameter_sets()
    if environment:
        stack_name, parameters = environment_of(project, environment)
        sets = {environment: parameters}
    try:
        stacks = {
            name: Stack.of(template, stack_name, {**parameters, **more}) for name, parameters in sets.items()
        }
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    first = next(iter(stacks.values()))
    reports = [_report(name, stack, first) for name, stack in stacks.items()]
    if account:
        reports[0]["findings"] += find_in_account(first, deployment.client)
    sizes = (f"policy characters of {ROLE_POLICIES:,}", f"environment bytes of {ENVIRONMENT:,}")
    columns = ("set", "resources", *sizes, "findings")
    rows = [(*list(report.values())[:-1], len(report["findings"])) for report in reports]
    print_table("", columns, rows, reports, as_json=as_json)
    findings = [f"{report['set']}: {each}" for report in reports for each in report["findings"]]
    if findings:
        raise click.ClickException("\n".join(findings))


def parameters_given(given: Iterable[str]) -> dict[str, str]:
    """Return template parameters by name; raise UsageError for a text that isn't NAME=VALUE."""
    return dict(_pair(each) for each in given)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"--parameter is NAME=VALUE, not {text!r}")
    return name, value


def environment_of(project: Path, environment: str) -> tuple[str, dict[str, str]]:
    """Return the stack's name and the template's parameters that samconfig.toml has for an environment."""
    config = tomllib.loads((project / "samconfig.toml").read_text())
    sections = config.get(environment)
    if not isinstance(sections, dict):
        environments = ", ".join(name for name, each in config.items() if isinstance(each, dict))
        raise click.UsageError(f"samconfig.toml has no environment {environment!r}; it has {environments}")
    overrides = sections.get("deploy", {}).get("parameters", {}).get("parameter_overrides", [])
    name = sections.get("global", {}).get("parameters", {}).get("stack_name", DEFAULT_STACK)
    if isinstance(overrides, str):  # as `sam deploy --guided` writes them
        overrides = shlex.split(overrides)
    return name, parameters_given(overrides)


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
