"""``validate``, ``diff``, ``apply`` and ``export``: registry.yaml and the tables kept in step."""

from pathlib import Path

import click
from rich.markup import escape

from silvaengine_cli.operator import announce
from silvaengine_cli.output import console, json_option, print_json
from silvaengine_cli.registry import export as exporting
from silvaengine_cli.registry.apply import carry_out
from silvaengine_cli.registry.file import RegistryFile, RegistryFileError, load, parse
from silvaengine_cli.registry.plan import Plan, make_plan
from silvaengine_cli.target import Deployment, target_options

FUNCTIONS_FOLDER = Path("services/worker/functions")
FILE_NAME = "registry.yaml"
_MARKS = {"create": "[green]+", "update": "[yellow]~", "delete": "[red]-"}

file_option = click.option(
    "--file",
    "-f",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"The registry.  [default: {FILE_NAME} here, or in {FUNCTIONS_FOLDER}]",
)
prune_option = click.option("--prune", is_flag=True, help="Also delete what the file no longer names.")


def registry_path(given: Path | None) -> Path:
    """Return the registry that is meant: the one named, the one here, or the worker's."""
    candidates = [given] if given else [Path(FILE_NAME), FUNCTIONS_FOLDER / FILE_NAME]
    return next((path for path in candidates if path.exists()), candidates[0])


@click.command()
@file_option
@json_option
def validate(file: Path | None, as_json: bool) -> None:
    """Check registry.yaml without asking any server.

    \b
    Examples:
      silvaengine validate
      silvaengine validate -f shop/registry.yaml --json
    """
    path = registry_path(file)
    if as_json:
        _validate_for_machines(path)
        return
    registry = _load(path)
    spec = registry.spec
    counts = [f"{len(getattr(spec, section))} {section}" for section in type(spec).model_fields]
    click.echo(f"{path}: valid: {', '.join(counts)}")


@click.command()
@file_option
@prune_option
@json_option
@click.option("--exit-code", is_flag=True, help="Exit with 1 when there are differences.")
@target_options
def diff(target: Deployment, file: Path | None, prune: bool, as_json: bool, exit_code: bool) -> None:
    """Show what `apply` would change.

    \b
    Examples:
      silvaengine diff --local
      silvaengine diff --stack silvaengine --prune --exit-code
    """
    plan = make_plan(_load(registry_path(file)).spec, target.tables(), target.worker_arn, prune=prune)
    if as_json:
        print_json(plan.as_json())
    else:
        print_plan(plan)
    if exit_code and plan:
        raise click.exceptions.Exit(1)


@click.command()
@file_option
@prune_option
@json_option
@click.option("--yes", "-y", is_flag=True, help="Don't ask before deleting.")
@target_options
def apply(target: Deployment, file: Path | None, prune: bool, as_json: bool, yes: bool) -> None:
    """Write registry.yaml into the tables.

    Running functions see it within seconds, with Redis at the next request. Rows are written on condition
    that nobody else changed them meanwhile. A function's execution is as the file says, defaults included;
    what the file doesn't name stays, unless --prune: then rows that an `apply` wrote and what connections
    have beyond the file go, after a question.

    \b
    Examples:
      silvaengine apply --local
      silvaengine apply --stack silvaengine
      silvaengine apply --prune
      silvaengine apply --prune --yes --json
    """
    tables = target.tables()
    plan = make_plan(_load(registry_path(file)).spec, tables, target.worker_arn, prune=prune)
    if not as_json:
        print_plan(plan)
    if plan and prune and not yes:
        click.confirm("Go on, deletions included?", abort=True, err=as_json)
    try:
        carry_out(plan, tables)
    finally:
        if plan:
            announce(target)
    if as_json:
        print_json(plan.as_json())
    elif plan:
        click.echo(f"applied: {len(plan.changes)} rows written")


@click.command()
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write.  [default: stdout]",
)
@click.option("--force", is_flag=True, help="Replace the file when it is there.")
@target_options
def export(target: Deployment, output: Path | None, force: bool) -> None:
    """Write the tables as a registry.yaml.

    Applying it changes nothing. It holds API keys and settings as they are: mind where you put it.

    \b
    Examples:
      silvaengine export --stack silvaengine -o registry.yaml
      silvaengine export --table-prefix se- --region eu-west-1
    """
    if output and output.exists() and not force:
        raise click.ClickException(f"{output} is there already; --force replaces it")
    result = exporting.export(target.tables(), target.known_worker_arn)
    if output:
        _write_private(output, result.text)
    else:
        click.echo(result.text, nl=False)
    for note in (*result.notes, *_complaints(result.text)):
        click.echo(note, err=True)


def _write_private(output: Path, text: str) -> None:
    """Write a file that only its owner may read: API keys stand in it."""
    try:
        output.touch(mode=0o600)
        output.chmod(0o600)  # it may have been there
        output.write_text(text)
    except OSError as error:
        raise click.ClickException(f"{output} can't be written: {error.strerror}") from error


def _validate_for_machines(path: Path) -> None:
    try:
        problems, valid = load(path).warnings, True
    except RegistryFileError as error:
        problems, valid = error.problems, False
    found = [
        {"line": it.line, "path": list(it.path), "message": it.message, "warning": it.warning}
        for it in problems
    ]
    print_json({"file": str(path), "valid": valid, "problems": found})
    if not valid:
        raise click.exceptions.Exit(1)


def _load(path: Path) -> RegistryFile:
    registry = load(path)
    for warning in registry.warnings:
        click.echo(warning.text(str(path)), err=True)
    return registry


def _complaints(text: str) -> tuple[str, ...]:
    """Say what of an exported registry wouldn't be accepted as it is: the tables are broken there."""
    try:
        parse(text.encode(), "exported")
    except RegistryFileError as error:
        return tuple(problem.text(error.name) for problem in error.problems)
    return ()


def print_plan(plan: Plan) -> None:
    """Show a plan to a person, a line for each row."""
    screen = console()
    for change in plan.changes:
        screen.print(f"{_MARKS[change.action]} {change.action} {escape(change.row_name)}", soft_wrap=True)
        for detail in change.details:
            screen.print(f"      {escape(detail)}", style="dim", soft_wrap=True)
    for note in plan.notes:
        screen.print(f"  {escape(note)}", style="cyan", soft_wrap=True)
    if not plan:
        agrees = "" if plan.notes else ": the tables are as the file says"
        screen.print(f"nothing to do{agrees}")
