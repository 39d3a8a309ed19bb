"""Whether the functions of a registry are in the sources beside it; nothing of these is imported."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path as FilePath
from pathlib import PurePath

from silvaengine_cli.closest import closest
from silvaengine_cli.packages import FUNCTIONS_FOLDER, PROJECT_FILE, is_test
from silvaengine_cli.packages.definitions import Definitions, modules_in, read_definitions
from silvaengine_cli.packages.imports import Imports
from silvaengine_cli.packages.requirements import has_requirements, required_names
from silvaengine_cli.registry.checks import Finding
from silvaengine_cli.registry.document import Path
from silvaengine_cli.registry.model import FunctionSpec, function_name


def packages_beside(registry: FilePath) -> FilePath | None:
    """Return the folder of the functions that ship with the worker, if a registry file is in or beside it."""
    folder = registry.resolve().parent
    if folder.match(str(FUNCTIONS_FOLDER)):
        return folder
    beside = folder / FUNCTIONS_FOLDER.name
    return beside if (folder / PROJECT_FILE).is_file() and beside.is_dir() else None


def missing_callables(functions: Mapping[str, FunctionSpec], folder: FilePath) -> Iterator[Finding]:
    """Return the modules, classes and functions, given by label, that packages in a folder don't have.

    Functions of another Lambda are left out, and so is everything in a folder without packages. What the
    sources don't show, such as names that a module makes when it is imported, isn't missing.
    """
    sources = _Sources(folder)
    if sources.packages:
        for label, function in functions.items():
            if function.lambda_arn is None:
                yield from sources.missing(label, function)


class _Sources:
    """The packages of a folder, each module read once."""

    def __init__(self, folder: FilePath) -> None:
        self._folder = folder
        self._definitions: dict[str, Definitions | None] = {}
        names = modules_in(folder) - {"tests"}
        self.packages = {name for name in names if not is_test(PurePath(f"{name}.py"))}

    def missing(self, label: str, function: FunctionSpec) -> Iterator[Finding]:
        """Return the first of a function's package, module, class and name that isn't there."""
        module, class_name, name = function.callee(function_name(label))
        module_path, class_path, path = _paths(label, function)
        if finding := self._missing_module(module, module_path):
            yield finding
            return
        definitions = self._read(module)
        members = definitions.members() if definitions else None
        if definitions is None or members is None:
            return
        if not class_name:
            if name not in members:
                yield Finding(path, f"module {module} has no function {name!r}{_hint(name, members)}")
        elif class_name not in members:
            message = f"module {module} has no class {class_name!r}{_hint(class_name, members)}"
            yield Finding(class_path, message)
        elif (methods := definitions.methods(class_name)) is not None and name not in methods:
            message = f"class {class_name} of {module} has no method {name!r}{_hint(name, methods)}"
            yield Finding(path, message)

    def _missing_module(self, module: str, path: Path) -> Finding | None:
        package, *rest = module.split(".")
        if package not in self.packages:
            return self._missing_package(package, path)
        parent = package
        for part in rest:
            names = modules_in(self._place(parent))
            if part not in names:
                definitions = self._read(parent)
                if definitions and definitions.makes_modules:
                    return None
                hint = _hint(part, names, f"{parent}.")
                return Finding(path, f"there is no module {parent}.{part}{hint}")
            parent = f"{parent}.{part}"
        return None

    def _missing_package(self, package: str, path: Path) -> Finding | None:
        """Return an error, or a warning if a requirement whose modules aren't known may bring the package."""
        hint = _hint(package, self.packages)
        requirements = self._folder / "requirements.txt"
        with suppress(OSError, UnicodeDecodeError):
            if not has_requirements(requirements):
                return Finding(path, f"package {package!r} is not beside this file{hint}")
            if Imports(self._folder, required_names(requirements)).provides(package):
                return None
        message = f"package {package!r} is neither beside this file nor known to come with requirements.txt"
        return Finding(path, message + hint, warning=True)

    def _read(self, module: str) -> Definitions | None:
        if module not in self._definitions:
            self._definitions[module] = read_definitions(self._place(module))
        return self._definitions[module]

    def _place(self, module: str) -> FilePath:
        return self._folder.joinpath(*module.split("."))


def _paths(label: str, function: FunctionSpec) -> tuple[Path, Path, Path]:
    """Return the places of a function's module, of its class and of the name that it calls."""
    path = ("functions", label)
    if function.call is not None:
        return (*path, "call"), (*path, "call"), (*path, "call")
    return (*path, "module"), (*path, "class"), path


def _hint(name: str, names: Iterable[str], prefix: str = "") -> str:
    return closest(name, (each for each in names if not each.startswith("_")), prefix)
