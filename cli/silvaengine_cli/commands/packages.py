"""``packages``: the packages that are published, and those that are to be."""

from dataclasses import asdict
from pathlib import Path

import click

from silvaengine.aws.table_client import Row
from silvaengine_cli.client_options import checked
from silvaengine_cli.commands.init import HEADER, check_published_name
from silvaengine_cli.commands.registry import file_option, registry_path
from silvaengine_cli.commands.rollout_options import canary_options
from silvaengine_cli.deployment import Deployment, list_options, operator_options
from silvaengine_cli.output import Moment, print_result, print_table
from silvaengine_cli.packages import PACKAGES_FOLDER, functions_folder
from silvaengine_cli.packages.moving import plan_move
from silvaengine_cli.publishing.behind import CurrentPlatform, read_packages
from silvaengine_cli.publishing.contraction import Contraction
from silvaengine_cli.publishing.contraction import contract as contract_package
from silvaengine_cli.publishing.coverage import outcomes_text, share_text
from silvaengine_cli.publishing.deletion import Deletion, Remains
from silvaengine_cli.publishing.platform_update import Updated
from silvaengine_cli.publishing.platform_update import update as update_package
from silvaengine_cli.publishing.releases import read_pointers
from silvaengine_cli.publishing.rollout import Rollout
from silvaengine_cli.registry.file import load, parse
from silvaengine_cli.registry.handover import hand_over
from silvaengine_cli.registry.insertion import FIRST_ENDPOINT, common_endpoint, insert_package
from silvaengine_cli.templates import PACKAGE_TEMPLATES, write_templates

COLUMNS = ("package", "release", "changed", "pins", "canary", "behind")


@click.group()
def packages() -> None:
    """List, make, update or end published packages.

    \b
    Examples:
      silvaengine packages list --stack silvaengine
      silvaengine packages new shop
      silvaengine packages update --stack silvaengine
      silvaengine packages move shop
    """


@packages.command("list")
@list_options
def list_(deployment: Deployment, as_json: bool, wide: bool) -> None:
    """List published packages: which release serves, since when, pins, the canary, and who is behind.

    A package is behind while a release of it that serves lacks something of the platform's: the worker's
    code, the layer, variables. Times are UTC.

    \b
    Examples:
      silvaengine packages list --local
      silvaengine packages list --json
    """
    facts = read_packages(deployment)
    cells = [
        (
            row["package"],
            row["release"],
            Moment(row["changed_at"]),
            row["pins"],
            outcomes_text(row["canary"]) if "canary" in row else "",
            _lacked(row["behind"]),
        )
        for row in facts
    ]
    print_table(f"{len(facts)} packages", COLUMNS, cells, facts, as_json=as_json, wide=wide)


@packages.command()
@click.argument("names", nargs=-1)
@canary_options
@operator_options
def update(deployment: Deployment, names: tuple[str, ...], canary: Row | None, as_json: bool) -> None:
    """Release packages anew, with the same code, as far as they are behind the platform: all, or NAMES.

    Do so after an update of the stack, or of its variables. One package follows the other, and what served
    serves on until its successor has been tried. Whatever fails, the other packages are updated; repeat it.
    With --canary each new release serves some of the package's tenants first, and is judged as by `publish`.

    \b
    Examples:
      silvaengine packages update --stack silvaengine
      silvaengine packages update --canary 10% --after 1h --stack silvaengine
      silvaengine packages update shop --local
    """
    published = [
        row["package"] for row in read_pointers(deployment.client("dynamodb"), deployment.table_prefix)
    ]
    current, rollout = CurrentPlatform(deployment), Rollout(canary)
    updated, failed = list[Updated](), list[str]()
    for name in names or published:
        try:
            updated.append(update_package(deployment, name, current, _say, rollout))
        except click.ClickException as error:
            failed.append(f"{name}: {error.message}")
    share = share_text(canary) if canary else ""
    text = "\n".join(_updated(each, share) for each in updated)
    print_result([asdict(each) for each in updated], text, as_json=as_json)
    if failed:
        raise click.ClickException("\n".join(failed))


