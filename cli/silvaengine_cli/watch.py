"""The files of the project that changed, and the least work that makes the engine run them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from silvaengine_cli.deploy import lambdas
from silvaengine_cli.packages import PACKAGES_FOLDER, is_test, package_folders

REGISTRY_FILE = "services/worker/functions/registry.yaml"
_AUTHORIZERS = "authorizers"
_IN_EVERY_PACKAGE = "services/worker/silvaengine_worker"
_EVERYTHING = ("shared", "packaging", "template.yaml", "samconfig.toml")

type Snapshot = Mapping[Path, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Work:
    """What a change requires: a whole deployment, or single functions, packages and the registry."""

    everything: bool = False
    functions: frozenset[str] = frozenset()
    packages: frozenset[str] = frozenset()
    registry: bool = False


def take_snapshot(project: Path) -> Snapshot:
    """Return size and time of each watched file; a change that keeps both isn't noticed."""
    return states(_watched_files(project))


def states(paths: Iterable[Path]) -> Snapshot:
    """Return size and time of those files that are there."""
    return {path: state for path in paths if (state := _state(path)) is not None}


def changed_files(before: Snapshot, after: Snapshot) -> list[Path]:
    """Return the files that were written, added or removed between two snapshots."""
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def work_for(project: Path, paths: Iterable[Path]) -> Work:
    """Return the work that changes of these files require."""
    names = [path.relative_to(project).as_posix() for path in paths]
    return Work(
        everything=any(_is_under(name, _EVERYTHING) for name in names),
        functions=frozenset().union(*(_functions(project, name) for name in names)),
        packages=frozenset().union(*(_packages(project, name) for name in names)),
        registry=REGISTRY_FILE in names,
    )


def _functions(project: Path, name: str) -> frozenset[str]:
    if name == REGISTRY_FILE or is_test(PurePath(name)):
        return frozenset()
    return frozenset(
        logical_id
        for logical_id, source in lambdas(project).items()
        if _is_under(name, [source.folder])
        or (source.operators == _AUTHORIZERS and _is_under(name, [_AUTHORIZERS]))
    )


def _packages(project: Path, name: str) -> frozenset[str]:
    if is_test(PurePath(name)):
        return frozenset()
    return frozenset(
        folder
        for folder in package_folders(project)
        if _is_under(name, [f"{PACKAGES_FOLDER}/{folder}", _IN_EVERY_PACKAGE])
    )


def _is_under(name: str, roots: Iterable[str]) -> bool:
    return any(name == root or name.startswith(f"{root}/") for root in roots)


def _watched_files(project: Path) -> Iterator[Path]:
    for root in ("services", str(PACKAGES_FOLDER), _AUTHORIZERS, *_EVERYTHING):
        path = project / root
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
