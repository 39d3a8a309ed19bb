"""The files of an application that changed, and the least work that makes the engine run them."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from silvaengine_cli.deploy import lambdas
from silvaengine_cli.packages import PACKAGES_FOLDER, PROJECT_FILE, is_test, package_folders
from silvaengine_cli.platform_sources import OPERATORS, is_clone
from silvaengine_cli.project import Project

REGISTRY_FILE = "services/worker/functions/registry.yaml"  # of a clone
_IN_EVERY_PACKAGE = "services/worker/silvaengine_worker"
_EVERYTHING = (PROJECT_FILE, "shared", "packaging", "template.yaml", "samconfig.toml")
_OF_A_CLONE = ("services", "shared", "packaging", "template.yaml", "samconfig.toml")

type Snapshot = Mapping[Path, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Work:
    """What a change requires: a whole deployment, or single functions, packages and the registry."""

    everything: bool = False
    functions: frozenset[str] = frozenset()
    packages: frozenset[str] = frozenset()
    registry: bool = False


def take_snapshot(project: Project) -> Snapshot:
    """Return size and time of each watched file; a change that keeps both isn't noticed."""
    return states(_watched_files(project))


def states(paths: Iterable[Path]) -> Snapshot:
    """Return size and time of those files that are there."""
    return {path: state for path in paths if (state := _state(path)) is not None}


def changed_files(before: Snapshot, after: Snapshot) -> list[Path]:
    """Return the files that were written, added or removed between two snapshots."""
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def work_for(project: Project, platform: Path, paths: Collection[Path]) -> Work:
    """Return the work that changes of these files require."""
    changed = [path for path in paths if path != project.registry]
    names = [path.relative_to(project.folder).as_posix() for path in changed]
    return Work(
        everything=any(_is_under(name, _EVERYTHING) for name in names),
        functions=frozenset().union(*(_functions(platform, name) for name in names)),
        packages=frozenset().union(*(_packages(project.folder, name) for name in names)),
        registry=project.registry in paths,
    )


def _functions(platform: Path, name: str) -> frozenset[str]:
    if is_test(PurePath(name)):
        return frozenset()
    return frozenset(
        logical_id
        for logical_id, source in lambdas(platform).items()
        if _is_under(name, [source.folder, *filter(None, [source.operators])])
    )


def _packages(application: Path, name: str) -> frozenset[str]:
    if is_test(PurePath(name)):
        return frozenset()
    return frozenset(
        folder
        for folder in package_folders(application)
        if _is_under(name, [f"{PACKAGES_FOLDER}/{folder}", _IN_EVERY_PACKAGE])
    )


def _is_under(name: str, roots: Iterable[str]) -> bool:
    return any(name == root or name.startswith(f"{root}/") for root in roots)


def _watched_files(project: Project) -> Iterator[Path]:
    own = (str(PACKAGES_FOLDER), *OPERATORS, PROJECT_FILE, project.registry.name)
    for root in (*own, *(_OF_A_CLONE if is_clone(project.folder) else ())):
        path = project.folder / root
        if path.is_file():
            yield path
        for folder, subfolders, names in path.walk():
            subfolders[:] = [
                name for name in subfolders if name != "__pycache__" and not name.startswith(".")
            ]
            # Editors save through hidden files and backups.
            yield from (
                folder / name for name in names if not name.startswith(".") and not name.endswith("~")
            )


def _state(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_size
