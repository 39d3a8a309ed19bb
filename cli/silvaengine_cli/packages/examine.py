"""Reads from the source of function packages, without running it, what they rely on."""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import silvaengine_base
import silvaengine_utility
from silvaengine_cli.packages import RESERVED_NAMES, is_test
from silvaengine_utility.utility import Utility

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
}
_PUBLIC_NAMES = {
    "silvaengine_base": frozenset(silvaengine_base.__all__),
    "silvaengine_utility": frozenset(silvaengine_utility.__all__),
}
_READERS = {"setting": "setting", "settings": "setting", "params": "parameter", "kwargs": "parameter"}


@dataclass(frozen=True, slots=True, order=True)
class Observation:
    """Something that a package relies on at a place; if ``wrong``, it would fail when deployed."""

    path: str
    line: int
    message: str
    wrong: bool = False

    def text(self) -> str:
        """Return it in the form ``shop/main.py:3: imports pandas``."""
        return f"{self.path}:{self.line}: {'' if self.wrong else 'note: '}{self.message}"


def examine(folder: Path) -> list[Observation]:
    """Return what is wrong with the function packages of a folder and what they read, in order."""
    importable = _importable(folder)
    observations: set[Observation] = set(_examine_folder(folder))
    for source in sorted(folder.rglob("*.py")):
        path = source.relative_to(folder)
        if not is_test(path) and "__pycache__" not in path.parts:
            observations.update(_examine_source(source, path.as_posix(), importable))
    return sorted(observations)


def missing_requirements(folder: Path) -> list[Observation]:
    """Return the imports of the function packages of a folder that would fail when deployed."""
    return [each for each in examine(folder) if each.wrong and each.message.startswith("imports ")]


def _examine_source(source: Path, name: str, importable: frozenset[str]) -> Iterator[Observation]:
    try:
        tree = ast.parse(source.read_text("utf-8"), name)
    except (SyntaxError, UnicodeDecodeError) as error:
        yield Observation(name, getattr(error, "lineno", None) or 1, f"can't be read: {error}", wrong=True)
        return
    for node in ast.walk(tree):
        for message, wrong in _examine_node(node, importable):
            yield Observation(name, getattr(node, "lineno", 1), message, wrong)


def _examine_node(node: ast.AST, importable: frozenset[str]) -> Iterator[tuple[str, bool]]:
    match node:
        case ast.Import():
            yield from (_not_importable(it.name) for it in node.names if _top(it.name) not in importable)
        case ast.ImportFrom(module=str(module), level=0):
            if _top(module) not in importable:
                yield _not_importable(module)
            yield from _private_imports(module, [alias.name for alias in node.names])
        case ast.Attribute(value=ast.Name(id="Utility"), attr=name) if not hasattr(Utility, name):
            yield f"Utility.{name} is not offered by this system", True
        case ast.FunctionDef(name="deploy"):
            yield from _private_functions(node)
        case ast.Subscript(value=value, slice=ast.Constant(value=str(key))) if _reader(value):
            yield f"reads {_reader(value)} {key!r}", False
        case ast.Call(
            func=ast.Attribute(value=value, attr="get" | "pop"), args=[ast.Constant(value=str(key)), *_]
        ) if _reader(value):
            yield f"reads {_reader(value)} {key!r}", False


def _not_importable(module: str) -> tuple[str, bool]:
    unknown = f"imports {module}, which neither the layer nor requirements.txt is known to provide"
    return f"{unknown}: add the line `{_distribution_of(_top(module))}` to requirements.txt", True


def _distribution_of(module: str) -> str:
    """Return the likely name of the distribution that has a module: the same unless another is known."""
    others = {name: distribution for distribution, names in OTHER_NAMES.items() for name in reversed(names)}
    return others.get(module) or next(iter(packages_distributions().get(module, [])), module)


def _private_imports(module: str, names: list[str]) -> Iterator[tuple[str, bool]]:
    public = _PUBLIC_NAMES.get(module)
    if public is not None:
        yield from (
            (f"{module}.{name} is not offered by this system", True) for name in names if name not in public
        )


def _reader(node: ast.expr) -> str | None:
    """Return what is read: a ``setting`` from ``setting`` or ``self.setting``, a ``parameter``, or None."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return _READERS.get(name.lstrip("_"))
    return None


def _private_functions(deploy: ast.FunctionDef) -> Iterator[tuple[str, bool]]:
    """Return complaints about functions and classes of ``deploy()`` whose names the worker refuses."""
    for node in ast.walk(deploy):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                match key, value:
                    case ast.Constant(value="class"), ast.Constant(value=str(name)):
                        yield from _check_name(name)
                    case ast.Constant(value="functions"), ast.Dict(keys=keys):
                        for each in keys:
                            if isinstance(each, ast.Constant):
                                yield from _check_name(str(each.value))


def _check_name(name: str) -> Iterator[tuple[str, bool]]:
    if name and not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name, re.ASCII):
        yield f"{name!r} is private or not a plain name: the worker refuses it", True


def _examine_folder(folder: Path) -> Iterator[Observation]:
    """Return folders that aren't on the allow-list, and packages with reserved names."""
    for path in sorted(folder.iterdir()):
        if path.name == "tests" or path.name.startswith((".", "__")):
            continue
        if path.stem in RESERVED_NAMES and (path.is_dir() or path.suffix == ".py"):
            message = "has the name of a package of the layer or Lambda: the build refuses it"
            yield Observation(path.name, 1, message, wrong=True)
        elif path.is_dir() and any(path.glob("*.py")) and not (path / "__init__.py").is_file():
            yield Observation(path.name, 1, "has no __init__.py: not on the worker's allow-list", wrong=True)


def _importable(folder: Path) -> frozenset[str]:
    own = {path.stem for path in folder.iterdir() if path.is_dir() or path.suffix == ".py"}
    requirements = folder / "requirements.txt"
    lines = requirements.read_text("utf-8").splitlines() if requirements.is_file() else []
    return frozenset({*sys.stdlib_module_names, *RESERVED_NAMES, *own, *_modules_of(lines)})


def _modules_of(lines: list[str]) -> Iterator[str]:
    for line in lines:
        if match := re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", line):
            name = re.sub(r"[-_.]+", "-", match[1]).lower()
            yield from {name.replace("-", "_"), match[1], *OTHER_NAMES.get(name, ())}
            yield from _modules_by_distribution().get(name, ())


@cache
def _modules_by_distribution() -> dict[str, set[str]]:
    modules: dict[str, set[str]] = {}
    for module, distributions in packages_distributions().items():
        for distribution in distributions:
            modules.setdefault(re.sub(r"[-_.]+", "-", distribution).lower(), set()).add(module)
    return modules


def _top(module: str) -> str:
    return module.partition(".")[0]
