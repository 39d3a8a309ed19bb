"""``validate``, ``diff``, ``apply`` and ``export``: registry.yaml and the tables."""

from dataclasses import asdict
from pathlib import Path

import click
from rich.markup import escape

from silvaengine_cli.deployment import Deployment, deployment_options
from silvaengine_cli.operator import announce
from silvaengine_cli.output import console, json_option, print_json
from silvaengine_cli.output_file import check_new, output_options, write_private
from silvaengine_cli.packages import FUNCTIONS_FOLDER, PACKAGE_FILE
from silvaengine_cli.packages.examine import Observation, missing_requirements, summarize
from silvaengine_cli.project import find_application
from silvaengine_cli.publishing.package import Package
from silvaengine_cli.registry import export as exporting
from silvaengine_cli.registry.apply import Settings, carry_out, with_settings
from silvaengine_cli.registry.callables import packages_beside
from silvaengine_cli.registry.document import Problem
from silvaengine_cli.registry.file import RegistryFile, RegistryFileError, load, parse
from silvaengine_cli.registry.plan import Plan, make_plan

FILE_NAME = "registry.yaml"
_MARKS = {"create": "[green]+", "update": "[yellow]~", "delete": "[red]-"}

file_option = click.option(
    "--file",
    "-f",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"The registry file.  [default: {FILE_NAME} here, or in {FUNCTIONS_FOLDER}]",
)
prune_option = click.option("--prune", is_flag=True, help="Also delete what the file no longer names.")


def registry_path(option: Path | None) -> Path:
    """Return the registry file: the option's, the one here, or the worker's."""
    candidates = [option] if option else [Path(FILE_NAME), FUNCTIONS_FOLDER / FILE_NAME]
    return next((path for path in candidates if path.exists()), candidates[0])


@click.command()
@file_option
@json_option
def validate(file: Path | None, as_json: bool) -> None:
    """Check registry.yaml or a package.yaml, without a server.

    Where the sources are beside it, modules, classes and functions that they lack are errors, and so are
    signatures of typed functions that can't be described, for which their modules are imported. Imports that
    requirements.txt lacks are named, too.

    \b
    Examples:
      silvaengine validate
      silvaengine validate -f shop/registry.yaml --json
      silvaengine validate -f packages/shop/package.yaml
    """
    path = registry_path(file)
    if as_json:
        _print_validation(path)
        return
    contents, warnings = _check(path)
    for warning in warnings:
        click.echo(warning.text(str(path)), err=True)
    click.echo(f"{path}: valid: {contents}")
    for missing in summarize(_missing_requirements(path)):
        click.echo(missing, err=True)


@click.command()
@file_option
@prune_option
@json_option
@click.option("--exit-code", is_flag=True, help="Exit with 1 when there are differences.")
@deployment_options
def diff(deployment: Deployment, file: Path | None, prune: bool, as_json: bool, exit_code: bool) -> None:
    """Show what `apply` would change.

    \b
    Examples:
      silvaengine diff --local
      silvaengine diff --stack silvaengine --prune --exit-code
    """
    plan = _make_plan(deployment, file, prune=prune)
    if as_json:
        print_json(plan.as_json())
    else:
        _print_plan(plan)
    if exit_code and plan:
        raise click.exceptions.Exit(1)


@click.command()
@file_option
@prune_option
@json_option
@click.option("--yes", "-y", is_flag=True, help="Don't ask before deleting.")
@deployment_options
def apply(deployment: Deployment, file: Path | None, prune: bool, as_json: bool, yes: bool) -> None:
    """Write registry.yaml into the tables.

    What `validate` refuses isn't applied; with --worker-arn the sources beside the file are not looked at.
    Running functions see it within seconds, with Redis at the next request. A row that somebody changed
    meanwhile is not overwritten. How functions are executed is as the file says, defaults included; all else
    that the file doesn't name stays. With --prune, rows that an `apply` wrote and what connections have
    beyond the file are deleted, after a question. Typed functions are described as the deployed worker has
    them.

    \b
    Examples:
      silvaengine apply --local
      silvaengine apply --stack silvaengine
      silvaengine apply --prune
      silvaengine apply --prune --yes --json
    """
    question = "Apply, deletions included?" if prune and not yes else ""
    write_plan(deployment, _make_plan(deployment, file, prune=prune), "applied", question, as_json=as_json)
    _describe(deployment)


