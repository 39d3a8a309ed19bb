"""From the three names of a payload to a function: the allow-list decides before anything is imported.

A registry row or a payload may name anything, so a name alone never reaches Python's import: its parts are
plain ASCII identifiers, none is private, and the top-level package is one that the operator shipped. A
module of such a package still holds what it imported from elsewhere (``from os import system``), so a class
or a plain function must have been defined in an allowed package too. What a class inherits belongs to it.
"""

import inspect
import logging
import re
import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from silvaengine.errors import ConfigurationError
from silvaengine_worker.parameters import Parameters

MANIFEST = "silvaengine_functions.txt"

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)


class Constructor(NamedTuple):
    """A class whose method is to be called, and what making an object of it takes."""

    owner: type
    parameters: Parameters


class LoadedFunction(NamedTuple):
    """A function that may be called.

    ``constructor`` is None for what needs no object: a plain function, a static or a class method. With one,
    ``function`` is as the class holds it, to be called with the object first. ``logger`` is the module's.
    """

    function: Callable[..., Any]
    parameters: Parameters
    constructor: Constructor | None = None
    logger: logging.Logger = logging.getLogger()


class Loader:
    """Finds functions in the allowed packages and remembers them, so that each is imported and read once.

    Args:
        allowed: names of top-level packages or modules.
    """

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = frozenset(allowed)
        self._targets: dict[tuple[str, str, str], LoadedFunction] = {}

    def load(self, module_name: str, class_name: str, function: str) -> LoadedFunction:
        """Find a function; ``class_name`` is empty for a plain function of the module.

        Raises:
            ConfigurationError: the names aren't allowed, or there is no such function; ``detail`` says which.
        """
        names = (module_name, class_name, function)
        target = self._targets.get(names)
        if target is None:
            found = self._find(*names)
            target = self._targets[names] = found._replace(logger=logging.getLogger(module_name))
        return target

    def _find(self, module_name: str, class_name: str, function: str) -> LoadedFunction:
        self._check(module_name, class_name, function)
        module = _import(module_name, function)
        if not class_name:
            found = self._own(_member(module, function, function), function)
            return LoadedFunction(_routine(found, found, function), Parameters.of(found))
        return _method(self._own(_member(module, class_name, function), function), function)

    def _check(self, module_name: str, class_name: str, function: str) -> None:
        names = [*module_name.split("."), *([class_name] if class_name else []), function]
        wrong = next((name for name in names if not _NAME.fullmatch(name)), None)
        if wrong is not None:
            raise _unavailable(function, f"{wrong!r} is private or no plain ASCII identifier")
        if names[0] not in self._allowed:
            raise _unavailable(function, f"package {names[0]!r} isn't on the allow-list")

    def _own(self, found: Any, function: str) -> Any:  # noqa: ANN401 - a member of a user's module
        home = str(getattr(found, "__module__", None))
        if home.partition(".")[0] not in self._allowed:
            raise _unavailable(function, f"{found!r} was defined in {home!r}, not in an allowed package")
        return found


def shipped_packages(root: Path) -> tuple[str, ...]:
    """Read the allow-list of a built artefact, one name a line; without the file nothing is allowed."""
    manifest = root / MANIFEST
    return tuple(manifest.read_text("ascii").split()) if manifest.is_file() else ()


def extend_path(folder: str | None) -> None:
    """Let packages of a further folder be found, after everything that the artefact and the layer bring."""
    if folder and folder not in sys.path:
        sys.path.append(folder)


def _import(module_name: str, function: str) -> ModuleType:
    try:
        return import_module(module_name)
    except (ImportError, SyntaxError) as error:
        raise _unavailable(function, f"{module_name}: {type(error).__name__}: {error}") from error


def _member(module: ModuleType, name: str, function: str) -> Any:  # noqa: ANN401 - a member of a user's module
    try:
        return getattr(module, name)
    except AttributeError:
        raise _unavailable(function, f"module {module.__name__!r} has no {name!r}") from None


def _method(owner: Any, name: str) -> LoadedFunction:  # noqa: ANN401 - checked here
    if not isinstance(owner, type):
        raise _unavailable(name, f"{owner!r} is no class")
    declared = inspect.getattr_static(owner, name, None)
    function = _routine(declared, getattr(owner, name, None), name)
    if isinstance(declared, staticmethod):
        return LoadedFunction(function, Parameters.of(function))
    if isinstance(declared, classmethod):
        return LoadedFunction(function, Parameters.of(declared.__func__, unbound=True))
    return LoadedFunction(
        function, Parameters.of(function, unbound=True), Constructor(owner, Parameters.of(owner))
    )


def _routine(declared: object, found: Any, name: str) -> Callable[..., Any]:  # noqa: ANN401 - checked here
    """Refuse what can be called but isn't a function: a class would hand out its instances."""
    if not (inspect.isroutine(declared) and callable(found)):
        raise _unavailable(name, f"{declared!r} is no function")
    return found  # type: ignore[no-any-return]


def _unavailable(function: str, detail: str) -> ConfigurationError:
    return ConfigurationError(f"Function {function!r} isn't available", detail=detail)
