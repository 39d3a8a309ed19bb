"""What function packages rely on, read from their source without running it."""

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
from silvaengine_cli.packages.brought import BROUGHT
from silvaengine_utility.utility import Utility

# Distributions whose module has another name, and ones that come along with another.
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
_OFFERED = {
    "silvaengine_base": frozenset(silvaengine_base.__all__),
    "silvaengine_utility": frozenset(silvaengine_utility.__all__),
}
_READERS = {"setting": "setting", "settings": "setting", "params": "parameter", "kwargs": "parameter"}


@dataclass(frozen=True, slots=True, order=True)
class Observation:
    """Something that a package relies on, at a place; with ``wrong`` it would fail when deployed."""

    path: str
    line: int
    message: str
    wrong: bool = False

    def text(self) -> str:
        """Return it as editors read it: ``shop/main.py:3: imports pandas``."""
        return f"{self.path}:{self.line}: {'' if self.wrong else 'note: '}{self.message}"


def examine(folder: Path) -> list[Observation]:
    """Read all function packages of a folder; gives what is wrong and what they read, in order."""
    known = _importable(folder)
    found: set[Observation] = set(_unshipped(folder))
    for source in sorted(folder.rglob("*.py")):
        if not {"tests", "__pycache__"} & set(source.relative_to(folder).parts):
            found.update(_examine_source(source, source.relative_to(folder).as_posix(), known))
    return sorted(found)


def _examine_source(source: Path, name: str, known: frozenset[str]) -> Iterator[Observation]:
    try:
        tree = ast.parse(source.read_text("utf-8"), name)
    except (SyntaxError, UnicodeDecodeError) as error:
        yield Observation(name, getattr(error, "lineno", None) or 1, f"can't be read: {error}", wrong=True)
        return
    for node in ast.walk(tree):
        for message, wrong in _said(node, known):
            yield Observation(name, getattr(node, "lineno", 1), message, wrong)


def _said(node: ast.AST, known: frozenset[str]) -> Iterator[tuple[str, bool]]:
    match node:
        case ast.Import():
            yield from (_missing(alias.name) for alias in node.names if _top(alias.name) not in known)
        case ast.ImportFrom(module=str(module), level=0):
            if _top(module) not in known:
                yield _missing(module)
            yield from _unoffered(module, [alias.name for alias in node.names])
        case ast.Attribute(value=ast.Name(id="Utility"), attr=name) if not hasattr(Utility, name):
            yield f"Utility.{name} is not offered by this system", True
        case ast.FunctionDef(name="deploy"):
            yield from _refused(node)
        case ast.Subscript(value=value, slice=ast.Constant(value=str(key))) if _reader(value):
            yield f"reads {_reader(value)} {key!r}", False
        case ast.Call(
            func=ast.Attribute(value=value, attr="get" | "pop"), args=[ast.Constant(value=str(key)), *_]
        ) if _reader(value):
            yield f"reads {_reader(value)} {key!r}", False


def _missing(module: str) -> tuple[str, bool]:
    return f"imports {module}, which neither the layer nor requirements.txt is known to bring", True


def _unoffered(module: str, names: list[str]) -> Iterator[tuple[str, bool]]:
    offered = _OFFERED.get(module)
    if offered is not None:
        yield from (
            (f"{module}.{name} is not offered by this system", True) for name in names if name not in offered
        )


def _reader(node: ast.expr) -> str | None:
    """Return whether this is a package's settings or parameters: ``setting``, ``self.setting``."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return _READERS.get(name.lstrip("_"))
    return None


def _refused(deploy: ast.FunctionDef) -> Iterator[tuple[str, bool]]:
    """Name the functions and classes of ``deploy()`` that the worker's loader takes for private."""
    for node in ast.walk(deploy):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                match key, value:
                    case ast.Constant(value="class"), ast.Constant(value=str(name)):
                        yield from _private(name)
                    case ast.Constant(value="functions"), ast.Dict(keys=keys):
                        for each in keys:
                            if isinstance(each, ast.Constant):
                                yield from _private(str(each.value))


def _private(name: str) -> Iterator[tuple[str, bool]]:
    if name and not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name, re.ASCII):
        yield f"{name!r} is private or no plain name: the worker refuses it", True


def _unshipped(folder: Path) -> Iterator[Observation]:
    """Name folders that the allow-list leaves out, and what hides what the layer and Lambda bring."""
    for path in sorted(folder.iterdir()):
        if path.name == "tests" or path.name.startswith((".", "__")):
            continue
        if path.stem in BROUGHT and (path.is_dir() or path.suffix == ".py"):
            message = "is the layer's or Lambda's: the build refuses another"
            yield Observation(path.name, 1, message, wrong=True)
        elif path.is_dir() and any(path.glob("*.py")) and not (path / "__init__.py").is_file():
            yield Observation(path.name, 1, "has no __init__.py: not on the worker's allow-list", wrong=True)


def _importable(folder: Path) -> frozenset[str]:
    own = {path.stem for path in folder.iterdir() if path.is_dir() or path.suffix == ".py"}
    requirements = folder / "requirements.txt"
    lines = requirements.read_text("utf-8").splitlines() if requirements.is_file() else []
    return frozenset({*sys.stdlib_module_names, *BROUGHT, *own, *_required(lines)})


def _required(lines: list[str]) -> Iterator[str]:
    for line in lines:
        if found := re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", line):
            name = re.sub(r"[-_.]+", "-", found[1]).lower()
            yield from {name.replace("-", "_"), found[1], *OTHER_NAMES.get(name, ())}
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