@click.command()
@output_options
@deployment_options
def export(deployment: Deployment, output: Path | None, force: bool) -> None:
    """Write the tables as a registry.yaml.

    Applying it changes nothing. It holds API keys and settings in clear text: mind where you put it.

    \b
    Examples:
      silvaengine export --stack silvaengine -o registry.yaml
      silvaengine export --table-prefix se- --region eu-west-1
    """
    check_new(output, force=force)
    result = exporting.export(deployment.tables(), deployment.worker_arn_or_empty)
    if output:
        write_private(output, result.text)
    else:
        click.echo(result.text, nl=False)
    for note in (*result.notes, *_problems_of(result.text)):
        click.echo(note, err=True)


def _describe(deployment: Deployment) -> None:
    from silvaengine_cli.registry.describing import describe_shipped  # lazy: as boto3

    described = describe_shipped(deployment.tables(), deployment.worker_arn, deployment.client("lambda"))
    if described.written:
        announce(deployment)
        click.echo(f"described: {', '.join(sorted(described.written))}", err=True)
    for note in described.notes:
        click.echo(note, err=True)


def _check(path: Path) -> tuple[str, tuple[Problem, ...]]:
    """Return what a file has, in words, and the warnings about it; raise RegistryFileError if it is wrong."""
    if path.name == PACKAGE_FILE:
        package = Package.read(path.parent)
        warnings = (*package.warnings, *package.check_signatures())
        return f"{len(package.spec.functions)} functions", warnings
    registry = load(path, describe=True)
    sections = type(registry.spec).model_fields
    counts = (f"{len(getattr(registry.spec, section))} {section}" for section in sections)
    return ", ".join(counts), registry.warnings


def _print_validation(path: Path) -> None:
    try:
        problems, valid = _check(path)[1], True
    except RegistryFileError as error:
        problems, valid = error.problems, False
    facts = {"file": str(path), "valid": valid, "problems": list(map(asdict, problems))}
    print_json(facts | {"missing_requirements": list(map(asdict, _missing_requirements(path)))})
    if not valid:
        raise click.exceptions.Exit(1)


def _missing_requirements(path: Path) -> list[Observation]:
    folder = path.parent if path.name == PACKAGE_FILE else packages_beside(path)
    return missing_requirements(folder) if folder else []


def _make_plan(deployment: Deployment, file: Path | None, *, prune: bool) -> Plan:
    path = registry_path(file)
    spec = _load(path, compare=deployment.uses_own_worker).spec
    settings = _stage_settings(path, deployment)
    return make_plan(with_settings(spec, settings), deployment.tables(), deployment.worker_arn, prune=prune)


def _stage_settings(path: Path, deployment: Deployment) -> Settings:
    """Return the settings that an application has for the stage of its deployment."""
    application = find_application(path.resolve().parent)
    if application is None or not deployment.has_output("WorkerArn"):
        return {}
    stage = application.stages.get(deployment.parameter("Stage"))
    return stage.settings if stage else {}


def _load(path: Path, *, compare: bool = True) -> RegistryFile:
    registry = load(path, compare=compare)
    for warning in registry.warnings:
        click.echo(warning.text(str(path)), err=True)
    return registry


def _problems_of(text: str) -> tuple[str, ...]:
    """Return what `apply` would refuse in an exported registry: there the tables are broken."""
    try:
        parse(text.encode(), "exported")
    except RegistryFileError as error:
        return tuple(problem.text(error.name) for problem in error.problems)
    return ()


def write_plan(
    deployment: Deployment, plan: Plan, done: str, question: str, *, as_json: bool = False
) -> None:
    """Print a plan, ask the question unless it is empty, write the rows and say that it is done."""
    if not as_json:
        _print_plan(plan)
    if plan:
        if question:
            click.confirm(question, abort=True, err=as_json)
        try:
            carry_out(plan, deployment.tables())
        finally:
            announce(deployment)
    if as_json:
        print_json(plan.as_json())
    elif plan:
        click.echo(f"{done}: {len(plan.changes)} rows written")


def _print_plan(plan: Plan) -> None:
    """Print a plan for people, a line for each row."""
    screen = console()
    for change in plan.changes:
        screen.print(f"{_MARKS[change.action]} {change.action} {escape(change.row_name)}", soft_wrap=True)
        for detail in change.details:
            screen.print(f"      {escape(detail)}", style="dim", soft_wrap=True)
    for note in plan.notes:
        screen.print(f"  {escape(str(note))}", style="cyan", soft_wrap=True)
    if not plan:
        reason = "" if plan.notes else ": the tables are as the file says"
        screen.print(f"nothing to do{reason}")
