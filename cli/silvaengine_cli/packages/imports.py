"""Imports of function packages that would fail when deployed."""

import ast
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from importlib import import_module
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path, PurePath, PurePosixPath

import silvaengine_base
import silvaengine_utility
from silvaengine_cli.packages import RESERVED_NAMES, is_test
from silvaengine_cli.packages.requirements import normalized

# Modules of distributions with another name, and of those that a distribution requires.
OTHER_NAMES = {
    "graphene": ("graphql", "graphql_relay", "promise", "rx", "aniso8601"),
    "pyyaml": ("yaml",),
    "python-dateutil": ("dateutil",),
    "python-jose": ("jose",),
    "pyjwt": ("jwt",),
    "pillow": ("PIL",),
    "beautifulsoup4": ("bs4",),
    "scikit-learn": ("sklearn",),
    "pycryptodome": ("Crypto",),
    "pyhumps": ("humps",),
    "google-genai": ("google",),
    "hubspot-api-client": ("hubspot",),
    "shopifyapi": ("shopify",),
}
_FRAMEWORK = {
    "silvaengine_base": frozenset(silvaengine_base.__all__),
    "silvaengine_utility": frozenset(silvaengine_utility.__all__),
}


class Imports:
    """What the packages of a folder may import: one another, their requirements, the layer, the runtime."""

    def __init__(self, folder: Path, required: Iterable[str]) -> None:
        """Take the folder, and the normalized names of what its packages require."""
        self._folder = folder
        self._own = {path.stem for path in folder.iterdir() if path.is_dir() or path.suffix == ".py"}
        modules = (module for name in required for module in modules_of(name))
        self._known = {*sys.stdlib_module_names, *RESERVED_NAMES, *self._own, *modules}

    def provides(self, package: str) -> bool:
        """Return whether a top-level package or module is known to be there."""
        return package in self._known

    def complaints(self, node: ast.Import | ast.ImportFrom, source: PurePosixPath) -> Iterator[str]:
        """Yield why an import in ``source``, a path in the folder, would fail."""
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from self._missing(alias.name)
        elif node.level >= len(source.parts):
            yield f"imports {'.' * node.level}{node.module or ''}, which is outside of its package"
        else:
            package = source.parts[: len(source.parts) - node.level] if node.level else ()
            module = ".".join(filter(None, (*package, node.module)))
            missing = list(self._missing(module))
            yield from missing or _not_offered(module, [alias.name for alias in node.names])

    def _missing(self, module: str) -> Iterator[str]:
        top, *rest = module.split(".")
        if not self.provides(top):
            unknown = f"imports {top}, which neither the layer nor requirements.txt is known to provide"
            yield f"{unknown}: add the line `{_distribution_of(top)}` to requirements.txt"
        elif top in _FRAMEWORK and not _exists(module):
            yield f"imports {module}, which this system doesn't have"
        elif top in self._own and rest and not _has_module(self._folder.joinpath(top, *rest)):
            yield f"imports {module}, which {self._folder} doesn't have"


def _not_offered(module: str, names: Iterable[str]) -> Iterator[str]:
    """Yield a complaint for each name that a module of the framework doesn't have."""
    if module.partition(".")[0] not in _FRAMEWORK:
        return
    offered = _FRAMEWORK.get(module) or frozenset(dir(import_module(module)))
    for name in names:
        if name != "*" and name not in offered and not _exists(f"{module}.{name}"):
            yield f"{module}.{name} is not offered by this system"


def imported_packages(path: Path) -> set[str]:
    """Return the top-level names that a module or package imports, without its tests."""
    sources = path.rglob("*.py") if path.is_dir() else [path]
    found = set[str]()
    for source in sources:
        if is_test(PurePath(source.relative_to(path.parent))):
            continue
        with suppress(OSError, SyntaxError, ValueError), warnings.catch_warnings(action="ignore"):
            for node in ast.walk(ast.parse(source.read_bytes())):
                if isinstance(node, ast.Import):
                    found.update(alias.name for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    found.add(node.module)
    return {name.partition(".")[0] for name in found}


def _exists(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # what is before its last dot doesn't exist, or is no package
        return False


def _has_module(path: Path) -> bool:
    return path.is_dir() or any(path.parent.glob(f"{path.name}.*"))


def modules_of(distribution: str) -> Iterator[str]:
    """Yield the top-level modules that a distribution may bring, by its normalized name."""
    yield distribution.replace("-", "_")
    yield from OTHER_NAMES.get(distribution, ())
    yield from (module for module, names in _installed().items() if distribution in names)


def _distribution_of(module: str) -> str:
    """Return the likely name of the distribution that has a module: the same unless another is known."""
    others = {name: distribution for distribution, names in OTHER_NAMES.items() for name in reversed(names)}
    return others.get(module) or next(iter(_installed().get(module, [])), module)


@cache
def _installed() -> dict[str, list[str]]:
    """Return the names of the distributions here that have a module, by its name."""
    return {module: list(map(normalized, names)) for module, names in packages_distributions().items()}
