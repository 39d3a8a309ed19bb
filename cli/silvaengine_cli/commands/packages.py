"""``packages``: the packages that are published, and those that are to be."""

import re
from pathlib import Path

import click

from silvaengine_cli.client_options import checked
from silvaengine_cli.commands.init import HEADER, check_package_name
from silvaengine_cli.commands.registry import file_option, registry_path
from silvaengine_cli.deployment import Deployment, list_options
from silvaengine_cli.output import Moment, print_table
from silvaengine_cli.packages import FUNCTIONS_FOLDER, PACKAGE_FILE, PACKAGES_FOLDER
from silvaengine_cli.packages.moving import plan_move
from silvaengine_cli.publishing.releases import read_pointers
from silvaengine_cli.registry.file import load, parse
from silvaengine_cli.registry.handover import hand_over
from silvaengine_cli.registry.insertion import FIRST_ENDPOINT, common_endpoint, insert_package
from silvaengine_cli.templates import write_templates

COLUMNS = ("package", "release", "changed", "pins")


@click.group()
def packages() -> None:
    """List published packages, or make one, anew or of shipped modules.

    \b
    Examples:
      silvaengine packages list --stack silvaengine
      silvaengine packages new shop
      silvaengine packages move shop
    """


@packages.command("list")
@list_options
def list_(deployment: Deployment, as_json: bool, wide: bool) -> None:
    """List published packages: which release serves, since when, and who is pinned to another. Times are UTC.

    \b
    Examples:
      silvaengine packages list --local
      silvaengine packages list --json
    """
    rows = read_pointers(deployment.client("dynamodb"), deployment.table_prefix)
    cells = [(row["package"], row["release"], Moment(row["changed_at"]), row["pins"]) for row in rows]
    print_table(f"{len(rows)} packages", COLUMNS, cells, rows, as_json=as_json, wide=wide)


def _check_name(name: str) -> str:
    if not re.fullmatch("[a-z][a-z0-9]{0,11}", name):
        raise ValueError(f"{name!r} is not a package's name: 1 to 12 of a-z and 0-9, a letter first")
    return check_package_name(name)


@packages.command()
@click.argument("name", callback=checked(_check_name))
@file_option
def new(name: str, file: Path | None) -> None:
    """Make a package with a function and its test, listed by the common connection of registry.yaml.

    No file is overwritten.

    \b
    Examples:
      silvaengine packages new shop
    """
    path, folder = registry_path(file), PACKAGES_FOLDER / name
    content = path.read_bytes() if path.exists() else HEADER
    endpoint = common_endpoint(parse(content, str(path)).spec) or FIRST_ENDPOINT
    write_templates(
        {
            folder / PACKAGE_FILE: "published.yaml.txt",
            folder / name / "__init__.py": "published.py.txt",
            folder / "requirements.txt": "requirements.txt.txt",
            folder / "tests" / f"test_{name}.py": "test_published.py.txt",
        },
        package=name,
    )
    if (extended := insert_package(content, name)) is None:
        click.echo(f"{path} has a form to which lines can't be added; add this to a connection yourself:")
        click.echo(f"  packages: [{name}]")
    else:
        path.write_bytes(extended)
        click.echo(f"wrote {path}")
    click.echo(
        "\nnext:\n"
        f"  pytest {folder}     (calls the function without any server)\n"
        "  silvaengine dev     (publishes it; then, in another terminal:)\n"
        f"  silvaengine invoke {endpoint} greet_{name} --param name=Ada --local"
    )


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
