"""Changes botocore for the engine once a function imports it, which takes longer than the rest of a start.

The engine's launcher puts it on the functions' path.
"""

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

HANDLERS = "botocore.handlers"


class ChangeAtImport:
    """Finds the module of botocore's handlers, and calls ``change`` when it has been imported."""

    def __init__(self, change: Callable[[], None]) -> None:
        self._change = change

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the module's spec, None for other modules."""
        spec = PathFinder.find_spec(name, path, target) if name == HANDLERS else None
        if spec and spec.loader:
            sys.meta_path.remove(self)
            execute = spec.loader.exec_module

            def execute_and_change(module: ModuleType) -> None:
                execute(module)
                sys.modules["botocore"].handlers = module  # type: ignore[attr-defined] # import does so later
                self._change()

            spec.loader.exec_module = execute_and_change  # type: ignore[method-assign]
        return spec


def install(change: Callable[[], None]) -> None:
    """Have ``change`` called as soon as botocore's handlers can be changed."""
    sys.meta_path.insert(0, ChangeAtImport(change))
