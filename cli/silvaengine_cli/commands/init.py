"""``init``: a first function package, its test and its entry in registry.yaml."""

import keyword
import re
import sys
from pathlib import Path

import click

from silvaengine_cli.client_options import checked
from silvaengine_cli.commands.registry import FILE_NAME
from silvaengine_cli.packages import FUNCTIONS_FOLDER, PROJECT_FILE, RESERVED_NAMES, functions_folder
from silvaengine_cli.registry.file import parse
from silvaengine_cli.registry.insertion import FIRST_ENDPOINT, common_endpoint, insert_function
from silvaengine_cli.registry.model import FunctionSpec, RegistrySpec
from silvaengine_cli.templates import write_templates

AREA = "core"
GREETING = {"greeting": "Hello"}
HEADER = b"# Which function answers to which name, for whom and with which settings.\n"
_SERVICES = ("silvaengine_http", "silvaengine_tasks", "silvaengine_websocket", "silvaengine_worker")
_RESERVED = RESERVED_NAMES.union(sys.stdlib_module_names, _SERVICES, ["tests"])


def check_package_name(name: str) -> str:
    """Return the name of a Python package to be made; raise ValueError if it can't have that."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name) or keyword.iskeyword(name):
        raise ValueError(
            f"{name!r} is not a name for a Python package: lower-case letters, digits and '_', a letter first"
        )
    if name in _RESERVED:
        raise ValueError(f"{name!r} is reserved: the worker has a package of this name")
    return name


def check_published_name(name: str) -> str:
    """Return the name of a package to be published; raise ValueError if it can't have that."""
    if not re.fullmatch("[a-z][a-z0-9]{0,11}", name):
        raise ValueError(f"{name!r} is not a package's name: 1 to 12 of a-z and 0-9, a letter first")
    return check_package_name(name)


@click.command()
@click.argument("name", callback=checked(check_package_name))
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help=f"Folder for the package.  [default: functions of an application, {FUNCTIONS_FOLDER}, else here]",
)
def init(name: str, folder: Path | None) -> None:
    """Make a function package, its test and its registry entry.

    No file is overwritten; an existing registry gets the few lines that the function needs.

    \b
    Examples:
      silvaengine init shop
      silvaengine init shop --folder functions
    """
    in_application = folder is None and Path(PROJECT_FILE).is_file()
    shipped = functions_folder()
    place = folder or (shipped if shipped.is_dir() or in_application else Path())
    registry = (Path() if in_application else place) / FILE_NAME
    content = registry.read_bytes() if registry.exists() else HEADER
    spec = parse(content, str(registry)).spec
    if name in spec.settings:
        raise click.ClickException(f"{registry} has settings {name!r} already; choose another name")
    function = _free_name(spec, name)
    entry = FunctionSpec.model_validate(
        {
            "module": name,
            "class": _class_name(name),
            "area": AREA,
            "methods": ["GET", "POST"],
            "settings": name,
            "keep_empty": True,
        }
    )
    templates = {
        place / name / "__init__.py": "package.py.txt",
        place / f"test_{name}.py": "test_package.py.txt",
    }
    write_templates(templates, package=name, class_name=_class_name(name), function=function)
    extended = insert_function(content, function, entry, GREETING)
    if extended is None:
        entries = insert_function(b"", function, entry, GREETING) or b""
        click.echo(
            f"{registry} has a form to which lines can't be added; add these yourself:\n{entries.decode()}"
        )
    else:
        registry.write_bytes(extended)
        click.echo(f"wrote {registry}")
    _next_steps(place / f"test_{name}.py", common_endpoint(spec) or FIRST_ENDPOINT, function)


def _free_name(spec: RegistrySpec, package: str) -> str:
    candidates = ("greet", f"greet_{package}")
    free = [name for name in candidates if name not in spec.functions]
    if not free:
        raise click.ClickException(f"the registry has functions {' and '.join(candidates)} already")
    return free[0]


def _class_name(package: str) -> str:
    return "".join(part.capitalize() for part in package.split("_"))


def _next_steps(test: Path, endpoint: str, function: str) -> None:
    click.echo(
        "\nnext:\n"
        f"  pytest {test}     (calls the function without any server)\n"
        "  silvaengine dev     (serves it; then, in another terminal:)\n"
        f"  silvaengine invoke {endpoint} {function} --param name=Ada --local"
    )
