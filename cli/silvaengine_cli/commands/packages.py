"""``packages``: the packages that are published, and those that are to be."""

from pathlib import Path

import click

from silvaengine_cli.commands.registry import file_option, registry_path
from silvaengine_cli.deployment import Deployment, list_options
from silvaengine_cli.output import Moment, print_table
from silvaengine_cli.packages import FUNCTIONS_FOLDER
from silvaengine_cli.packages.moving import plan_move
from silvaengine_cli.publishing.coverage import outcomes_text, with_outcomes
from silvaengine_cli.publishing.releases import read_pointers
from silvaengine_cli.registry.file import load
from silvaengine_cli.registry.handover import hand_over

COLUMNS = ("package", "release", "changed", "pins", "canary")


@click.group()
def packages() -> None:
    """List published packages, or make one of shipped modules.

    \b
    Examples:
      silvaengine packages list --stack silvaengine
      silvaengine packages move shop
    """


@packages.command("list")
@list_options
def list_(deployment: Deployment, as_json: bool, wide: bool) -> None:
    """List published packages: which release serves, since when, pins, and the canary. Times are UTC.

    \b
    Examples:
      silvaengine packages list --local
      silvaengine packages list --json
    """
    tables = deployment.tables()
    pointers = read_pointers(deployment.client("dynamodb"), deployment.table_prefix)
    rows = [with_outcomes(each, tables) for each in pointers]
    cells = [
        (
            row["package"],
            row["release"],
            Moment(row["changed_at"]),
            row["pins"],
            outcomes_text(row["canary"]) if "canary" in row else "",
        )
        for row in rows
    ]
    print_table(f"{len(rows)} packages", COLUMNS, cells, rows, as_json=as_json, wide=wide)


@packages.command()
@click.argument("modules", nargs=-1, required=True)
@click.option("--as", "package", help="The package's name.  [default: the first module's]")
@file_option
def move(modules: tuple[str, ...], package: str | None, file: Path | None) -> None:
    """Make a package of MODULES that ship with the worker, to be published next.

    It moves their code into packages/, writes package.yaml with their functions, which it takes out of
    registry.yaml, and takes their requirements along. Callers notice nothing: the tables stay as they are
    until `publish` and `apply`.

    \b
    Examples:
      silvaengine packages move shop
      silvaengine packages move shop_engine shop_models --as shop
    """
    path = registry_path(file)
    if not path.exists():
        advice = "`silvaengine export -o registry.yaml` writes the tables as one"
        raise click.ClickException(f"{path}: there is no such file; {advice}")
    plan = plan_move(modules, package or modules[0], load(path).spec, FUNCTIONS_FOLDER)
    plan.carry_out()
    click.echo(f"wrote {plan.folder}: {len(plan.functions)} functions, {len(plan.requirements)} requirements")
    changed = hand_over(path.read_bytes(), plan.functions, plan.package)
    if changed is None:
        click.echo(f"{path} has a form in which lines can't be changed; change these yourself:")
        click.echo(f"  remove from functions: {', '.join(plan.functions)}")
        click.echo(f"  at connections, for each of them: {{function: NAME, package: {plan.package}}}")
    else:
        path.write_bytes(changed)
        click.echo(f"wrote {path}: connections name the package's functions")
    for note in plan.notes:
        click.echo(note)
    click.echo(
        "\nnext, before the worker is deployed without them:\n"
        f"  silvaengine publish {plan.folder}\n"
        "  silvaengine apply"
    )
