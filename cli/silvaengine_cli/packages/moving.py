"""Makes a published package of modules that ship in the worker's artefact."""

import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from pydantic import TypeAdapter, ValidationError

from silvaengine_cli.packages import PACKAGE_FILE, PACKAGES_FOLDER, is_test
from silvaengine_cli.packages.definitions import modules_in
from silvaengine_cli.packages.imports import imported_packages, modules_of
from silvaengine_cli.packages.requirements import requirement_lines
from silvaengine_cli.publishing.package import Package
from silvaengine_cli.publishing.releases import did_you_mean
from silvaengine_cli.registry import values
from silvaengine_cli.registry.export import to_yaml
from silvaengine_cli.registry.model import FunctionSpec, RegistrySpec, function_name

REQUIREMENTS = "requirements.txt"
RUNS_AGAIN = (
    "a request with an Idempotency-Key, or a record, that ran before `apply` runs again when it is repeated "
    "after it: publish, and apply when nothing is about to be repeated"
)
_NAME = TypeAdapter(values.PackageName)


@dataclass(frozen=True, slots=True)
class Move:
    """Modules that move into a package.

    Args:
        package: its name.
        folder: its folder.
        paths: the modules, and tests that have their names.
        functions: those that call the modules, by label.
        requirements: lines of a requirements file.
        notes: what to mind, a line each.
    """

    package: str
    folder: Path
    paths: tuple[Path, ...]
    functions: Mapping[str, FunctionSpec]
    requirements: tuple[str, ...]
    notes: tuple[str, ...]

    def carry_out(self) -> None:
        """Move the modules into a package; raise RegistryFileError, with all as it was, if it can't be."""
        self.folder.mkdir(parents=True)
        functions = {function_name(label): _fields(function) for label, function in self.functions.items()}
        text = f"package: {self.package}\ntyped: false\n\n{to_yaml({'functions': functions})}"
        (self.folder / PACKAGE_FILE).write_text(text)
        (self.folder / REQUIREMENTS).write_text("".join(f"{line}\n" for line in self.requirements))
        for path in self.paths:
            _copy(path, self.folder / "tests" if is_test(Path(path.name)) else self.folder)
        try:
            Package.read(self.folder)
        except click.ClickException:
            shutil.rmtree(self.folder)
            raise
        for path in self.paths:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def plan_move(modules: Collection[str], package: str, spec: RegistrySpec, shipped: Path) -> Move:
    """Plan to move modules from the folder of those that ship into a package.

    Raises:
        ClickException: a module isn't there; it imports one that stays, or is imported by one; a name is
            wrong or taken; no function calls them.
    """
    check_name(package)
    folder = PACKAGES_FOLDER / package
    if folder.exists():
        raise click.ClickException(f"{folder} exists already")
    there = {name for name in modules_in(shipped) - {"tests"} if not is_test(Path(f"{name}.py"))}
    for module in modules:
        if module not in there:
            raise click.ClickException(f"{shipped} has no module {module!r}{did_you_mean(module, there)}")
    imports = {name: imported_packages(_path(shipped, name)) for name in there}
    _check_imports(modules, imports)
    functions = {
        label: function
        for label, function in spec.functions.items()
        if function.lambda_arn is None and _module(label, function) in modules
    }
    if not functions:
        raise click.ClickException(f"no function calls {' or '.join(modules)}")
    requirements, doubts = _requirements(shipped / REQUIREMENTS, modules, imports)
    notes = (*doubts, *_stays(spec, modules), RUNS_AGAIN)
    return Move(package, folder, tuple(_paths(shipped, modules)), functions, requirements, notes)


def check_name(package: str) -> None:
    """Raise ClickException if a package can't have this name."""
    try:
        _NAME.validate_python(package)
    except ValidationError as error:
        message = error.errors()[0]["ctx"]["error"]
        raise click.ClickException(f"{message}: name the package with --as") from None


def _copy(path: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    if path.is_dir():
        shutil.copytree(path, folder / path.name, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy2(path, folder)


def _fields(function: FunctionSpec) -> dict[str, Any]:
    return function.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _path(folder: Path, module: str) -> Path:
    return folder / module if (folder / module).is_dir() else folder / f"{module}.py"


def _paths(folder: Path, modules: Collection[str]) -> Iterator[Path]:
    """Yield the modules, and the tests that have their names."""
    for module in modules:
        yield _path(folder, module)
        if (test := folder / f"test_{module}.py").is_file():
            yield test


def _module(label: str, function: FunctionSpec) -> str:
    return function.callee(function_name(label))[0].partition(".")[0]


def _check_imports(modules: Collection[str], imports: Mapping[str, set[str]]) -> None:
    """Refuse to part modules that import one another."""
    for name, imported in sorted(imports.items()):
        stays = name not in modules
        for other in sorted(imported.intersection(imports) - {name}):
            if stays != (other not in modules):
                raise click.ClickException(f"{name} imports {other}: move both, in one package, or neither")


def _requirements(
    path: Path, modules: Collection[str], imports: Mapping[str, set[str]]
) -> tuple[tuple[str, ...], list[str]]:
    """Return the requirements whose modules are imported by those that move, and notes on the others."""
    moved = {name for module in modules for name in imports[module]}
    left = {name for module, names in imports.items() if module not in modules for name in names}
    taken, notes = [], []
    for line, name in requirement_lines(path) if path.is_file() else ():
        brought = set(modules_of(name)) if name else set()
        if brought & moved:
            taken.append(line)
            if not brought & left:
                notes.append(f"{path}: nothing that stays is known to need {line!r}: remove it")
        elif not brought & left:
            notes.append(f"{path}: whether the package needs {line!r} can't be told: it isn't taken along")
    return tuple(taken), notes


def _stays(spec: RegistrySpec, modules: Collection[str]) -> Iterator[str]:
    """Return notes on what names the modules and stays with the worker, which will lack them."""
    for label, function in spec.functions.items():
        if function.lambda_arn is not None and _module(label, function) in modules:
            yield f"functions.{label} stays: it names a Lambda of its own"
    for setting_id, variables in spec.settings.items():
        for variable, value in variables.items():
            if isinstance(value, str) and value.partition(".")[0] in modules:
                yield f"settings.{setting_id}.{variable} names {value}, which the worker will lack"
