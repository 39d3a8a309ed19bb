"""Loading the function that a payload names: the allow-list is checked before anything is imported.

A registry row or a payload may name anything, so a name alone never reaches Python's import: its parts are
ASCII identifiers, none is private, and the top-level package is one that the operator shipped. A module of
such a package still contains what it imported from elsewhere (``from os import system``), so a class or a
plain function must be defined in an allowed package, too. What a class inherits belongs to it.
"""

import inspect
import logging
import re
import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from silvaengine.errors import ConfigurationError
from silvaengine.named_tuple import NamedTuple
from silvaengine_worker.arguments import Parameters

MANIFEST = "silvaengine_functions.txt"

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)


class NoFunctionError(ConfigurationError):
    """A function can't be had; ``detail`` says why."""

    def __init__(self, detail: str) -> None:
        super().__init__("The function isn't available", detail=detail)


class Constructor(NamedTuple):
    """The class of a method that is called, and the parameters for creating its object."""

    cls: type
    parameters: Parameters


class LoadedFunction(NamedTuple):
    """A function that may be called.

    ``constructor`` is None for what needs no object: a plain function, a static or a class method; with one,
    ``function`` takes the object first. ``logger`` is the module's.
    """

    function: Callable[..., Any]
    parameters: Parameters
    constructor: Constructor | None = None
    logger: logging.Logger = logging.getLogger()


class Loader:
    """Loads functions of the ``allowed`` top-level packages or modules, each once."""

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = frozenset(allowed)
        self._targets: dict[tuple[str, str, str], LoadedFunction] = {}

    def load(self, module_name: str, class_name: str, function: str) -> LoadedFunction:
        """Return a function; ``class_name`` is empty for a plain function of the module.

        Raises:
            NoFunctionError: a name isn't allowed, or there is no such function; ``detail`` says which.
            ConfigurationError: Python has no signature for it.
        """
        names = (module_name, class_name, function)
        target = self._targets.get(names)
        if target is None:
            found = self._find(*names)
            target = self._targets[names] = found._replace(logger=logging.getLogger(module_name))
        return target

    def _find(self, module_name: str, class_name: str, function: str) -> LoadedFunction:
        self._check_names(module_name, class_name, function)
        module = _import(module_name)
        if not class_name:
            routine = self._member(module, function)
            routine = _check_routine(routine, routine)
            return LoadedFunction(routine, Parameters.from_signature(routine))
        return _find_method(self._member(module, class_name), function)

    def _check_names(self, module_name: str, class_name: str, function: str) -> None:
        names = [*module_name.split("."), *([class_name] if class_name else []), function]
        invalid = next((name for name in names if not _NAME.fullmatch(name)), None)
        if invalid is not None:
            raise NoFunctionError(f"{invalid!r} is private or not an ASCII identifier")
        if names[0] not in self._allowed:
            raise NoFunctionError(f"package {names[0]!r} isn't on the allow-list")

    def _member(self, module: ModuleType, name: str) -> object:
        """Return a module's member that is defined in an allowed package."""
        try:
            member: object = getattr(module, name)
        except AttributeError:
            raise NoFunctionError(f"module {module.__name__!r} has no {name!r}") from None
        home = str(getattr(member, "__module__", None))
        if home.partition(".")[0] not in self._allowed:
            raise NoFunctionError(f"{member!r} is defined in {home!r}, not in an allowed package")
        return member


def read_allowed_packages(root: Path) -> tuple[str, ...]:
    """Return the allow-list of a built artefact, one name a line; without the file nothing is allowed."""
    manifest = root / MANIFEST
    return tuple(manifest.read_text("ascii").split()) if manifest.is_file() else ()


def extend_path(folder: str | None) -> None:
    """Make packages of another folder importable, after those of the artefact and the layer."""
    if folder and folder not in sys.path:
        sys.path.append(folder)


def _import(module_name: str) -> ModuleType:
    try:
        return import_module(module_name)
    except (ImportError, SyntaxError) as error:
        raise NoFunctionError(f"{module_name}: {type(error).__name__}: {error}") from error


def _find_method(cls: object, name: str) -> LoadedFunction:
    if not isinstance(cls, type):
        raise NoFunctionError(f"{cls!r} is not a class")
    declared = inspect.getattr_static(cls, name, None)
    function = _check_routine(declared, getattr(cls, name, None))
    if isinstance(declared, staticmethod):
        return LoadedFunction(function, Parameters.from_signature(function))
    if isinstance(declared, classmethod):
        return LoadedFunction(function, Parameters.from_signature(declared.__func__, unbound=True))
    parameters = Parameters.from_signature(function, unbound=True)
    return LoadedFunction(function, parameters, Constructor(cls, Parameters.from_signature(cls)))


def _check_routine(declared: object, member: object) -> Callable[..., Any]:
    """Return a function or method; refuse other callables: a call of a class would return its instance."""
    if not (inspect.isroutine(declared) and callable(member)):
        raise NoFunctionError(f"{declared!r} is not a function")
    return member