@packages.command()
@click.argument("name")
@click.option("--yes", "-y", is_flag=True, help="Don't ask, and don't mind connections that list it.")
@operator_options
def delete(deployment: Deployment, name: str, yes: bool, as_json: bool) -> None:
    """Delete a package: its Lambda with all releases, its log, alarms and rows. What holds its data stays.

    A deletion that broke off goes on where it was.

    \b
    Examples:
      silvaengine packages delete shop --stack silvaengine
    """
    deletion = Deletion(deployment, name)
    remains = deletion.find()
    if not yes:
        if remains.connections:
            endpoints = ", ".join(remains.connections)
            raise click.ClickException(
                f"connections of {endpoints} list {name}: take it out of them first, or say --yes"
            )
        click.echo("\n".join(_remains(remains)), err=True)
        click.confirm(f"Delete the package {name!r} of stack {deployment.stack!r}?", abort=True, err=True)
    retained = deletion.run(_say)
    facts = {"package": name, **asdict(remains), "retained": retained, "objects": deletion.objects}
    lines = [f"package {name} is deleted", *(f"  {line}" for line in _remains(remains))]
    lines += [f"  stays: {each}" for each in (*retained, deletion.objects)]
    print_result(facts, "\n".join(lines), as_json=as_json)


@packages.command()
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Only say what was found.")
@operator_options
def contract(deployment: Deployment, name: str, dry_run: bool, as_json: bool) -> None:
    """Take what a package has removed out of its stack, as far as no release needs it any more.

    A publication leaves resources and permissions that it removes where they are, since a rollback would need
    them; `releases prune` deletes releases that nobody needs. Data stays in the account.

    \b
    Examples:
      silvaengine packages contract shop --dry-run --stack silvaengine
    """
    found = contract_package(deployment, name, _say, dry_run=dry_run)
    print_result(asdict(found), "\n".join(_found(found, dry_run=dry_run)), as_json=as_json)


@packages.command()
@click.argument("name", callback=checked(check_published_name))
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
    write_templates({folder / path.format(name): it for path, it in PACKAGE_TEMPLATES.items()}, package=name)
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
    plan = plan_move(modules, package or modules[0], load(path).spec, functions_folder())
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


def _say(line: str) -> None:
    click.echo(f"  {line}", err=True)


def _lacked(behind: dict[int, list[str]]) -> list[str]:
    return [f"{number}: {', '.join(lacks)}" for number, lacks in behind.items()]


def _updated(updated: Updated, share: str) -> str:
    if not updated.lacked:
        return f"{updated.package} has what the platform has"
    lines = []
    for old, lacked in updated.lacked.items():
        new, lacks = updated.releases.get(old), f"{old}, which lacked {', '.join(lacked)}"
        if new is None:
            lines.append(f"{updated.package}: pinned tenants stay on release {lacks}")
        elif share:
            lines.append(f"release {new} of {updated.package} is a canary for {share}, beside {lacks}")
        else:
            lines.append(f"release {new} of {updated.package} serves instead of {lacks}")
    if updated.tenants is not None:
        lines.append(f"tenants: {', '.join(updated.tenants)}")
    return "\n".join(lines)


def _remains(remains: Remains) -> list[str]:
    """Return what ends with a package, a line each."""
    lines = [f"releases that end: {', '.join(map(str, remains.releases)) or 'none'}"]
    lines += [f"pins that end: {', '.join(remains.pins)}"] if remains.pins else []
    if remains.jobs:
        lines.append(f"{remains.jobs} jobs end within minutes, with the cause release_missing")
    if remains.connections:
        lines.append(f"connections still list it: {', '.join(remains.connections)}")
    return lines


def _found(found: Contraction, *, dry_run: bool) -> list[str]:
    would = "would go" if dry_run else "removed"
    lines = [f"{would}: {each}" for each in found.removable]
    lines += [f"stays in the account, without a stack: {each}" for each in found.retained]
    lines += [
        f"stays: {each}: needed by releases {', '.join(map(str, by))}" for each, by in found.needed.items()
    ]
    lines += [f"stays: {each}: it would be deleted with its data" for each in found.held]
    return lines or ["the stack has nothing that its package has removed"]
