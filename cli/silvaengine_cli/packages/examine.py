"""Reads from the source of function packages, without running it, what they rely on."""

import ast
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from silvaengine_cli.packages import RESERVED_NAMES, is_test
from silvaengine_cli.packages.imports import Imports
from silvaengine_cli.packages.requirements import required_names
from silvaengine_utility.utility import Utility

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
    required, observations = _read_requirements(folder / "requirements.txt")
    observations.update(_examine_folder(folder))
    imports = Imports(folder, required)
    for source in folder.rglob("*.py"):
        path = PurePosixPath(source.relative_to(folder))
        if not is_test(path) and "__pycache__" not in path.parts:
            observations.update(_examine_source(source.read_bytes(), path, imports))
    return sorted(observations)


def missing_requirements(folder: Path) -> list[Observation]:
    """Return the imports of the function packages of a folder that would fail when deployed."""
    return [each for each in examine(folder) if each.wrong and each.message.startswith("imports ")]


def summarize(observations: Iterable[Observation]) -> Iterator[str]:
    """Yield a text for what each package relies on: the first place, and how many more there are."""
    alike: dict[tuple[str, str], list[Observation]] = {}
    for each in observations:
        alike.setdefault((PurePosixPath(each.path).parts[0], each.message), []).append(each)
    for first, *more in alike.values():
        yield first.text() + (f" ({len(more)} more like it)" if more else "")


def _read_requirements(path: Path) -> tuple[list[str], set[Observation]]:
    try:
        return list(required_names(path)) if path.is_file() else [], set()
    except (OSError, UnicodeDecodeError, RecursionError) as error:  # the last: files that include each other
        return [], {Observation(path.name, 1, f"can't be read: {error}", wrong=True)}


def _examine_source(source: bytes, path: PurePosixPath, imports: Imports) -> Iterator[Observation]:
    try:
        with warnings.catch_warnings(action="ignore"):  # a package's escape sequences are its own affair
            tree = ast.parse(source, str(path))
    except SyntaxError as error:
        yield Observation(str(path), error.lineno or 1, f"can't be read: {error}", wrong=True)
        return
    for node in ast.walk(tree):
        for message, wrong in _examine_node(node, path, imports):
            yield Observation(str(path), getattr(node, "lineno", 1), message, wrong)


def _examine_node(node: ast.AST, path: PurePosixPath, imports: Imports) -> Iterator[tuple[str, bool]]:
    match node:
        case ast.Import() | ast.ImportFrom():
            yield from ((message, True) for message in imports.complaints(node, path))
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
