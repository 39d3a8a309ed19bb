"""``new``: an application of one's own, with a first package."""

from importlib.metadata import version
from pathlib import Path

import click

from silvaengine_cli.client_options import checked
from silvaengine_cli.commands.init import check_published_name
from silvaengine_cli.packages import PACKAGES_FOLDER, PROJECT_FILE
from silvaengine_cli.registry.insertion import FIRST_ENDPOINT
from silvaengine_cli.registry.values import check_stack_name
from silvaengine_cli.templates import PACKAGE_TEMPLATES, write_templates

_TEMPLATES = {
    ".github/workflows/ci.yml": "ci.yml",
    ".gitignore": "gitignore",
    "README.md": "README.md",
    "registry.yaml": "registry.yaml",
    "requirements.txt": "requirements.txt",
    PROJECT_FILE: PROJECT_FILE,
}


@click.command()
@click.argument("name", callback=checked(check_stack_name))
@click.option("--region", default="us-east-1", show_default=True, help="AWS region of its stages.")
@click.option(
    "--package",
    default="hello",
    show_default=True,
    callback=checked(check_published_name),
    help="Its first package.",
)
def new(name: str, region: str, package: str) -> None:
    """Make an application of one's own.

    It is a folder with a package, its tests, a registry, stages and a workflow for GitHub.
    NAME is the folder's, and the beginning of its stacks' names. No file is overwritten.

    \b
    Examples:
      silvaengine new shop
      silvaengine new shop --package orders --region eu-central-1
    """
    folder = Path(name)
    own = {folder / path: f"application/{template}.txt" for path, template in _TEMPLATES.items()}
    place = folder / PACKAGES_FOLDER / package
    of_package = {place / path.format(package): template for path, template in PACKAGE_TEMPLATES.items()}
    facts = {"name": name, "region": region, "version": version("silvaengine-base"), "package": package}
    write_templates({**own, **of_package}, **facts)
    click.echo(
        "\nnext:\n"
        f"  cd {name}\n"
        "  silvaengine dev     (runs it on this machine; then, in another terminal:)\n"
        f"  silvaengine invoke {FIRST_ENDPOINT} greet_{package} --param name=Ada --local"
    )
