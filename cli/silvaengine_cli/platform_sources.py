"""What the platform is made of: template, services, layer, packaging and locks.

A clone of the repository is all of it. The wheel has the same files: its own packages, and beside them the
folder `silvaengine_platform` with the rest; ``pyproject.toml``, which is among them, says what belongs where.
An application gets a copy, to which its own functions and authorizers are linked.
"""

import filecmp
import shutil
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory

from silvaengine_cli.packages import PROJECT_FILE

OPERATORS = ("authorizers", "functions")  # folders of an application that ship with the platform's Lambdas
_INSTALLED = Path(__file__).parents[1]  # cli/ of a clone, or a folder of installed packages
_DATA = _INSTALLED / "silvaengine_platform"


def is_clone(folder: Path) -> bool:
    """Return whether a folder has the platform's sources, and isn't an application: a clone, or its copy."""
    has_sources = (folder / "template.yaml").is_file() and (folder / "services").is_dir()
    return has_sources and not (folder / PROJECT_FILE).is_file()


def application_folder(start: Path) -> Path | None:
    """Return the application's folder, or the clone, that a folder is or is in: the nearest; None without."""
    folders = (start, *start.parents)
    return next((it for it in folders if (it / PROJECT_FILE).is_file() or is_clone(it)), None)


def platform_file(name: str) -> Path:
    """Return where a file of the platform is that came with this command, by its path in the repository."""
    return _root() / name


def platform_sources(application: Path) -> Path:
    """Return the folder with the platform's sources for an application, itself if it is a clone.

    They are brought up to date in `.silvaengine/platform/<version>`: the command's own, with the
    application's functions and authorizers linked into the Lambdas that ship them.
    """
    if is_clone(application):
        return application
    target = application / ".silvaengine" / "platform" / version("silvaengine-base")
    target.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=target.parent, prefix=".copying-") as temporary:
        for name, source in _pieces():
            _copy(source, target / name, Path(temporary))
    for operators in OPERATORS:
        _link_members(application / operators, target / operators)
    for lambdas in target.glob("services/*/lambdas.toml"):
        for declared in tomllib.loads(lambdas.read_text()).values():
            if operators := declared.get("operators"):
                _link(lambdas.with_name(operators), Path("..", "..", operators))
    return target


def _root() -> Path:
    return _DATA if _DATA.is_dir() else _INSTALLED.parent


def _pieces() -> Iterator[tuple[str, Path]]:
    """Yield what the platform consists of: the path in the repository, and where it is here."""
    root = _root()
    wheel = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    for name in wheel["packages"]:
        yield name, _INSTALLED / Path(name).name if root == _DATA else root / name
    for name in wheel["force-include"]:
        yield name, root / name


def _copy(source: Path, target: Path, temporary: Path) -> None:
    """Copy what isn't there already, each file as a whole: another command may be building from it."""

    def copy_changed(file: str, copy: str) -> None:
        if Path(copy).exists() and filecmp.cmp(file, copy):
            return
        with NamedTemporaryFile(dir=temporary, delete=False) as new:
            shutil.copy2(file, new.name)
        Path(new.name).replace(copy)

    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, target, copy_function=copy_changed, ignore=ignored, dirs_exist_ok=True)
    else:
        copy_changed(str(source), str(target))


def _link_members(source: Path, target: Path) -> None:
    """Link what is in an application's folder into the platform's of the same name."""
    target.mkdir(exist_ok=True)
    for link in target.iterdir():
        if link.is_symlink() and not link.exists():
            link.unlink(missing_ok=True)
    for member in source.iterdir() if source.is_dir() else ():
        _link(target / member.name, member.resolve())


def _link(link: Path, target: Path) -> None:
    with suppress(FileExistsError):
        link.symlink_to(target)
